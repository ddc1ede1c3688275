"""Things that fill a scene by the hundred: tissue of cells that touch, and crowds of nuclei."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from .scenes import Array, Ids, Scene, Smooth

#: Where cells and nuclei are: the lowest and the highest (z, y, x), more than the slices that are seen.
_ROOM = np.array([-0.8, -0.3, -0.3]), np.array([0.8, 1.3, 1.3])


def add_tissue(scene: Scene, class_id: int, count: int, gap: float = 0.0, relaxed: int | None = None) -> None:
    """Cells that fill space and touch each other (a Voronoi tessellation); ``gap`` leaves room between them.

    Some tissue has cells of all sizes, some has cells of about one size: the more often it is ``relaxed``, 0 to 4
    times where that is not given, the more alike they are. In some they are longer one way.
    """
    scene.tissue = True
    rng = scene.rng
    axes = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    stretch = np.exp(rng.normal(0, rng.choice([0.0, 0.25]), 3))
    metric = (axes * stretch / np.prod(stretch) ** (1 / 3)) @ axes.T
    seeds = _spread(rng, count, metric, relaxed)
    if rng.random() < 0.85:  # else swirled, as neurites are
        _bend_little(scene, count)
    metric = metric.astype(np.float32)
    tree = cKDTree(seeds.astype(np.float32) @ metric)
    first = len(scene.class_of)
    for _ in range(count):
        scene.new_instance(class_id)

    def layer(points: Array, ids: Ids) -> Ids:
        distance, index = tree.query(points @ metric, k=2, workers=1)
        own = (first + index[:, 0]).astype(np.int32)
        inside = distance[:, 1] - distance[:, 0] > gap
        return np.where(inside, own, ids)

    scene.layers.append(layer)


def add_nuclei(scene: Scene, class_id: int, count: int, *, fill: float, missing: float) -> None:
    """A crowd of ellipsoids above and beside each other, up to touching, as of the nuclei of a tissue.

    ``count`` is how many would fill the room, ``missing`` the share of them that is left out, ``fill`` their mean
    diameter as a share of the distance of two neighbours.
    """
    scene.crowded = True
    rng = scene.rng
    seeds = _spread(rng, count, np.eye(3), None)
    _bend_little(scene, count)
    seeds = seeds[rng.random(count) >= missing]
    spacing = _spacing(count)
    axes = np.linalg.qr(rng.normal(size=(len(seeds), 3, 3)))[0]
    stretch = np.exp(rng.normal(0, 0.2, (len(seeds), 3)))
    stretch /= np.prod(stretch, 1, keepdims=True) ** (1 / 3)
    radii = 0.5 * fill * spacing * np.exp(rng.normal(0, rng.choice([0.05, 0.2]), (len(seeds), 1)))
    shapes = (axes / (radii * stretch)[:, None]).astype(np.float32)
    own = np.array([scene.new_instance(class_id) for _ in seeds], np.int32)
    places = seeds.astype(np.float32)
    tree = cKDTree(places)
    rough, roughness = Smooth(rng, spacing * rng.uniform(0.5, 1.5)), rng.uniform(0, 0.12)
    reach = 1.3 * float((radii * stretch).max())

    def layer(points: Array, ids: Ids) -> Ids:
        ids = ids.copy()
        distance, nearest = tree.query(points, k=3, distance_upper_bound=reach, workers=1)
        near = np.flatnonzero(distance[:, 0] < reach)
        candidates = np.minimum(nearest[near], len(seeds) - 1)  # where there are fewer, one that is far away
        local = points[near, None] - places[candidates]
        away = np.sqrt(np.square(np.einsum("nkc,nkcd->nkd", local, shapes[candidates])).sum(2))
        inside = away.min(1) < np.minimum(1 + roughness * rough(points[near]), 1.3)
        chosen = candidates[np.arange(len(near)), away.argmin(1)]
        ids[near[inside]] = own[chosen[inside]]
        return ids

    scene.layers.append(layer)


def _spread(
    rng: np.random.Generator, count: int, metric: npt.NDArray[np.float64], relaxed: int | None
) -> npt.NDArray[np.float64]:
    """Places ``[count, 3]`` all over and around what is seen, the more evenly the more often they are relaxed.

    ``metric`` ``[3, 3]`` maps places to where distances are those that count.
    """
    seeds = rng.uniform(*_ROOM, size=(count, 3))
    for _ in range(rng.integers(0, 5) if relaxed is None else relaxed):  # Lloyd's relaxation
        probes = rng.uniform(*_ROOM, size=(30 * count, 3))
        _, nearest = cKDTree(seeds @ metric).query(probes @ metric, workers=1)
        share = np.bincount(nearest, minlength=count)[:, None]
        sums = np.stack([np.bincount(nearest, probes[:, k], minlength=count) for k in range(3)], 1)
        seeds = np.where(share > 0, sums / np.maximum(share, 1), seeds)
    return seeds


def _bend_little(scene: Scene, count: int) -> None:
    """Warp the scene no more than ``count`` things in it bear without being swirled."""
    scene.warps = [(f, min(amplitude, 0.1 * _spacing(count))) for f, amplitude in scene.warps]


def _spacing(count: int) -> float:
    """Distance of neighbours, in frame sides, where ``count`` places fill all the room."""
    return float((np.prod(_ROOM[1] - _ROOM[0]) / count) ** (1 / 3))

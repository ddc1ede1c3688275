"""Scenes: analytic descriptions of labelled regions that can be evaluated at any coordinates.

Regions like organs, tissue of cells, crowds of nuclei, blobs with nested parts and tubes are painted over each other as
layers, all of them warped by smooth noise.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial import cKDTree

Array = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int32]
#: (points [N, 3] as (z, y, x), ids so far [N]) -> ids [N]
Layer = Callable[[Array, Ids], Ids]
#: A square window on a scene: (y0, x0, side), the scene's own sides being 1.
Square = tuple[float, float, float]

#: In stacks, classes up to this one are what things lie in.
LAST_BACKGROUND = 6
#: In stacks, the class of lesions.
LESION = 10
#: In stacks, the class of what is outside of a body.
AIR = 11
#: Where cells and nuclei are: the lowest and the highest (z, y, x), more than the slices that are seen.
_ROOM = np.array([-0.8, -0.3, -0.3]), np.array([0.8, 1.3, 1.3])


class Smooth:
    """A smooth random function of space: a few plane waves around one wavelength, roughly zero mean and unit size."""

    def __init__(self, rng: np.random.Generator, wavelength: float, waves: int = 6) -> None:
        direction = rng.normal(size=(waves, 3))
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        length = wavelength * np.exp(rng.normal(0, 0.35, size=(waves, 1)))
        self.vectors = (2 * np.pi * direction / length).astype(np.float32)
        self.phases = rng.uniform(0, 2 * np.pi, waves).astype(np.float32)
        self.gains = np.full(waves, np.sqrt(2.0 / waves), np.float32)

    def __call__(self, points: Array) -> Array:
        return np.asarray(np.cos(points @ self.vectors.T + self.phases) @ self.gains, np.float32)


class Scene:
    """Layers painted over each other. ``class_of[i]`` is the class of instance ``i``; instance 0 is background."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.class_of: list[int] = [0]
        self.parent: list[int] = [0]
        self.layers: list[Layer] = []
        self.tissue = False
        self.crowded = False
        amplitude = rng.choice([0.0, 0.02, 0.05, 0.09])
        wavelength = rng.uniform(0.3, 0.9)
        if rng.random() < 0.8:  # bent, but not so far that it folds
            amplitude = min(amplitude, 0.1 * wavelength)
        self.warps = [(Smooth(rng, wavelength), amplitude) for _ in range(3)] if amplitude else []

    def new_instance(self, class_id: int, parent: int = 0) -> int:
        self.class_of.append(class_id)
        self.parent.append(parent)
        return len(self.class_of) - 1

    def straighten(self, left: float) -> None:
        """Warp less: by this share of what it was."""
        self.warps = [(f, left * amplitude) for f, amplitude in self.warps]

    def __call__(self, points: Array) -> Ids:
        """Instance ids at points ``[N, 3]``, (z, y, x) in frame sides."""
        if self.warps:
            points = points + np.stack([f(points) * a for f, a in self.warps], 1).astype(np.float32)
        ids = np.zeros(len(points), np.int32)
        for layer in self.layers:
            ids = layer(points, ids)
        return ids

    def add_regions(self, classes: list[int], wavelength: float) -> None:
        """Organ-like regions that fill the frame: where one of several smooth functions is largest."""
        functions = [(self.new_instance(c), Smooth(self.rng, wavelength)) for c in classes]

        def layer(points: Array, ids: Ids) -> Ids:
            values = np.stack([f(points) for _, f in functions])
            own = np.array([i for i, _ in functions], np.int32)
            return np.asarray(own[values.argmax(0)], np.int32)

        self.layers.append(layer)

    def add_tissue(self, class_id: int, count: int, gap: float = 0.0, relaxed: int | None = None) -> None:
        """Cells that fill space and touch each other (a Voronoi tessellation); ``gap`` leaves room between them.

        Some tissue has cells of all sizes, some has cells of about one size: the more often it is ``relaxed``, 0 to 4
        times where that is not given, the more alike they are. In some they are longer one way.
        """
        self.tissue = True
        rng = self.rng
        axes = np.linalg.qr(rng.normal(size=(3, 3)))[0]
        stretch = np.exp(rng.normal(0, rng.choice([0.0, 0.25]), 3))
        metric = (axes * stretch / np.prod(stretch) ** (1 / 3)) @ axes.T
        seeds = self._spread(count, metric, relaxed)
        if rng.random() < 0.85:  # else swirled, as neurites are
            self._bend_little(count)
        metric = metric.astype(np.float32)
        tree = cKDTree(seeds.astype(np.float32) @ metric)
        first = len(self.class_of)
        for _ in range(count):
            self.new_instance(class_id)

        def layer(points: Array, ids: Ids) -> Ids:
            distance, index = tree.query(points @ metric, k=2, workers=1)
            own = (first + index[:, 0]).astype(np.int32)
            inside = distance[:, 1] - distance[:, 0] > gap
            return np.where(inside, own, ids)

        self.layers.append(layer)

    def add_nuclei(self, class_id: int, count: int, *, fill: float, missing: float) -> None:
        """A crowd of ellipsoids above and beside each other, up to touching, as of the nuclei of a tissue.

        ``fill`` is their mean diameter, 1 being the distance of two neighbours; a share ``missing`` of them is not
        there.
        """
        self.crowded = True
        rng = self.rng
        seeds = self._spread(count, np.eye(3), None)
        self._bend_little(count)
        seeds = seeds[rng.random(count) >= missing]
        spacing = _spacing(count)
        axes = np.linalg.qr(rng.normal(size=(len(seeds), 3, 3)))[0]
        stretch = np.exp(rng.normal(0, 0.2, (len(seeds), 3)))
        stretch /= np.prod(stretch, 1, keepdims=True) ** (1 / 3)
        radii = 0.5 * fill * spacing * np.exp(rng.normal(0, rng.choice([0.05, 0.2]), (len(seeds), 1)))
        shapes = (axes / (radii * stretch)[:, None]).astype(np.float32)
        own = np.array([self.new_instance(class_id) for _ in seeds], np.int32)
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

        self.layers.append(layer)

    def _spread(self, count: int, metric: npt.NDArray[np.float64], relaxed: int | None) -> npt.NDArray[np.float64]:
        """Places ``[count, 3]`` all over and around what is seen, the more evenly the more often they are relaxed."""
        rng = self.rng
        seeds = rng.uniform(*_ROOM, size=(count, 3))
        for _ in range(rng.integers(0, 5) if relaxed is None else relaxed):  # Lloyd's relaxation
            probes = rng.uniform(*_ROOM, size=(30 * count, 3))
            _, nearest = cKDTree(seeds @ metric).query(probes @ metric, workers=1)
            share = np.bincount(nearest, minlength=count)[:, None]
            sums = np.stack([np.bincount(nearest, probes[:, k], minlength=count) for k in range(3)], 1)
            seeds = np.where(share > 0, sums / np.maximum(share, 1), seeds)
        return seeds

    def _bend_little(self, count: int) -> None:
        """Warp no more than things of which there are so many bear without being swirled."""
        self.warps = [(f, min(amplitude, 0.1 * _spacing(count))) for f, amplitude in self.warps]

    def add_blobs(
        self,
        class_id: int,
        count: int,
        radius: float,
        *,
        spread: float = 0.35,
        roughness: float = 0.15,
        inner_class: int | None = None,
        inner: float = 0.5,
        pieces: int = 1,
        centre: tuple[float, float] | None = None,
        touching: bool = False,
        lobed: float = 0.2,
        mottled: bool = False,
        concentric: bool = False,
    ) -> None:
        """Star-convex blobs of about ``radius``; with ``inner_class`` each holds a smaller part of that class.

        A ``concentric`` part, if it is one ball, has its middle where the blob has it, the more so the larger it is.

        A share ``lobed`` of those without such a part has one to three lobes, which part from each other farther on.
        With ``pieces`` the inner part is up to so many balls, apart or in touch, as the nucleus of a granulocyte is. In
        ``mottled`` ones the inner class is spread in patches, as living and dead tissue are in a tumour.
        """
        rng = self.rng
        patches = Smooth(rng, radius * rng.uniform(0.3, 1.2)) if mottled else None
        level = rng.normal(0, 0.5)
        radii = radius * np.exp(rng.normal(0, spread, count)).clip(0.4, 2.5)
        centres = np.empty((count, 3))
        for k in range(count):
            for _ in range(12):
                c = rng.uniform((-0.25, -0.05, -0.05), (0.25, 1.05, 1.05))
                if centre is not None:
                    c = np.array([rng.normal(0, 0.03), *centre]) + rng.normal(0, 0.02, 3)
                apart = 0.95 if touching else 1.25
                near = np.linalg.norm(centres[:k] - c, axis=1) < apart * (radii[:k] + radii[k])
                if not near.any():
                    break
            else:
                radii[k] = 0.0
            centres[k] = c
        keep = radii > 0
        centres, radii = centres[keep], radii[keep]
        shapes = []
        for c, r in zip(centres, radii, strict=True):
            axes = np.linalg.qr(rng.normal(size=(3, 3)))[0]
            stretch = np.exp(rng.normal(0, 0.3, 3).clip(-0.6, 0.6))
            balls = int(rng.integers(1, pieces + 1)) if pieces > 1 else 1
            size = inner * np.exp(rng.normal(0, 0.1 if concentric else 0.2)) / balls**0.5
            reach = 0.3 if balls == 1 else 0.55
            if concentric and balls == 1:
                reach = min(reach, 0.6 * max(1 - size, 0.05))
            offsets = (rng.uniform(-reach, reach, (balls, 3)) * r).astype(np.float32)
            outer_id = self.new_instance(class_id)
            inner_id = self.new_instance(inner_class, outer_id) if inner_class is not None else 0
            matrix = (axes / (r * stretch)).astype(np.float32)
            lobes = int(rng.integers(1, 4)) if inner_id == 0 and rng.random() < lobed else 0
            away = (rng.normal(0, 0.6, (lobes, 3)).clip(-1, 1) * r).astype(np.float32)
            shapes.append((c.astype(np.float32), r, matrix, offsets, size, outer_id, inner_id, away))
        rough = Smooth(rng, max(radius * rng.uniform(0.8, 2.0), 0.03))

        def layer(points: Array, ids: Ids) -> Ids:
            ids = ids.copy()
            for c, r, matrix, offsets, size, outer_id, inner_id, away in shapes:
                near = _within(points, c, (3.4 if len(away) else 2.4) * r)
                if not len(near):
                    continue
                local = points[near] - c
                wobble = 1 + roughness * rough(points[near])
                inside = _lengths(local @ matrix) < wobble
                for lobe in away:
                    inside |= _lengths((local - lobe) @ matrix) < 0.8 * wobble
                ids[near[inside]] = outer_id
                if inner_id:
                    if patches is not None:
                        part = patches(points[near]) > level
                    else:
                        away_from = [_lengths((local - offset) @ matrix) for offset in offsets]
                        part = np.minimum.reduce(away_from) < size * (2 - wobble)
                    ids[near[part & inside]] = inner_id
            return ids

        self.layers.append(layer)

    def add_infiltrate(self, class_id: int, radius: float, *, inner_class: int | None = None) -> None:
        """A lesion that grows into what is around it: ragged, in pieces that meet and part from slice to slice.

        With ``inner_class`` patches of that class lie in it.
        """
        rng = self.rng
        centre = rng.uniform((-0.1, 0.15, 0.15), (0.1, 0.85, 0.85)).astype(np.float32)
        stretch = np.exp(rng.normal(0, 0.25, 3)).astype(np.float32)
        field = Smooth(rng, radius * rng.uniform(0.8, 2.5))
        ragged = rng.uniform(0.2, 0.8)
        patches = Smooth(rng, radius * rng.uniform(0.4, 1.2))
        level = rng.normal(0.3, 0.5)
        own = self.new_instance(class_id)
        inner = self.new_instance(inner_class, own) if inner_class is not None else 0

        def layer(points: Array, ids: Ids) -> Ids:
            ids = ids.copy()
            near = _within(points, centre, 4 * radius * stretch)
            away = _lengths((points[near] - centre) / (radius * stretch))
            inside = near[away < 1 + ragged * field(points[near])]
            ids[inside] = own
            if inner:
                ids[inside[patches(points[inside]) > level]] = inner
            return ids

        self.layers.append(layer)

    def add_sheets(self, class_id: int, wavelength: float, thickness: float) -> None:
        """Thin folded sheets, as of fat between muscles, bowel walls or a cortex; ``thickness`` in frame sides."""
        fold = Smooth(self.rng, wavelength)
        level = self.rng.normal(0, 0.5)
        slope = 2 * np.pi / wavelength  # of a wave of unit size
        own = self.new_instance(class_id)

        def layer(points: Array, ids: Ids) -> Ids:
            return np.where(np.abs(fold(points) - level) < 0.5 * slope * thickness, own, ids).astype(np.int32)

        self.layers.append(layer)

    def add_body(self, air: int, shells: list[int], centre: tuple[float, float], radius: float) -> None:
        """What is outside of a body is air; inside of its outline lie ``shells`` as of skin, fat and bone."""
        rng = self.rng
        stretch = np.exp(rng.normal(0, 0.15, 3)) * (0.5, 1.0, 1.0)  # long along the axis
        middle = np.array([0.0, *centre])
        turn = np.linalg.qr(rng.normal(size=(2, 2)))[0]
        wobble = Smooth(rng, rng.uniform(0.4, 1.2))
        outside = self.new_instance(air)
        edges, depth = [], 1.0
        for c in shells:
            depth -= rng.uniform(0.02, 0.12)
            edges.append((depth, self.new_instance(c)))

        def layer(points: Array, ids: Ids) -> Ids:
            local = (points - middle) * stretch
            local[:, 1:] = local[:, 1:] @ turn
            away = _lengths(local) / (radius * (1 + 0.06 * wobble(points)))
            painted = ids.copy()
            for edge, own in reversed(edges):  # from the inside out
                painted[away > edge] = own
            painted[away > 1] = outside
            return painted

        self.layers.append(layer)

    def add_tube(self, class_id: int, radius: float, *, flat: bool = False) -> None:
        """A vessel: points near a smooth random curve.

        A ``flat`` one lies along the slice at height 0, and takes the warp of the scene out of that direction.
        """
        rng = self.rng
        knots = np.cumsum(rng.normal(0, 0.16, (9, 3)), 0)
        knots[:, 0] = knots[:, 0] * rng.uniform(0.5, 3.0)
        knots += (0, 0.5, 0.5) - knots[rng.integers(9)] + rng.normal(0, 0.12, 3)
        if flat:
            knots += rng.normal(0, 0.25, 3)
            knots[:, 0] = rng.normal(0, 0.3 * radius, 9)
            self.warps = [(f, amplitude * (axis > 0)) for axis, (f, amplitude) in enumerate(self.warps)]
        curve = ndimage.zoom(knots, (14, 1), order=3, mode="nearest")
        tree = cKDTree(curve)
        own = self.new_instance(class_id)
        wide = Smooth(rng, 0.5)

        def layer(points: Array, ids: Ids) -> Ids:
            distance, _ = tree.query(points, k=1, distance_upper_bound=radius * 2, workers=1)
            return np.where(distance < radius * (1 + 0.25 * wide(points)), own, ids).astype(np.int32)

        self.layers.append(layer)


def _spacing(count: int) -> float:
    """How far apart so many places are, on average, that fill all there is room for."""
    return float((np.prod(_ROOM[1] - _ROOM[0]) / count) ** (1 / 3))


def _within(points: Array, centre: Array, reach: npt.ArrayLike) -> npt.NDArray[np.intp]:
    """Indices of the points ``[N, 3]`` that are nearer than ``reach`` to ``centre`` along every axis."""
    reach = np.broadcast_to(reach, 3)
    near = np.arange(len(points))
    for axis in (1, 2, 0):
        near = near[np.abs(points[near, axis] - centre[axis]) < reach[axis]]
    return near


def _lengths(vectors: Array) -> Array:
    """Lengths of the vectors ``[N, 3]``."""
    return np.asarray(np.sqrt(np.einsum("nk,nk->n", vectors, vectors)))


def random_roughness(rng: np.random.Generator) -> float:
    """How rough blobs are: more are smooth, as most cells and organs are, than jagged."""
    return float(np.exp(rng.uniform(np.log(0.02), np.log(0.3))))


def grid(z: float, size: int, window: Square) -> Array:
    """Points of one slice seen through a square window (y0, x0, side), ``[size * size, 3]``."""
    y0, x0, side = window
    centres = ((np.arange(size) + 0.5) / size * side).astype(np.float32)
    y, x = np.meshgrid(y0 + centres, x0 + centres, indexing="ij")
    return np.stack([np.full(y.size, z, np.float32), y.ravel(), x.ravel()], 1)


def slice_of(scene: Scene, z: float, size: int, window: Square = (0.0, 0.0, 1.0)) -> Ids:
    """Instance ids ``[size, size]`` of one slice seen through a square window."""
    return scene(grid(z, size, window)).reshape(size, size)

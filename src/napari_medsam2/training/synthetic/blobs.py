"""Blobs: organs, lesions and cells, with lobes, and with parts inside them such as nuclei."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .scenes import Array, Ids, Scene, Smooth, lengths, within


def add_blobs(
    scene: Scene,
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
    rng = scene.rng
    patches = Smooth(rng, radius * rng.uniform(0.3, 1.2)) if mottled else None
    level = rng.normal(0, 0.5)
    radii = radius * np.exp(rng.normal(0, spread, count)).clip(0.4, 2.5)
    blobs: list[_Blob] = []
    for c, r in _places(rng, radii, centre, touching):
        axes = np.linalg.qr(rng.normal(size=(3, 3)))[0]
        stretch = np.exp(rng.normal(0, 0.3, 3).clip(-0.6, 0.6))
        offsets, size = _inner_balls(rng, r, inner, pieces, concentric)
        outer_id = scene.new_instance(class_id)
        inner_id = scene.new_instance(inner_class, outer_id) if inner_class is not None else 0
        matrix = (axes / (r * stretch)).astype(np.float32)
        lobes = int(rng.integers(1, 4)) if inner_id == 0 and rng.random() < lobed else 0
        away = (rng.normal(0, 0.6, (lobes, 3)).clip(-1, 1) * r).astype(np.float32)
        blobs.append(_Blob(c.astype(np.float32), r, matrix, away, offsets, size, outer_id, inner_id))
    rough = Smooth(rng, max(radius * rng.uniform(0.8, 2.0), 0.03))

    def layer(points: Array, ids: Ids) -> Ids:
        ids = ids.copy()
        for blob in blobs:
            near = blob.near(points)
            if not len(near):
                continue
            wobble = 1 + roughness * rough(points[near])
            inside = blob.inside(points[near], wobble)
            ids[near[inside]] = blob.outer_id
            if blob.inner_id:
                part = blob.in_balls(points[near], wobble) if patches is None else patches(points[near]) > level
                ids[near[part & inside]] = blob.inner_id
        return ids

    scene.layers.append(layer)


@dataclass(frozen=True, eq=False)
class _Blob:
    """One blob; lengths are in frame sides.

    Attributes
    ----------
    centre, radius
        Its middle (z, y, x), and its mean radius.
    matrix
        ``[3, 3]``: makes vectors from the middle to the surface ones of length 1.
    lobes
        Vectors ``[L, 3]`` from the middle to those of its lobes.
    offsets, size
        Vectors ``[K, 3]`` from the middle to those of the balls of the inner part, and their size, the blob's being 1.
    outer_id, inner_id
        Instances; without an inner part that is 0.
    """

    centre: Array
    radius: float
    matrix: Array
    lobes: Array
    offsets: Array
    size: float
    outer_id: int
    inner_id: int

    def near(self, points: Array) -> npt.NDArray[np.intp]:
        """Indices of the points ``[N, 3]`` that may lie in it."""
        return within(points, self.centre, (3.4 if len(self.lobes) else 2.4) * self.radius)

    def inside(self, points: Array, wobble: Array) -> npt.NDArray[np.bool_]:
        """Which points ``[N, 3]`` lie in it or its lobes; ``wobble`` ``[N]`` is how far it reaches there, about 1."""
        local: Array = points - self.centre
        inside = lengths(local @ self.matrix) < wobble
        for lobe in self.lobes:
            inside |= lengths((local - lobe) @ self.matrix) < 0.8 * wobble
        return np.asarray(inside)

    def in_balls(self, points: Array, wobble: Array) -> npt.NDArray[np.bool_]:
        """Which points ``[N, 3]`` lie in the balls of its inner part."""
        local: Array = points - self.centre
        away = [lengths((local - offset) @ self.matrix) for offset in self.offsets]
        return np.asarray(np.minimum.reduce(away) < self.size * (2 - wobble))


def _places(
    rng: np.random.Generator, radii: npt.NDArray[np.float64], centre: tuple[float, float] | None, touching: bool
) -> list[tuple[npt.NDArray[np.float64], float]]:
    """Middles (z, y, x) and radii of those blobs for which there is room beside the ones before."""
    radii = radii.copy()
    centres = np.empty((len(radii), 3))
    for k in range(len(radii)):
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
    return [(c, r) for c, r in zip(centres, radii, strict=True) if r > 0]


def _inner_balls(
    rng: np.random.Generator, radius: float, inner: float, pieces: int, concentric: bool
) -> tuple[Array, float]:
    """Where the balls of an inner part are, ``[K, 3]`` from the blob's middle, and their size, the blob's being 1."""
    balls = int(rng.integers(1, pieces + 1)) if pieces > 1 else 1
    size = inner * np.exp(rng.normal(0, 0.1 if concentric else 0.2)) / balls**0.5
    reach = 0.3 if balls == 1 else 0.55
    if concentric and balls == 1:
        reach = min(reach, 0.6 * max(1 - size, 0.05))
    return (rng.uniform(-reach, reach, (balls, 3)) * radius).astype(np.float32), size


def random_roughness(rng: np.random.Generator) -> float:
    """How rough blobs are: more are smooth, as most cells and organs are, than jagged."""
    return float(np.exp(rng.uniform(np.log(0.02), np.log(0.3))))

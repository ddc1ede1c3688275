"""Scenes: analytic descriptions of labelled regions that can be evaluated at any coordinates.

Layers are painted over each other, all of them warped by smooth noise. The layers themselves are drawn by `anatomy`,
`crowds` and `blobs`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

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
    """Layers painted over each other, in coordinates (z, y, x) of which a frame takes 0 to 1 along y and x.

    Attributes
    ----------
    rng
        What layers are drawn from.
    class_of, parent
        Of each instance its class, and the instance that it is a part of (0: of none). Instance 0 is the background.
    layers
        From the first to the last that is painted.
    warps
        For z, y and x a smooth function and its amplitude: how far a point is moved before layers are asked about it.
    tissue, crowded
        True where cells fill the scene, and where nuclei lie close above and beside each other.
    """

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
        """The number of one instance more, of this class."""
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


def grid(z: float, size: int, window: Square) -> Array:
    """Points of one slice seen through a square window (y0, x0, side), ``[size * size, 3]``."""
    y0, x0, side = window
    centres = ((np.arange(size) + 0.5) / size * side).astype(np.float32)
    y, x = np.meshgrid(y0 + centres, x0 + centres, indexing="ij")
    return np.stack([np.full(y.size, z, np.float32), y.ravel(), x.ravel()], 1)


def slice_of(scene: Scene, z: float, size: int, window: Square = (0.0, 0.0, 1.0)) -> Ids:
    """Instance ids ``[size, size]`` of one slice seen through a square window."""
    return scene(grid(z, size, window)).reshape(size, size)


def within(points: Array, centre: Array, reach: npt.ArrayLike) -> npt.NDArray[np.intp]:
    """Indices of the points ``[N, 3]`` that are nearer than ``reach`` to ``centre`` along every axis."""
    reach = np.broadcast_to(reach, 3)
    near = np.arange(len(points))
    for axis in (1, 2, 0):
        near = near[np.abs(points[near, axis] - centre[axis]) < reach[axis]]
    return near


def lengths(vectors: Array) -> Array:
    """Lengths of the vectors ``[N, 3]``."""
    return np.asarray(np.sqrt(np.einsum("nk,nk->n", vectors, vectors)))

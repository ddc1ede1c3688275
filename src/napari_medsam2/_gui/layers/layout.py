"""Which axis of an image layer is what, and where its frames lie: pure values, apart from the viewer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ...errors import LayoutError

#: Layer metadata that tells whether the frames are a "stack" or a "flow".
MODE_KEY = "napari_medsam2_mode"
#: Layer metadata with the size ``(H, W)`` of each image, in the upper left corner of its frame, where they differ.
SIZES_KEY = "napari_medsam2_sizes"
#: Layer metadata with the :class:`~napari_medsam2.images.opened.OpenedImages` that the layer shows, or lies on.
IMAGES_KEY = "napari_medsam2_images"
#: Layer metadata of how it was opened: ``path``, or ``paths`` of files opened as one, ``series`` and ``channel``.
OPENED_KEY = "napari_medsam2_opened"
#: A level of a multiscale image is used if its frames have at most this many pixels; else the next smaller one.
LARGEST_FRAME = 4096 * 4096


@dataclass(frozen=True)
class Layout:
    """How a layer's axes become a sequence of frames.

    Attributes
    ----------
    shape
        Of the layer's data (of the used level), without the RGB axis.
    axis
        The propagation axis, or ``None`` for a single image.
    fixed
        ``(axis, index)`` of the other axes that are not on the canvas: they stay where they are.
    rgb
        True if the data has a last axis of colours.
    level, factors
        Multiscale level that is used, and pixels of level 0 in one of its pixels along each axis.
    sizes
        Of unrelated images, the size ``(H, W)`` of each, in the corner of its frame; empty where all fill their frames.
    """

    shape: tuple[int, ...]
    axis: int | None
    fixed: tuple[tuple[int, int], ...] = ()
    rgb: bool = False
    level: int = 0
    factors: tuple[float, ...] = ()
    sizes: tuple[tuple[int, int], ...] = ()

    @property
    def plane(self) -> tuple[int, int]:
        """The axes (y, x) of a frame."""
        taken = {self.axis, *(axis for axis, _ in self.fixed)}
        y, x = (axis for axis in range(len(self.shape)) if axis not in taken)
        return y, x

    @property
    def n_frames(self) -> int:
        """Frames along the propagation axis; 1 for a single image."""
        return 1 if self.axis is None else self.shape[self.axis]

    @property
    def frame_shape(self) -> tuple[int, int]:
        """``(H, W)`` of a frame, in pixels of the used level."""
        y, x = self.plane
        return self.shape[y], self.shape[x]

    def size_of(self, frame: int) -> tuple[int, int]:
        """Return the size ``(H, W)`` of one frame, without what is beside a smaller image."""
        return self.sizes[frame] if self.sizes else self.frame_shape

    def index(self, frame: int | slice) -> tuple[int | slice, ...]:
        """Return the index of one frame (or of a slice of frames) in an array of this shape."""
        where: list[int | slice] = [slice(None)] * len(self.shape)
        for axis, position in self.fixed:
            where[axis] = position
        if self.axis is not None:
            where[self.axis] = frame
        return tuple(where)

    def to_frames(self, points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Map data coordinates of level 0, ``(N, ndim)``, to ``(N, 3)``: frame, y, x of the used level."""
        scaled = np.atleast_2d(points) / (np.asarray(self.factors) if self.factors else 1.0)
        frames = np.zeros(len(scaled)) if self.axis is None else scaled[:, self.axis]
        y, x = self.plane
        return np.column_stack([frames, scaled[:, y], scaled[:, x]])

    def from_frames(self, points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Map ``(N, 3)`` frame, y, x to data coordinates of level 0, ``(N, ndim)``."""
        points = np.atleast_2d(points)
        data = np.zeros((len(points), len(self.shape)))
        for axis, position in self.fixed:
            data[:, axis] = position
        if self.axis is not None:
            data[:, self.axis] = points[:, 0]
        y, x = self.plane
        data[:, y], data[:, x] = points[:, 1], points[:, 2]
        return data * (np.asarray(self.factors) if self.factors else 1.0)

    def on_level(self, points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Map ``(N, 3)`` frame, y, x to data coordinates of the used level, as our layers have them."""
        return self.from_frames(points) / (np.asarray(self.factors) if self.factors else 1.0)

    def is_here(self, points: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
        """Say which data coordinates (level 0) lie on the fixed positions of the other axes."""
        scaled = np.atleast_2d(points) / (np.asarray(self.factors) if self.factors else 1.0)
        here = np.ones(len(scaled), dtype=bool)
        for axis, position in self.fixed:
            here &= np.round(scaled[:, axis]) == position
        return here


def resolve_layout(
    level_shapes: Sequence[Sequence[int]],
    *,
    rgb: bool,
    order: Sequence[int],
    position: Sequence[float],
    axis: int | None = None,
) -> Layout:
    """Choose the propagation axis and the multiscale level.

    Parameters
    ----------
    level_shapes
        Data shape of each level, without the RGB axis; one for a plain image.
    rgb
        Whether there is a last axis of colours.
    order
        The layer's axes as the viewer orders them: the last two are on the canvas.
    position
        Where the sliders are, in data coordinates of level 0.
    axis
        The axis the user chose, or ``None`` to take the slider's (the last one longer than 1, if there are several).

    Raises
    ------
    LayoutError
        If there are no pixels, fewer than two axes, or no such axis.
    """
    shapes = [tuple(int(n) for n in shape) for shape in level_shapes]
    full = shapes[0]
    if len(full) < 2:
        raise LayoutError(f"an image needs two axes at least; this layer's shape is {full}")
    if 0 in full:
        raise LayoutError(f"this layer is empty: its shape is {full}")
    if axis is not None and not 0 <= axis < len(full):
        raise LayoutError(f"there is no axis {axis}; this layer has the axes 0 to {len(full) - 1}")
    others = [a for a in order if a not in order[-2:]]
    if axis is None and others:
        axis = next((a for a in sorted(others, reverse=True) if full[a] > 1), others[-1])
    if axis is not None and axis in order[-2:] and others:
        # The chosen axis is on the canvas: the last slider's axis takes its place there.
        others = [a for a in others if a != others[-1]] + [axis]
    y, x = (a for a in range(len(full)) if a not in others)
    level = next((i for i, s in enumerate(shapes) if s[y] * s[x] <= LARGEST_FRAME), len(shapes) - 1)
    shape = shapes[level]
    factors = tuple(big / small for big, small in zip(full, shape, strict=True)) if level else ()
    fixed = tuple(
        (a, int(np.clip(np.round(position[a] / (factors[a] if factors else 1)), 0, shape[a] - 1)))
        for a in sorted(others)
        if a != axis
    )
    return Layout(shape, axis, fixed, rgb, level, factors)


def axis_name(labels: Sequence[str], axis: int) -> str:
    """``axis 0`` or, where the layer names its axes, ``axis 0 (z)``."""
    label = str(labels[axis]) if axis < len(labels) else ""
    unnamed = not label or label.startswith("axis") or label.lstrip("-").isdigit()
    return f"axis {axis}" if unnamed else f"axis {axis} ({label})"


def noun_of(layout: Layout, labels: Sequence[str], mode: str) -> str:
    """What people call one frame: an image (alone or in a flow), a frame in time, or a slice."""
    if mode == "flow" or layout.axis is None:
        return "image"
    label = str(labels[layout.axis]) if layout.axis is not None and layout.axis < len(labels) else ""
    return "frame" if label.lower() in ("t", "time") else "slice"


def describe(layout: Layout, labels: Sequence[str], mode: str = "stack") -> str:
    """Say in words what the axes are."""
    y, x = layout.frame_shape
    noun = noun_of(layout, labels, mode) + ("" if layout.n_frames == 1 else "s")
    words = [f"{'up to ' if len(set(layout.sizes)) > 1 else ''}{y} x {x} pixels" + (", RGB" if layout.rgb else "")]
    if layout.axis is not None:
        words.insert(0, f"{layout.n_frames} {noun} along {axis_name(labels, layout.axis)}")
    words += [f"{axis_name(labels, axis)} stays at {position}" for axis, position in layout.fixed]
    if layout.level:
        words.append(f"multiscale level {layout.level}")
    return ", ".join(words)


def take_frames(data: Any, layout: Layout) -> Any:
    """Return the layer's data as ``(frame, y, x[, rgb])``, lazily where it is lazy (``data``: of the used level).

    Where images differ in size it is a list of them.
    """
    if not isinstance(data, np.ndarray) and not hasattr(data, "dask"):
        import dask.array

        data = dask.array.asarray(data)
    frames = data[layout.index(slice(None))]
    if layout.axis is None:
        return frames
    moved = sum(1 for axis, _ in layout.fixed if axis < layout.axis)
    frames = np.moveaxis(frames, layout.axis - moved, 0)
    if layout.sizes:
        return [frames[t, :height, :width] for t, (height, width) in enumerate(layout.sizes)]
    return frames

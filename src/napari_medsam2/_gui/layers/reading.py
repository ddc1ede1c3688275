"""Prompts read from the points, shapes and labels layers that a user draws in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from napari.layers import Image, Labels, Layer, Points, Shapes

from ...errors import PromptError
from ...geometry.strokes import clicks_along, filled
from ...prompts import BoxPrompt, MaskPrompt, PointPrompt, Prompt
from ...types import Mask
from .coordinates import WorldPoint, map_points
from .layout import Layout
from .pen import outline_of

#: Maps points ``(N, ndim)`` from the data coordinates of one layer to those of another.
Mapping = Callable[[npt.ArrayLike], npt.NDArray[np.float64]]
#: Labels layers of ours hold 16 bit.
LARGEST_LABEL = 65535
#: A box is at least so many pixels wide and long; what is smaller was hardly meant as one.
LEAST_WIDTH, LEAST_LENGTH = 1.0, 3.0
#: What shapes are as prompts.
_NAMES = {"rectangle": "box", "path": "scribble", "line": "scribble"}


@dataclass(frozen=True)
class Reading:
    """What a layer says as prompts, and what of it cannot be used: in words, and which of its points or shapes."""

    prompts: tuple[Prompt, ...] = ()
    problems: tuple[str, ...] = ()
    unusable: tuple[int, ...] = ()


def read_prompts(
    layer: Layer,
    image: Image,
    layout: Layout,
    *,
    viewer_point: WorldPoint | Sequence[float],
    object_id: int,
    counted: bool | None = None,
) -> Reading:
    """Read all prompts of a Points, Shapes or Labels layer, through the transforms of both layers and their units.

    Features ``object`` and ``positive`` are used where the layer has them; else ``object_id`` and positive. In a
    Labels layer the label is the object's number. Rectangles and ellipses are boxes, lines and paths are clicks along
    them. Polygons are drawn masks, one after the other: a negative one takes away from those before it.
    """
    to_image: Mapping = partial(map_points, source=layer, target=image, viewer_point=viewer_point, counted=counted)
    from_image: Mapping = partial(map_points, source=image, target=layer, viewer_point=viewer_point, counted=counted)
    if isinstance(layer, Points):
        return _read_points(layer, to_image, layout, object_id)
    if isinstance(layer, Shapes):
        return _read_shapes(layer, to_image, layout, object_id)
    if isinstance(layer, Labels):
        return _read_labels(layer, from_image, to_image, layout)
    return Reading(problems=(f"'{layer.name}' is not a Points, Shapes or Labels layer",))


def _objects(layer: Points | Shapes, object_id: int) -> tuple[list[int], list[str]]:
    """Object numbers by the layer's feature; values that are none count as ``object_id``, which is said in words."""
    column = layer.features.get("object")
    if column is None:
        return [object_id] * len(layer.data), []
    numbers = [_object_number(value) for value in column]
    odd = sorted({str(value) for value, number in zip(column, numbers, strict=True) if number is None})
    problem = (
        f"'{layer.name}' has the feature 'object' with values that are no object's number (1, 2, ...): "
        f"{', '.join(odd[:3])}; these count as object {object_id}"
    )
    return [number or object_id for number in numbers], [problem] if odd else []


def _object_number(value: Any) -> int | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return int(number) if 1 <= number <= LARGEST_LABEL and number.is_integer() else None


def _outside(frame: float, y: float, x: float, layout: Layout) -> bool:
    height, width = layout.size_of(_frame(frame, layout))
    return not (-0.5 <= frame <= layout.n_frames - 0.5 and -0.5 <= y <= height - 0.5 and -0.5 <= x <= width - 0.5)


def _frame(value: float, layout: Layout) -> int:
    return int(np.clip(np.round(value), 0, layout.n_frames - 1))


def _signs(layer: Points | Shapes) -> list[bool]:
    column = layer.features.get("positive")
    return [True] * len(layer.data) if column is None else [bool(value) for value in column]


def _read_points(layer: Points, to_image: Mapping, layout: Layout, object_id: int) -> Reading:
    if len(layer.data) == 0:
        return Reading()
    data = to_image(layer.data)
    prompts: list[Prompt] = []
    unusable: list[int] = []
    numbers, problems = _objects(layer, object_id)
    rows = zip(layout.to_frames(data), layout.is_here(data), _signs(layer), numbers, strict=True)
    for index, ((frame, y, x), here, sign, number) in enumerate(rows):
        if not np.isfinite((frame, y, x)).all():
            problems.append(f"a point of '{layer.name}' has a coordinate that is no number; it is not used")
        elif not here:
            continue
        elif _outside(frame, y, x, layout):
            problems.append(f"a point of '{layer.name}' lies outside the image (y={y:.0f}, x={x:.0f}); it is not used")
        else:
            prompts.append(PointPrompt(_frame(frame, layout), float(y), float(x), sign, number))
            continue
        unusable.append(index)
    return Reading(tuple(prompts), tuple(problems), tuple(unusable))


class _ShapesReader:
    """Makes prompts of shapes, one after the other; a :class:`PromptError` says what is wrong with one."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self.prompts: list[Prompt] = []
        self._drawn: dict[tuple[int, int], MaskPrompt] = {}

    @property
    def all_prompts(self) -> tuple[Prompt, ...]:
        return (*self.prompts, *(prompt for prompt in self._drawn.values() if prompt.mask.any()))

    def read(self, kind: str, corners: npt.NDArray[np.float64], number: int, positive: bool) -> None:
        """Take a shape whose corners are frame, y and x, ``(N, 3)``."""
        where = float(corners[:, 0].mean())
        if np.ptp(corners[:, 0]) > 0.5:
            raise PromptError("goes through more than one frame")
        frame = _frame(where, self._layout)
        height, width = size = self._layout.size_of(frame)
        low, high = np.array([-0.5, -0.5]), np.array([height, width]) - 0.5
        (y0, x0), (y1, x1) = np.clip((corners[:, 1:].min(axis=0), corners[:, 1:].max(axis=0)), low, high)
        if y0 == high[0] or x0 == high[1] or y1 == low[0] or x1 == low[1] or _outside(where, y0, x0, self._layout):
            raise PromptError("lies outside the image")
        if kind in ("line", "path"):
            for y, x in clicks_along(corners[:, 1:]):
                if not _outside(where, y, x, self._layout):
                    self.prompts.append(PointPrompt(frame, float(y), float(x), positive, number))
        elif kind == "polygon" or not positive:
            self._draw(frame, number, filled(outline_of(kind, corners[:, 1:]), size), positive)
        elif min(y1 - y0, x1 - x0) < LEAST_WIDTH:
            raise PromptError("has no area: drag from corner to corner of the object")
        elif max(y1 - y0, x1 - x0) < LEAST_LENGTH:
            raise PromptError(
                "is less than three pixels long: drag from corner to corner of the object, or click on it with Point"
            )
        else:
            self.prompts.append(BoxPrompt(frame, float(y0), float(x0), float(y1), float(x1), object_id=number))

    def _draw(self, frame: int, number: int, mask: Mask, positive: bool) -> None:
        before = self._drawn.get((number, frame))
        if not mask.any():
            raise PromptError("goes around the centre of no pixel")
        if not positive and (before is None or not (before.mask & mask).any()):
            raise PromptError("says what is not part of the object, where nothing was drawn before it")
        drawn = mask if before is None else before.mask | mask if positive else before.mask & ~mask
        self._drawn[(number, frame)] = MaskPrompt(frame, drawn, number)


def _read_shapes(layer: Shapes, to_image: Mapping, layout: Layout, object_id: int) -> Reading:
    reader = _ShapesReader(layout)
    unusable: list[int] = []
    numbers, problems = _objects(layer, object_id)
    shapes = zip(layer.data, layer.shape_type, numbers, _signs(layer), strict=True)
    for index, (vertices, kind, number, positive) in enumerate(shapes):
        data = to_image(vertices)
        try:
            if not np.isfinite(data).all():
                raise PromptError("has a corner that is no number")
            if layout.is_here(data).all():
                reader.read(kind, layout.to_frames(data), number, positive)
        except PromptError as error:
            problems.append(f"a {_NAMES.get(kind, kind)} of '{layer.name}' {error}; it is not used")
            unusable.append(index)
    return Reading(reader.all_prompts, tuple(problems), tuple(unusable))


def _read_labels(layer: Labels, from_image: Mapping, to_image: Mapping, layout: Layout) -> Reading:
    """Sample the labels at every pixel of the image's frames (nearest neighbour)."""
    data: Any = layer.data[0] if layer.multiscale else layer.data
    probe = layout.from_frames(np.vstack([np.zeros(3), np.eye(3)]))
    at = from_image(probe)
    back = to_image(at[:2])
    # A layer without the propagation axis (2D labels on a stack) speaks of the slice in view alone.
    here = _frame(float(layout.to_frames(back)[0, 0]), layout)
    follows = layout.n_frames > 1 and not np.allclose(back[0], back[1])
    origin, (along, down, right) = at[0], at[1:] - at[0]
    prompts: list[Prompt] = []
    for frame in range(layout.n_frames) if follows else (here,):
        labels = _sample(data, origin + frame * along, down, right, layout.size_of(frame))
        if labels.any():
            prompts += [MaskPrompt(frame, labels == k, int(k)) for k in np.unique(labels) if k > 0]
    if not prompts:
        return Reading(problems=(f"'{layer.name}' has no label on this image: it is empty there",))
    return Reading(tuple(prompts))


def _sample(
    data: Any,
    origin: npt.NDArray[np.float64],
    down: npt.NDArray[np.float64],
    right: npt.NDArray[np.float64],
    shape: tuple[int, int],
) -> npt.NDArray[np.int64]:
    """Values of ``data`` at ``origin + y * down + x * right``, ``(H, W)``; 0 outside it.

    Only the slab that is touched is read, so a lazy layer stays lazy.
    """
    rows, columns = np.arange(shape[0])[:, None], np.arange(shape[1])[None, :]
    # Where an axis of the data does not change along y or x it stays a column, a row or a number: that is quick.
    at = [
        np.round(start + (rows * step_y if abs(step_y) > 1e-9 else 0) + (columns * step_x if abs(step_x) > 1e-9 else 0))
        for start, step_y, step_x in zip(origin, down, right, strict=True)
    ]
    index = [np.atleast_2d(np.asarray(a)).astype(int) for a in at]
    inside = np.ones(shape, bool)
    for where, length in zip(index, data.shape, strict=True):
        inside &= (where >= 0) & (where < length)
    if not inside.any():
        return np.zeros(shape, np.int64)
    clipped = [np.clip(where, 0, length - 1) for where, length in zip(index, data.shape, strict=True)]
    low = [int(where.min()) for where in clipped]
    slab = np.asarray(data[tuple(slice(a, int(where.max()) + 1) for a, where in zip(low, clipped, strict=True))])
    values = slab[tuple(where - a for where, a in zip(clipped, low, strict=True))]
    return np.where(inside, np.broadcast_to(values, shape), 0).astype(np.int64)

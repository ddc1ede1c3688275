"""Small things on large frames: how closely they are looked at, in tiles or in one window. Pure functions.

In a flow all things of a kind are looked for on the whole frame. Where those are small and the frame is large, as with
cells in a microscope's field of view, one look at all of it does not show them; then it is looked at in overlapping
square tiles through which the things are large enough. Here is how large tiles are, where they lie, and how their
answers become one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ..geometry.boxes import Box
from ..geometry.window import OUTSIDE_LOGIT, Window, contains, paste
from ..prompts import FramePrompts
from ..types import Mask

if TYPE_CHECKING:
    from torch import Tensor

#: How much more the answer in a window with prompts counts than that in a tile without.
PROMPTED_WEIGHT = 3.0


@dataclass(frozen=True)
class TileOptions:
    """When a frame is looked at in tiles, or in a window, and how large those are.

    Attributes
    ----------
    least
        A thing that would be less than this many pixels of the network's input long in the whole frame is looked for
        in tiles, in a stack in a window. SAM 2 and its descendants draw masks on every fourth pixel, so below 16 there
        is no room for a shape.
    wanted
        How many pixels of the network's input it is to be long in a tile or a window.
    magnified
        A pixel of the frame is drawn at most this large, in pixels of the network's input.
    overlap
        Share of its side that a tile has in common with the next.
    most
        A frame has at most this many tiles; where more were needed, they are larger.
    """

    least: float = 16.0
    wanted: float = 32.0
    magnified: float = 4.0
    overlap: float = 0.2
    most: int = 64


#: For the bundled network with its pretrained parts: it draws masks on every second pixel and tells small things apart,
#: and each tile is a frame's work.
WITH_PRETRAINED = TileOptions(least=8.0)

#: For networks that are at home on whole frames, SAM 2 and its descendants: they are large, and each tile is a frame's
#: work.
FOR_WHOLE_FRAMES = TileOptions(wanted=64.0, most=16)


def length_of_things(prompts: FramePrompts) -> float | None:
    """The length of one thing that the prompts show, in pixels; ``None`` if they are clicks alone.

    It is the longer side of a box or of a separate part of a mask; of several, their median, in which parts of a mask
    count by their area.
    """
    boxes = [(max(p.y1 - p.y0, p.x1 - p.x0), 1.0) for p in prompts.boxes]
    if prompts.mask is not None and prompts.mask.any():
        boxes += _parts(prompts.mask)
    if not boxes:
        return None
    lengths, weights = (np.array(values) for values in zip(*sorted(boxes), strict=True))
    return float(lengths[np.searchsorted(np.cumsum(weights), 0.5 * weights.sum())])


def _parts(mask: Mask) -> list[tuple[float, float]]:
    """The longer side and the area of each separate part of a mask."""
    labels, count = ndimage.label(mask)
    areas = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    spans = (max(axis.stop - axis.start for axis in found) for found in ndimage.find_objects(labels))
    return [(float(span), float(area)) for span, area in zip(spans, areas, strict=True)]


def is_small(length: float, shape: tuple[int, int], size: int, options: TileOptions) -> bool:
    """True if one look at a whole frame of ``shape`` (H, W) does not show a thing of this length, in pixels.

    Parameters
    ----------
    size
        Side of the network's input.
    """
    return length * size / max(shape) < options.least


def tile_side(length: float, shape: tuple[int, int], size: int, options: TileOptions) -> int | None:
    """Side of the tiles for things of a length, all in pixels; ``None`` where one look at the whole shows them.

    Sides are powers of the square root of two, so that kinds of about one size share the tiles and their features.

    Parameters
    ----------
    shape
        Of the frame, (H, W).
    size
        Side of the network's input.
    """
    if not is_small(length, shape, size, options):
        return None
    side = max(length * size / options.wanted, size / options.magnified)
    power = round(2 * math.log2(side))
    while math.prod(len(_starts(length, _whole(power), options.overlap)) for length in shape) > options.most:
        power += 1
    return usable_side(_whole(power), shape)


def usable_side(side: int, shape: tuple[int, int]) -> int | None:
    """The side of tiles on a frame of this shape, ``None`` if the frame is hardly larger than one."""
    return side if side < 0.8 * max(shape) else None


def _whole(power: int) -> int:
    return round(2 ** (power / 2))


def tile_windows(shape: tuple[int, int], side: int, options: TileOptions) -> list[Window]:
    """Tiles of a side that cover a frame, row by row; where the frame is narrower they reach beyond it."""
    rows, columns = (_starts(length, side, options.overlap) for length in shape)
    return [Window(y - 0.5, x - 0.5, float(side), float(side)) for y in rows for x in columns]


def _starts(length: int, side: int, overlap: float) -> list[int]:
    """First pixels of the tiles along an axis of a frame."""
    count = max(math.ceil((length - side) / (side * (1 - overlap))), 0) + 1
    return [_start(round(start), length, side) for start in np.linspace(0, max(length - side, 0), count)]


def _start(wanted: int, length: int, side: int) -> int:
    """The first pixel of a window along an axis: inside the frame, or centred on a frame that is narrower."""
    return (length - side) // 2 if length <= side else min(max(wanted, 0), length - side)


def windows_on(places: Iterable[Box], shape: tuple[int, int], side: int) -> list[Window]:
    """Windows of a side around places on a frame, one for all that lie in it.

    Parameters
    ----------
    places
        Boxes ``(y0, x0, y1, x1)``, outer edges.
    """
    windows: list[Window] = []
    for y0, x0, y1, x1 in places:
        if any(contains(window, y0, x0) and contains(window, y1, x1) for window in windows):
            continue
        corner = [
            _start(round(middle - side / 2), length, side)
            for middle, length in zip(((y0 + y1) / 2, (x0 + x1) / 2), shape, strict=True)
        ]
        windows.append(Window(corner[0] - 0.5, corner[1] - 0.5, float(side), float(side)))
    return windows


def places_of(prompts: FramePrompts) -> list[Box]:
    """Boxes, and positive clicks as boxes without an extent: ``(y0, x0, y1, x1)``."""
    boxes = [(p.y0, p.x0, p.y1, p.x1) for p in prompts.boxes]
    return boxes + [(p.y, p.x, p.y, p.x) for p in prompts.positive]


def inside(prompts: FramePrompts, window: Window) -> FramePrompts:
    """The clicks in a window and the boxes whose middle is in it."""
    boxes = [p for p in prompts.boxes if contains(window, (p.y0 + p.y1) / 2, (p.x0 + p.x1) / 2)]
    clicks = [p for p in prompts.points if contains(window, p.y, p.x)]
    return FramePrompts(prompts.object_id, prompts.frame, (*boxes, *clicks))


def fullest(windows: Sequence[Window], mask: Mask) -> Window:
    """The window that shows most pixels of a mask ``(H, W)``; windows lie on whole pixels."""
    return max(windows, key=lambda window: int(np.count_nonzero(mask[_part_of(window, mask.shape)])))


def blended(
    answers: Sequence[tuple[Window, Tensor]], weights: Sequence[float], shape: tuple[int, int]
) -> npt.NDArray[np.float32]:
    """The logits of a frame ``(H, W)`` from those of windows on it.

    Where windows overlap it is the mean, in which each counts the less the nearer its border is: what is cut off there
    is told better by the next one.

    Parameters
    ----------
    answers
        Windows on whole pixels and their logits ``[1, 1, h, w]``.
    weights
        How much each counts.
    """
    total, counted = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    for (window, logits), weight in zip(answers, weights, strict=True):
        rows, columns = part = _part_of(window, shape)
        from_edge = [
            np.minimum(away := (np.arange(axis.start, axis.stop) - start) / side, 1 - away)
            for axis, start, side in ((rows, window.y0, window.size_y), (columns, window.x0, window.size_x))
        ]
        counts = np.outer(*from_edge).astype(np.float32) * weight
        there = Window(window.y0 - rows.start, window.x0 - columns.start, window.size_y, window.size_x)
        total[part] += counts * paste(logits, there, counts.shape)
        counted[part] += counts
    return np.divide(total, counted, out=np.full(shape, OUTSIDE_LOGIT, np.float32), where=counted > 0)


def _part_of(window: Window, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """The rows and columns of a frame that a window on whole pixels shows."""
    rows, columns = (
        slice(max(round(start + 0.5), 0), min(round(start + 0.5 + side), length))
        for start, side, length in zip((window.y0, window.x0), (window.size_y, window.size_x), shape, strict=False)
    )
    return rows, columns

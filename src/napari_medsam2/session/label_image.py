"""Label images hold one number a pixel: which object they show where objects overlap, and what that says of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import OutputError
from ..geometry.compact_mask import shared_area
from ..results import FrameResult

#: A part lies within its whole if at least this share of it does, as of a nucleus in its cell.
LEAST_SHARE_WITHIN_WHOLE = 0.9
#: What was found within a larger object is a part of it up to this share of its area; what is larger competes with it.
LARGEST_PART_OF_WHOLE = 0.3
#: What a box was drawn around is there. If less of it than this share would be seen, it counts as a part of what hides
#: it.
LEAST_SHARE_SEEN_IN_BOX = 0.5
#: Such a part may have up to this share of its whole's area.
LARGEST_BOXED_PART_OF_WHOLE = 0.9


@dataclass(frozen=True, eq=False)
class LabelImage:
    """The objects of one frame together.

    Attributes
    ----------
    labels
        ``(H, W)``: 0 for background, else the object's number.
    confidences
        By object: its confidence, in the light of the others. Where another one was found too, which goes before it or
        is its equal, one of the two may be wrong: such pixels count half. What was drawn is not doubted.
    """

    labels: npt.NDArray[Any]
    confidences: dict[int, float]


def paint_labels(shape: tuple[int, int], dtype: npt.DTypeLike, results: Iterable[FrameResult]) -> LabelImage:
    """Paint the objects of a frame ``(H, W)``, each pixel for one of them.

    A part of a larger object, one that lies within it and is much smaller, is shown on top of it; so is one with a box
    that would hardly be seen, unless the larger one was drawn. Of others, one with a prompt goes before one without,
    and a drawn one before that. Else a pixel goes to the object with the highest product of logit and confidence, then
    to the higher number.

    Raises
    ------
    OutputError
        If an object's number does not fit into labels of this type.
    """
    labels = np.zeros(shape, dtype)
    results = sorted(results, key=lambda result: result.object_id)  # in whatever order they come, the same labels
    confidences = {result.object_id: result.confidence for result in results}
    there = [result for result in results if not result.absent]
    for result in there:
        if result.object_id > np.iinfo(labels.dtype).max:
            raise OutputError(f"object {result.object_id} does not fit into labels of type {labels.dtype}")
        result.paint(labels)
    areas = {result: result.area for result in there}
    if np.count_nonzero(labels) == sum(areas.values()):
        return LabelImage(labels, confidences)
    levels = _paint(labels, _depths(areas, ()))
    hidden = [
        r
        for r, area in areas.items()
        if r.boxed and r.pixels.area_seen_on(labels, r.object_id) < LEAST_SHARE_SEEN_IN_BOX * area
    ]
    if hidden:
        levels = _paint(labels, _depths(areas, hidden))
    found = np.zeros(shape, np.uint16)
    for level in reversed(levels):
        for result in level:
            result.pixels.count(found)
        for result in level:
            if not result.drawn:
                confidences[result.object_id] *= 1 - result.pixels.area_shared_with(found) / areas[result] / 2
    return LabelImage(labels, confidences)


def _paint(labels: npt.NDArray[Any], depths: dict[FrameResult, int]) -> list[list[FrameResult]]:
    """Paint objects, and return them by levels: those on top last, equals in one."""
    keys = {result: (depth, result.prompted, result.drawn) for result, depth in depths.items()}
    levels = [[r for r in keys if keys[r] == key] for key in sorted(set(keys.values()))]
    claims = np.zeros(labels.shape, np.float32)
    for rank, level in enumerate(levels):
        for result in sorted(level, key=lambda r: r.object_id):
            result.pixels.claim(labels, result.object_id, claims, rank, result.confidence)
    return levels


def _depths(areas: dict[FrameResult, int], hidden: Collection[FrameResult]) -> dict[FrameResult, int]:
    """For each object, how many others it is nested in: a part has one more than its whole.

    The ``hidden`` ones may be nearly as large as what they are a part of, unless that was drawn.
    """
    depths: dict[FrameResult, int] = {}
    for result, area in sorted(areas.items(), key=lambda item: -item[1]):
        boxed = {w for w in depths if result in hidden and not w.drawn}
        most = {w: LARGEST_BOXED_PART_OF_WHOLE if w in boxed else LARGEST_PART_OF_WHOLE for w in depths}
        wholes = [w for w in depths if area <= areas[w] * most[w]]
        around = [
            depths[whole]
            for whole in wholes
            if shared_area(result.pixels, whole.pixels) >= LEAST_SHARE_WITHIN_WHOLE * area
        ]
        depths[result] = 1 + max(around, default=-1)
    return depths

"""Label images hold one number a pixel: which object they show where objects overlap."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from .results import FrameResult, shared_area

#: An object lies within a larger one that has at least this share of it, as a nucleus does in its cell.
WITHIN = 0.9


def label_image(
    shape: tuple[int, int], dtype: npt.DTypeLike, results: Iterable[FrameResult]
) -> npt.NDArray[np.integer]:
    """Label image ``(H, W)`` of one frame: 0 for background, else the object's number.

    Where objects overlap, what lies within another object is shown on top of it; else what was drawn, then the more
    confident one, then the higher number.

    Raises
    ------
    ValueError
        If an object's number does not fit into labels of this type.
    """
    labels = np.zeros(shape, dtype)
    there = [result for result in results if not result.absent]
    for result in there:
        if result.object_id > np.iinfo(labels.dtype).max:
            raise ValueError(f"object {result.object_id} does not fit into labels of type {labels.dtype}")
        result.paint(labels)
    if np.count_nonzero(labels) < sum(result.area for result in there):
        for result in _from_below(there):
            result.paint(labels)
    return labels


def _from_below(results: list[FrameResult]) -> list[FrameResult]:
    """Results of one frame in the order in which they are painted."""
    areas = {result: result.area for result in results}
    depth: dict[FrameResult, int] = {}
    for result, area in sorted(areas.items(), key=lambda item: -item[1]):
        around = [
            n for other, n in depth.items() if areas[other] > area and shared_area(result, other) >= WITHIN * area
        ]
        depth[result] = 1 + max(around, default=-1)
    return sorted(results, key=lambda r: (depth[r], r.drawn, r.confidence, r.object_id))

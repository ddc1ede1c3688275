"""Label images hold one number a pixel: which object they show where objects overlap, and what that says of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .results import FrameResult, shared_area

#: A part lies within its whole if at least this share of it does, as of a nucleus in its cell.
WITHIN = 0.9
#: What was found within a larger object is a part of it up to this share of its area; what is larger competes with it.
PART = 0.3


@dataclass(frozen=True, eq=False)
class Shown:
    """The objects of one frame together.

    Attributes
    ----------
    labels
        ``(H, W)``: 0 for background, else the object's number.
    shares
        By object: the share of its mask that the labels show; 1 for an object that is absent.
    """

    labels: npt.NDArray[Any]
    shares: dict[int, float]


def share_out(shape: tuple[int, int], dtype: npt.DTypeLike, results: Iterable[FrameResult]) -> Shown:
    """Share the pixels of a frame ``(H, W)`` out among its objects.

    A part of a larger object, one that lies within it and is much smaller, is shown on top of it. Of others, one with a
    prompt goes before one without, and a drawn one before that. Else a pixel goes to the object with the highest
    product of logit and confidence, then to the higher number.

    Raises
    ------
    ValueError
        If an object's number does not fit into labels of this type.
    """
    labels = np.zeros(shape, dtype)
    results = list(results)
    shares = {result.object_id: 1.0 for result in results}
    there = [result for result in results if not result.absent]
    for result in there:
        if result.object_id > np.iinfo(labels.dtype).max:
            raise ValueError(f"object {result.object_id} does not fit into labels of type {labels.dtype}")
        result.paint(labels)
    areas = {result: result.area for result in there}
    if np.count_nonzero(labels) == sum(areas.values()):
        return Shown(labels, shares)
    depths = _depths(areas)
    keys = {result: (depths[result], result.prompted, result.drawn) for result in there}
    ranks = {key: rank for rank, key in enumerate(sorted(set(keys.values())))}
    claims = np.zeros(shape, np.float32)
    for result in sorted(there, key=lambda r: r.object_id):
        result.claim(labels, claims, ranks[keys[result]])
    shares |= {result.object_id: result.shown_area(labels) / area for result, area in areas.items()}
    return Shown(labels, shares)


def _depths(areas: dict[FrameResult, int]) -> dict[FrameResult, int]:
    """How many objects of a frame each is a part of, one in the other."""
    depths: dict[FrameResult, int] = {}
    for result, area in sorted(areas.items(), key=lambda item: -item[1]):
        wholes = [whole for whole in depths if area <= PART * areas[whole]]
        around = [depths[whole] for whole in wholes if shared_area(result, whole) >= WITHIN * area]
        depths[result] = 1 + max(around, default=-1)
    return depths

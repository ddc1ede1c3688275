"""What clicks take back from an answer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ..geometry.parts import parts_at, thing_at
from ..geometry.window import DRAWN_LOGIT
from ..prompts import Prompt, points_of, says_where
from ..types import Mask
from .task import Task


def take_back(logits: npt.NDArray[np.float32], mask: Mask, apart: Mask | None) -> None:
    """Take a part of logits and mask ``(H, W)`` back, in place."""
    if apart is not None:
        logits[apart] = -DRAWN_LOGIT
        mask[apart] = False


def refused(task: Task) -> Mask | None:
    """What red clicks alone refuse of a frame that was followed: the things ``(H, W)`` that they are in the middle of.

    What was seen there is not the object, whatever the network makes of the click. ``None`` where that is nothing.
    """
    if task.seen is None or says_where(task.prompts):
        return None
    places = [(round(p.y), round(p.x)) for p in points_of(task.prompts) if not p.positive]
    return union_of(*(thing_at(task.seen, place) for place in places))


def union_of(*masks: Mask | None) -> Mask | None:
    given = [mask for mask in masks if mask is not None]
    return np.logical_or.reduce(given) if given else None


def clicked_away(logits: npt.NDArray[np.float32], mask: Mask, prompts: Sequence[Prompt]) -> Mask | None:
    """What red clicks take out of a mask ``(H, W)``: of the part that one is on, all that is no surer than its pixel.

    Other parts, and what is surer, stay as they were. ``None`` if no red click is on the mask.
    """
    unwanted = [(p.y, p.x) for p in points_of(prompts) if not p.positive]
    if not unwanted:
        return None
    places = np.rint(unwanted).astype(int).clip(0, np.array(mask.shape) - 1)
    away = [parts_at(mask, [(y, x)]) & (logits <= logits[y, x]) for y, x in places.tolist() if mask[y, x]]
    return union_of(*away)

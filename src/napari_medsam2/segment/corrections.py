"""What clicks take back from an answer."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..geometry.parts import parts_at, thing_at
from ..geometry.window import DRAWN_LOGIT
from ..prompts import FramePrompts
from ..types import Mask
from .task import FrameTask


def take_back(logits: npt.NDArray[np.float32], mask: Mask, apart: Mask | None) -> None:
    """Take a part of logits and mask ``(H, W)`` back, in place."""
    if apart is not None:
        logits[apart] = -DRAWN_LOGIT
        mask[apart] = False


def refused(task: FrameTask) -> Mask | None:
    """What red clicks alone refuse of a frame that was followed: the things ``(H, W)`` that they are in the middle of.

    What was seen there is not the object, whatever the network makes of the click. ``None`` where that is nothing.
    """
    if task.correcting is None or task.prompts.says_where:
        return None
    places = [(round(click.y), round(click.x)) for click in task.prompts.negative]
    return union_of(*(thing_at(task.correcting, place) for place in places))


def union_of(*masks: Mask | None) -> Mask | None:
    """Pixels of any of the masks ``(H, W)``; ``None`` if there is none."""
    given = [mask for mask in masks if mask is not None]
    return np.logical_or.reduce(given) if given else None


def clicked_away(logits: npt.NDArray[np.float32], mask: Mask, prompts: FramePrompts) -> Mask | None:
    """What red clicks take out of a mask ``(H, W)``: of the part that one is on, all that is no surer than its pixel.

    Other parts, and what is surer, stay as they were. ``None`` if no red click is on the mask.
    """
    unwanted = [(click.y, click.x) for click in prompts.negative]
    if not unwanted:
        return None
    places = np.rint(unwanted).astype(int).clip(0, np.array(mask.shape) - 1)
    away = [parts_at(mask, [(y, x)]) & (logits <= logits[y, x]) for y, x in places.tolist() if mask[y, x]]
    return union_of(*away)

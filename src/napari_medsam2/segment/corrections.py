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


def clicked_things(task: FrameTask) -> Mask | None:
    """The things on a frame, bool ``(H, W)``, that negative clicks alone are in the middle of.

    What was segmented there before is not the object, whatever the network makes of the click. ``None`` for none.
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
    """The pixels of a mask ``(H, W)`` that negative clicks take away; ``None`` if none is on the mask.

    Of the connected part that a click is on, those are the pixels whose logits are no higher than at the click. Other
    parts, and surer pixels, stay as they were.
    """
    unwanted = [(click.y, click.x) for click in prompts.negative]
    if not unwanted:
        return None
    places = np.rint(unwanted).astype(int).clip(0, np.array(mask.shape) - 1)
    away = [parts_at(mask, [(y, x)]) & (logits <= logits[y, x]) for y, x in places.tolist() if mask[y, x]]
    return union_of(*away)

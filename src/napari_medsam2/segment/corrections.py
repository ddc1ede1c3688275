"""What clicks take back from an answer, and how little they change in a flow."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..geometry.parts import depth, parts_at, thing_at
from ..geometry.window import DRAWN_LOGIT
from ..prompts import FramePrompts
from ..types import Mask
from .task import FrameTask

#: Of the only part of an object a red click takes no larger share around it than this, where the network is sure.
_LARGEST_BITE = 0.25


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

    A connected part that a click is on goes as a whole, if no positive click is on it and some other part stays. Else a
    disc around the click goes, as large as fits into the part, at most half the way to the next positive click and a
    quarter of the part, and with it those pixels of the part whose logits are no higher than at the click. What is
    surer stays as it was, and so do other parts.
    """
    unwanted = [(click.y, click.x) for click in prompts.negative]
    if not unwanted:
        return None
    limits = np.array(mask.shape) - 1
    wanted = np.rint([(click.y, click.x) for click in prompts.positive]).astype(int).reshape(-1, 2).clip(0, limits)
    away = []
    for y, x in np.rint(unwanted).astype(int).clip(0, limits).tolist():
        if not mask[y, x]:
            continue
        part = parts_at(mask, [(y, x)])
        is_other = not part[tuple(wanted.T)].any() and (mask & ~part).any()
        away.append(part if is_other else part & ((logits <= logits[y, x]) | _around((y, x), part, wanted)))
    return union_of(*away)


def _around(place: tuple[int, int], part: Mask, wanted: npt.NDArray[np.int_]) -> Mask:
    """A disc around a pixel (y, x) of a part ``(H, W)`` that fits into it, and leaves the ``wanted`` pixels alone."""
    rows, columns = np.ogrid[: part.shape[0], : part.shape[1]]
    nearest = np.hypot(*(wanted - place).T).min(initial=np.inf)
    radius = min(depth(part)[place], nearest / 2, np.sqrt(_LARGEST_BITE * np.count_nonzero(part) / np.pi))
    return np.asarray((rows - place[0]) ** 2 + (columns - place[1]) ** 2 < radius**2)


def settled(mask: Mask, task: FrameTask) -> Mask | None:
    """What clicks in a flow make of the mask that they correct, ``(H, W)``; ``None`` where they correct nothing.

    The answer ``mask`` is heard around the clicks alone: where it differs from what was there before, the connected
    parts that a click is on, if all clicks on them want it so. Where it did not follow a click, a disc around that
    does, as large as fits into what is wrong. All else stays as it was.
    """
    before = task.correcting
    if before is None or not task.corrects or not task.prompts.only_clicks:
        return None
    clicks = task.prompts.points
    pixels = np.rint([(click.y, click.x) for click in clicks]).astype(int).clip(0, np.array(before.shape) - 1).tolist()
    places = list(zip(clicks, pixels, strict=True))
    done = before.copy()
    for click, (y, x) in places:
        if done[y, x] == click.positive:
            continue
        changed = parts_at(mask ^ before, [(y, x)])
        against = any(changed[v, u] for other, (v, u) in places if other.positive != click.positive)
        if not changed[y, x] or against:
            rows, columns = np.ogrid[: before.shape[0], : before.shape[1]]
            radius = depth(done if done[y, x] else ~done)[y, x]
            changed = (rows - y) ** 2 + (columns - x) ** 2 < radius**2
        done[changed] = click.positive
    return done


def settle(logits: npt.NDArray[np.float32], mask: Mask, done: Mask) -> None:
    """Make logits and mask ``(H, W)`` say what clicks have settled, in place; what is turned over is hardly sure."""
    logits[done & (logits <= 0)] = 1
    logits[~done & (logits > 0)] = -1
    mask[...] = done

"""An ambiguous prompt and the clicks after it: which of its readings do they choose, and which click chooses the next?

A box or a click may mean part or whole, ring or disc. The network keeps several readings of it. Clicks that the one
shown disagrees with choose another before they correct anything; what they then still say corrects that one. The
choice follows from the prompts alone, so undo, session files and replays know it without being told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..geometry.parts import depth, largest_parts, most_interior, parts_at
from ..prompts import FramePrompts, PointPrompt, Prompt
from ..types import Mask, Mode
from .finder import Finder, Found
from .task import FrameTask

#: A click chooses a reading in the middle of what that has more or less, at this share of the greatest depth there;
#: elsewhere it corrects a rim. It is the share for a red click that takes a thing away.
MIDDLE = 0.7


def ambiguous_part(prompts: FramePrompts, mode: Mode) -> tuple[FramePrompts, tuple[PointPrompt, ...]] | None:
    """The one prompt that may be ambiguous, and the clicks after it; ``None`` where there is none.

    In a flow further positive clicks without a box show further things.
    """
    if prompts.mask is not None or len(prompts.boxes) > 1 or not prompts.says_where:
        return None
    shown: tuple[Prompt, ...] = (*prompts.boxes, *prompts.positive)
    first = shown[0]
    clicks = tuple(click for click in prompts.points if click is not first)
    if mode == "stack" and not prompts.boxes:
        return None  # such a click is looked at in several windows, and no network offers readings in all of them
    if mode == "flow" and not prompts.boxes and any(click.positive for click in clicks):
        return None
    return FramePrompts.of(first), clicks


def find_as_meant(finder: Finder, task: FrameTask, mode: Mode) -> Found:
    """What is found; clicks choose among the readings of a prompt before they correct anything.

    In a flow negative clicks correct what the other prompts of the frame give without them. There they would change
    what the others mean, and take away far more than they are on.
    """
    prompts = task.prompts
    clicks = FramePrompts(task.object_id, task.frame, prompts.points)
    parts = None if task.corrects else ambiguous_part(prompts, mode)
    first, meant = None, None
    if parts is not None and parts[1]:
        first, choosing = parts
        meant = finder.find(replace(task, prompts=first))
        chosen = _found_as_chosen(finder, replace(task, prompts=first), meant, choosing)
        if chosen is not None and _agreeing(chosen.mask, choosing) == len(choosing):
            return replace(chosen, readings=())
        if chosen is not None:
            return finder.find(replace(task, prompts=clicks, correcting=chosen.mask))
    unwanted = prompts.negative and prompts.says_where and prompts.mask is None and not task.corrects
    if mode == "stack" or not unwanted:
        return finder.find(task)
    shown = FramePrompts(task.object_id, task.frame, (*prompts.boxes, *prompts.positive))
    if meant is None or first is None or not shown.same_as(first):
        meant = finder.find(replace(task, prompts=shown))
    return finder.find(replace(task, prompts=clicks, correcting=meant.mask))


def _found_as_chosen(finder: Finder, task: FrameTask, meant: Found, clicks: Sequence[PointPrompt]) -> Found | None:
    """What another reading of a task's one prompt finds, if that agrees with more clicks than what was ``meant``.

    The first click that it settles is to be in the middle of where the two differ.
    """
    agreed = _agreeing(meant.mask, clicks)
    if max((_agreeing(reading, clicks) for reading in meant.readings[1:]), default=0) <= agreed:
        return None
    other = finder.find(replace(task, choosing=tuple(clicks)))
    if _agreeing(other.mask, clicks) <= agreed or not other.readings:
        return None
    click = clicks[agreed]
    place = _pixel(click, meant.mask)
    depths = depth(parts_at(_difference(meant, other.readings[0], click.positive), [place]))
    return other if depths[place] > MIDDLE * depths.max() else None


def click_for_other(found: Found, prompts: FramePrompts) -> tuple[int, int, bool] | None:
    """The click (y, x, positive) that chooses the second-best reading, in the middle of where the two differ most.

    ``None`` where the prompt is clear. Where the answer is as the second reading already, there is none.
    """
    if len(found.readings) < 2 or not prompts.says_where:
        return None
    shown, other = found.readings[:2]
    if found.apart is not None:
        other = other & ~found.apart
    differs = [(_difference(found, other, positive), positive) for positive in (True, False)]
    about = shown | other  # in a flow the answer has other things of the kind, too
    seeds = [(seed, mask, sign) for mask, sign in differs for seed in largest_parts(mask & about, 1)]
    if not seeds:
        return None
    seed, mask, positive = max(seeds, key=lambda one: np.count_nonzero(one[0]))
    y, x = most_interior(parts_at(mask, [most_interior(seed)]))
    return y, x, positive


def _difference(found: Found, reading: Mask, positive: bool) -> Mask:
    """Where clicks of a sign choose a reading, bool ``(H, W)``: where it has more than what was found, or less."""
    return reading & ~found.mask if positive else found.mask & ~reading


def _agreeing(mask: Mask, clicks: Sequence[PointPrompt]) -> int:
    """How many clicks, from the first on, a mask ``(H, W)`` agrees with."""
    return next((k for k, click in enumerate(clicks) if bool(mask[_pixel(click, mask)]) != click.positive), len(clicks))


def _pixel(click: PointPrompt, mask: Mask) -> tuple[int, int]:
    """The pixel (y, x) of a mask that a click is on."""
    y, x = np.rint((click.y, click.x)).astype(int).clip(0, np.array(mask.shape) - 1).tolist()
    return y, x

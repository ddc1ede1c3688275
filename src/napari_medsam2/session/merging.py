"""Several objects become one: results are united, prompts and memories come along."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..errors import PromptError
from ..images.opened import LabelledObject
from ..memory_bank import MemoryBank
from ..prompts import FramePrompts, MaskPrompt, PointPrompt, Prompt
from ..results import FrameResult
from ..types import Mask
from .object_state import Kept, ObjectState
from .state import SessionState


def merge(state: SessionState, into: int, others: Sequence[int]) -> None:
    """See :meth:`napari_medsam2.Session.merge`; the state's lock is held."""
    numbers = [number for number in dict.fromkeys(others) if number != into]
    if not numbers:
        raise PromptError(f"object {into} can only be merged with others: choose two objects or more")
    for number in (into, *numbers):
        if number not in state.objects:
            raise PromptError(f"there is no object {number} to merge: it has no prompt and nothing was found of it")
    both = state.objects[into]
    for number in numbers:
        both = merged(both, state.objects[number], state.new_bank())
    prompted = sorted({t for number in (into, *numbers) for t in state.objects[number].prompted})
    state.note_change()
    for number in numbers:
        del state.objects[number]
    state.put(both)
    state.ask_anew(into, prompted)
    state.revision += 1


def merged(one: ObjectState, other: ObjectState, bank: MemoryBank) -> ObjectState:
    """Two objects as one, which has the number of the first, and a new memory ``bank``.

    Raises
    ------
    PromptError
        If the one was found where the other has a prompt that was not answered yet.
    """
    number = one.object_id
    if one.is_taught and other.is_taught:
        raise PromptError(f"objects {number} and {other.object_id} both go on from a task file: they cannot be merged")
    called = LabelledObject(one.called.name or other.called.name, one.called.colour)
    both = ObjectState(number, bank, called, taught=one.taught or other.taught)
    for entry in (entry for known in (one, other) for entry in known.bank.entries if entry.from_elsewhere):
        bank.add(entry)
    for t in sorted({*one.kept, *other.kept, *one.prompts, *other.prompts}):
        source = next((a for a, b in ((one, other), (other, one)) if _says_nothing(b, t)), None)
        both.evicted |= {t} & (one.evicted | other.evicted if source is None else source.evicted)
        if source is None:
            _unite(both, one, other, t)
        else:
            _take_over(both, source, t)
        missing = t in one.kept or t in other.kept
        if missing and t not in both.prompts and (t not in one.kept or t not in other.kept):
            both.stale.add(t)  # one of them was not looked for there
    for source in (one, other):
        for t, found in source.correcting.items():
            before = both.correcting.get(t)
            found = found.but(object_id=number)
            both.correcting[t] = found if before is None else united(before, found)
    return both


def united(one: FrameResult, other: FrameResult) -> FrameResult:
    """What two objects are together on a frame, as a result of the first."""
    if other.absent:
        return one
    if one.absent:
        return other.but(object_id=one.object_id)
    share = one.area / (one.area + other.area)
    windows = [result.window for result in (one, other) if result.window is not None]
    return FrameResult(
        frame=one.frame,
        object_id=one.object_id,
        mask=one.mask | other.mask,
        confidence=share * one.confidence + (1 - share) * other.confidence,
        iou=share * one.iou + (1 - share) * other.iou,
        objectness=max(one.objectness, other.objectness),
        prompted=one.prompted or other.prompted,
        seconds=one.seconds + other.seconds,
        window=max(windows, key=lambda window: window.size_y, default=None),
    )


def as_drawn(result: FrameResult, mask: Mask) -> FrameResult:
    """A result with the mask ``(H, W)`` that a user drew in its place."""
    return FrameResult(
        frame=result.frame,
        object_id=result.object_id,
        mask=mask,
        confidence=1.0,
        iou=1.0,
        objectness=float(mask.any()),
        prompted=True,
        seconds=0.0,
        window=result.window,
        drawn=True,
    )


def renumbered(prompts: FramePrompts, object_id: int) -> FramePrompts:
    """The same prompts, of another object."""
    return FramePrompts(object_id, prompts.frame, tuple(replace(prompt, object_id=object_id) for prompt in prompts))


def _says_nothing(known: ObjectState, frame: int) -> bool:
    """True if an object has no prompt on a frame, and was not found there."""
    kept = known.kept.get(frame)
    return frame not in known.prompts and (kept is None or kept.result.absent)


def _take_over(both: ObjectState, source: ObjectState, frame: int) -> None:
    """What one of the objects knows of a frame is all there is."""
    if frame in source.prompts:
        both.prompts[frame] = renumbered(source.prompts[frame], both.object_id)
    if frame in source.kept:
        kept = source.kept[frame]
        result = kept.result.but(object_id=both.object_id)
        both.kept[frame] = replace(kept, result=result, first=None, taken=None)
    both.stale |= {frame} & source.stale
    both.unremembered |= {frame} & source.unremembered
    both.remember_as(source, frame)


def _unite(both: ObjectState, one: ObjectState, other: ObjectState, frame: int) -> None:
    """Both objects were found on a frame, or have a prompt there."""
    number = both.object_id
    kept = [known.kept[frame] for known in (one, other) if frame in known.kept]
    given = one.prompts_on(frame).plus(*renumbered(other.prompts_on(frame), number))
    if not kept:
        both.prompts[frame] = _agreeing(given, None)
        return
    for known in (one, other):
        if frame in known.prompts and frame not in known.kept:
            raise PromptError(
                f"object {known.object_id} has a prompt on frame {frame} that was not answered yet: segment that frame "
                "first, then merge"
            )
    result = kept[0].result.but(object_id=number)
    for more in kept[1:]:
        result = united(result, more.result)
    run = max(each.run for each in kept)
    if given:
        drawn = MaskPrompt(frame, result.mask, number)
        both.prompts[frame] = _agreeing(given, result.mask).without_masks().plus(drawn)
        result = as_drawn(result, drawn.mask)
        both.stale.add(frame)  # what is remembered of it is not what it is
    elif frame in one.stale or frame in other.stale:
        both.stale.add(frame)
    both.kept[frame] = Kept(result, run, kept[0].recalled, result.window, None)


def _agreeing(prompts: FramePrompts, mask: Mask | None) -> FramePrompts:
    """Prompts without the negative clicks on what is the object now, ``(H, W)``, or on a positive click."""
    positive = {(round(click.y), round(click.x)) for click in prompts.positive}

    def agrees(prompt: Prompt) -> bool:
        if not isinstance(prompt, PointPrompt) or prompt.positive:
            return True
        place = round(prompt.y), round(prompt.x)
        return place not in positive and not (mask is not None and is_on(mask, prompt))

    return FramePrompts(prompts.object_id, prompts.frame, tuple(filter(agrees, prompts)))


def is_on(mask: Mask, click: PointPrompt) -> bool:
    """True if a click is on a mask ``(H, W)``."""
    y, x = np.clip(np.rint((click.y, click.x)).astype(int), 0, np.array(mask.shape) - 1)
    return bool(mask[y, x])

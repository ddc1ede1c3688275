"""The separate parts of an object become objects of their own."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..errors import PromptError
from ..geometry.parts import parts_of
from ..prompts import BoxPrompt, FramePrompts, MaskPrompt, PointPrompt, Prompt
from ..results import FrameResult
from ..types import Mask
from .merging import as_drawn, is_on, renumbered
from .object_state import Kept, ObjectState
from .state import SessionState

#: An object of more parts is not split: nobody looks through so many.
MOST_PARTS = 500


def split(
    state: SessionState, object_id: int, frame: int | None, *, first: int | None, largest: int | None
) -> tuple[int, ...]:
    """See :meth:`napari_medsam2.Session.split`; the state's lock is held."""
    known = state.objects.get(object_id)
    if known is None:
        raise PromptError(f"there is no object {object_id} to split: it has no prompt and nothing was found of it")
    where = "all frames" if frame is None else f"frame {frame}"
    if frame is None and state.mode == "flow":
        raise PromptError("images without an order are no volume: split the object on one of them")
    if frame is not None and frame not in known.kept:
        raise PromptError(f"nothing was found of object {object_id} on frame {frame}: segment that frame first")
    found = {t: kept.result for t, kept in known.kept.items() if frame in (None, t) and not kept.result.absent}
    parts, count = parts_of({t: result.mask for t, result in found.items()})
    if count < 2:
        raise PromptError(f"object {object_id} is in one piece on {where}, so there is nothing to split")
    if count > MOST_PARTS:
        raise PromptError(
            f"object {object_id} has {count} separate parts on {where}, and {MOST_PARTS} can be split at most: take "
            "away what is not the object first"
        )
    lowest = max(first or 1, max(state.objects) + 1)
    numbers = tuple(range(lowest, lowest + count - 1))
    if largest is not None and numbers[-1] > largest:
        raise PromptError(
            f"object {object_id} has {count} separate parts on {where}, and the labels hold numbers up to {largest} "
            "only: choose a new layer for the result"
        )
    state.note_change()
    for place, number in enumerate(numbers, 2):
        state.put(_part(state, known, number, {t: labels == place for t, labels in parts.items()}, frame))
    _cut(state, object_id, {t: labels > 1 for t, labels in parts.items()}, frame)
    state.ask_anew(object_id, known.prompted)
    state.revision += 1
    return numbers


def _part(
    state: SessionState, known: ObjectState, number: int, masks: Mapping[int, Mask], frame: int | None
) -> ObjectState:
    """A part of an object as an object of its own, with a prompt."""
    made = ObjectState(number, state.new_bank())
    there = {t: mask for t, mask in masks.items() if mask.any()}
    prompted = [t for t in there if t in known.prompts] or [max(there, key=lambda t: np.count_nonzero(there[t]))]
    for t, kept in known.kept.items():
        if t in there and (t in prompted or t == frame):
            prompts = renumbered(_prompts_on(known.prompts_on(t), there[t], masks[t]), number)
            made.prompts[t] = prompts.plus(MaskPrompt(t, there[t], number))
            made.kept[t] = Kept(as_drawn(kept.result.but(object_id=number), there[t]), kept.run, 0, None, None)
            made.stale.add(t)  # nothing is remembered of it yet
        elif frame is None:
            result = _of_part(kept.result, number, there.get(t))
            made.kept[t] = Kept(result, kept.run, kept.recalled, result.window, None)
            made.correcting[t] = result
            made.stale |= {t} & known.stale
    made.evicted = known.evicted - made.prompts.keys()
    return made


def _cut(state: SessionState, object_id: int, gone: Mapping[int, Mask], frame: int | None) -> None:
    """Take parts ``gone``, bool ``(H, W)`` by frame, away from an object."""
    known = state.edit(object_id)
    left = {t: known.kept[t].result.mask & ~mask for t, mask in gone.items() if mask.any()}
    if frame is not None:
        kept, given = known.kept[frame], known.prompts_on(frame)
        drawn = _prompts_on(given, left[frame], known.kept[frame].result.mask).plus(
            MaskPrompt(frame, left[frame], object_id)
        )
        known.set_prompts(drawn, state.mode, len(state.frames))
        known.kept[frame] = Kept(as_drawn(kept.result, left[frame]), kept.run, kept.recalled, kept.window, None)
        known.stale.add(frame)
        return
    for t, mask in left.items():
        kept = known.kept[t]
        known.bank.remove(t)
        known.correcting.pop(t, None)
        given = known.prompts.pop(t, FramePrompts(object_id, t))
        if given and mask.any():
            known.prompts[t] = _prompts_on(given, mask, kept.result.mask).plus(MaskPrompt(t, mask, object_id))
            known.kept[t] = Kept(as_drawn(kept.result, mask), kept.run, kept.recalled, kept.window, None)
            known.stale.add(t)
        else:
            result = _of_part(kept.result, object_id, mask if mask.any() else None)
            known.kept[t] = Kept(result, kept.run, kept.recalled, kept.window, None)
            known.correcting[t] = result
    if not known.has_positive_prompt:
        t = max(known.kept, key=lambda t: known.kept[t].result.area)
        mask = known.kept[t].result.mask
        known.prompts[t] = FramePrompts(object_id, t, (MaskPrompt(t, mask, object_id),))
        known.kept[t] = Kept(as_drawn(known.kept[t].result, mask), known.kept[t].run, 0, known.kept[t].window, None)
        known.correcting.pop(t, None)
        known.stale.add(t)


def _of_part(result: FrameResult, number: int, mask: Mask | None) -> FrameResult:
    """What was found of a part on a frame without a prompt, where ``None`` is nothing."""
    return FrameResult(
        frame=result.frame,
        object_id=number,
        mask=np.zeros(result.shape, bool) if mask is None else mask,
        confidence=result.confidence,
        iou=result.iou,
        objectness=result.objectness,
        prompted=False,
        seconds=result.seconds,
        window=result.window,
    )


def _prompts_on(prompts: FramePrompts, mask: Mask, whole: Mask) -> FramePrompts:
    """Clicks and boxes about one part ``(H, W)`` of what was found, ``whole``."""

    def belongs(prompt: Prompt) -> bool:
        if isinstance(prompt, PointPrompt):
            return prompt.positive and is_on(mask, prompt)
        return isinstance(prompt, BoxPrompt) and _is_within(prompt, mask) and not _is_within(prompt, whole & ~mask)

    return FramePrompts(prompts.object_id, prompts.frame, tuple(filter(belongs, prompts)))


def _is_within(box: BoxPrompt, mask: Mask) -> bool:
    """True if some of a mask ``(H, W)`` is in a box."""
    top, left, bottom, right = (max(round(edge + 0.5), 0) for edge in (box.y0, box.x0, box.y1, box.x1))
    return bool(mask[top:bottom, left:right].any())

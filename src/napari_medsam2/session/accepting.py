"""The user says that what was found on a frame is right: from then on it is a template, and final there."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from ..errors import PromptError
from ..prompts import MaskPrompt
from .label_image import paint_labels
from .merging import as_drawn
from .object_state import Kept
from .state import SessionState


def accept(state: SessionState, frame: int, objects: Collection[int] | None) -> tuple[int, ...]:
    """See :meth:`napari_medsam2.Session.accept`; the state's lock is held."""
    if not 0 <= frame < len(state.frames):
        raise PromptError(f"there is no frame {frame}: frames are 0 to {len(state.frames) - 1}")
    found = {n: known.kept[frame].result for n, known in sorted(state.objects.items()) if frame in known.kept}
    chosen = [n for n in found if objects is None or n in objects]
    if not chosen:
        raise PromptError(f"nothing was found on frame {frame} yet: segment that frame first")
    labels = paint_labels(state.frames.shape(frame), np.int64, found.values()).labels
    masks = {}
    for number in chosen:
        known, drawn = state.objects[number], state.objects[number].prompts_on(frame).mask
        mask = labels == number if drawn is None else drawn
        is_new = drawn is None or frame in known.evicted  # said again of one that was evicted, it is remembered again
        if is_new and (mask.any() or known.is_shown_beside(frame)):
            masks[number] = mask
    if masks:
        state.note_change()
        for number, mask in masks.items():
            known = state.edit(number)
            kept = known.kept[frame]
            given = known.prompts_on(frame).without_masks().plus(MaskPrompt(frame, mask, number, accepted=True))
            known.prompts[frame] = given
            known.bank.remove(frame)  # remembered as it is now, by the next run
            known.kept[frame] = Kept(as_drawn(kept.result, mask), kept.run, kept.recalled, kept.window, None)
            known.stale.discard(frame)
            known.evicted -= {frame}
        state.revision += 1
    return tuple(masks)

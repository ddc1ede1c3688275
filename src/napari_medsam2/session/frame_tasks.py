"""From a step to what the segmenter is asked, and from its answer back to what is known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..memory_bank import Fifo
from ..results import FrameResult
from ..segment.task import FrameTask, Neighbour, Segmented
from .object_state import Kept, ObjectState
from .planning import Step
from .state import SessionState


def frame_task(known: ObjectState, step: Step) -> FrameTask:
    """The segmenter's task for a step."""
    frame = step.frame
    alone = frame in known.prompts and known.stands_alone(frame)
    return FrameTask(
        prompts=known.prompts_on(frame),
        bank=Fifo() if alone else known.bank.copy(),
        reverse=step.reverse,
        neighbour=_neighbour(known, step),
        correcting=known.correcting[frame].mask if frame in known.corrections else None,
        followed=frame in known.corrections,
    )


def take_in(state: SessionState, done: Segmented, step: Step, run: int) -> None:
    """Keep an answer and remember its frame; a preview of a frame without prompts is not remembered.

    Parameters
    ----------
    run
        Number of the propagation; 0 for a preview.
    """
    prompted = done.result.prompted
    if not prompted and not run:
        state.note_change()
    known = state.edit(step.object_id)
    if prompted or run:
        known.remember(step.frame, done.entry)
    stack = state.mode == "stack"
    probability = done.probability if stack else None
    descriptor = None if stack or done.descriptor is None else done.descriptor.astype(np.float32)
    window = done.result.window
    known.keep(step.frame, Kept(done.result, run, done.recalled, window, probability, descriptor=descriptor))


def beyond_the_end(state: SessionState, known: ObjectState, step: Step, run: int, patience: int) -> Kept | None:
    """An empty result, where the object of a stack has ended before a step's frame; ``None`` where it may go on.

    It has ended if it was not on the latest ``patience`` frames, or was clicked away on the last.
    """
    if step.source is None or step.frame in known.prompts or state.mode != "stack":
        return None
    latest = _back_to(step.source, step)[:patience]
    behind = [known.kept[t] for t in latest if t in known.kept and t not in known.stale]
    absent = [kept for kept in behind if kept.result.absent and not known.is_shown_on(kept.result.frame)]
    nearest = behind[0].result if behind and behind[0] in absent else None
    clicked_away = nearest is not None and nearest.prompted and not known.prompts_on(nearest.frame).says_where
    if not absent or (len(absent) < patience and not clicked_away):
        return None
    last = absent[0]
    result = FrameResult(
        frame=step.frame,
        object_id=step.object_id,
        mask=np.zeros(state.frames.shape(step.frame), bool),
        confidence=last.result.confidence,
        iou=last.result.iou,
        objectness=last.result.objectness,
        prompted=False,
        seconds=0.0,
    )
    return Kept(result, run, 0, last.window, None)


def _neighbour(known: ObjectState, step: Step) -> Neighbour | None:
    """The nearest frame with a result on the way to the prompted frame that a step is tracked from.

    A frame where the object was erased is stepped over.
    """
    if step.source is None:
        return None
    for t in _back_to(step.source, step):
        kept = known.kept.get(t)
        if kept is not None and kept.window is not None and not known.prompts_on(t).erases:
            return Neighbour(t, kept.result.mask, kept.probability, kept.window, kept.result.prompted)
    return None


def _back_to(source: int, step: Step) -> Sequence[int]:
    """Frames from the one before a step back to its source."""
    return range(step.frame + 1, source + 1) if step.reverse else range(step.frame - 1, source - 1, -1)

"""Which frame is to be prompted next: the one whose result is least sure."""

from __future__ import annotations

import numpy as np

from ..errors import PromptError
from .object_state import ObjectState
from .state import SessionState


def next_to_prompt(state: SessionState, object_id: int | None) -> int | None:
    """See :meth:`napari_medsam2.Session.next_to_prompt`; whoever asks holds the state's lock."""
    asked = [object_id] if object_id is not None else list(state.objects)
    known_ones = [state.objects[number] for number in asked if number in state.objects]
    objects = [known for known in known_ones if known.prompts or known.is_taught]
    if not objects:
        told = "nothing has a prompt yet" if object_id is None else f"object {object_id} has no prompt yet"
        raise PromptError(f"{told}: click on an object, or draw a box around it")
    n_frames = len(state.frames)
    free = sorted({t for known in objects for t in range(n_frames) if t not in known.prompts})
    unsure = {t: float(np.sum([_unsureness(known, t) for known in objects])) for t in free}
    prompted = [t for known in objects for t in known.prompts]
    far = {t: min((abs(t - other) for other in prompted), default=0) for t in free}

    def worth(t: int) -> tuple[float, int, int]:
        return unsure[t], far[t] if state.mode == "stack" else 0, -t

    return max(free, key=worth, default=None)


def _unsureness(known: ObjectState, frame: int) -> float:
    """How unsure the result of an object on a frame is, 0..1; 1 without a result, and 0 where it has a prompt."""
    if frame in known.prompts:
        return 0.0
    kept = known.kept.get(frame)
    return 1.0 if kept is None else 1.0 - kept.result.confidence

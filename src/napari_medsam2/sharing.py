"""Frames of a flow where several objects have prompts: what each of them is there, less what the others are.

In a stack objects are told apart by where they are, in a flow by their looks alone. A box around a cytoplasm is one
around the cell; with a box around the nucleus beside it, it is clear what is to be looked for on other images.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from .object_state import Kept, SessionState
from .overlap import WITHIN, share_out
from .parts import most_interior
from .planning import Step
from .prompts import PointPrompt, points_of
from .results import FrameResult
from .task import Mask, Task

#: Objects that touch may overlap by this share of their area, and mean what they say.
SEAM = 0.1


class Sharing:
    """Shares the pixels of prompted frames out between the objects that have prompts there.

    Parameters
    ----------
    state
        Prompts and results; its lock is held by whoever asks.
    """

    def __init__(self, state: SessionState) -> None:
        self._state = state
        self._latest: tuple[list[FrameResult], npt.NDArray[np.int64]] | None = None  # label image, and what is on it

    def steps(self, objects: Collection[int]) -> list[Step]:
        """What is to be asked again for these objects, when all their prompts have been answered."""
        crowds: dict[int, list[int]] = {}
        for object_id, known in sorted(self._state.objects.items()):
            for frame in known.prompted:
                if known.is_shown_on(frame):
                    crowds.setdefault(frame, []).append(object_id)
        steps = []
        for frame, crowd in sorted(crowds.items()):
            for object_id in crowd:
                known = self._state.objects[object_id]
                before = known.kept.get(frame)
                concerned = len(crowd) > 1 or (before is not None and before.taken is not None)
                if concerned and object_id in objects and known.stands_alone(frame):
                    steps.append(Step(object_id, frame, share=True))
        return steps

    def taken(self, frame: int, object_id: int) -> Mask | None:
        """What other objects took of the answer to an object's prompts, bool ``(H, W)``.

        ``None`` if that is a seam at most, and if next to nothing would be left of it. What the user drew is final.
        """
        answer = first_answer(self._state.objects[object_id].kept[frame])
        if answer.drawn:
            return None
        taken = answer.mask & (self._label_image(frame) != object_id)
        share = np.count_nonzero(taken) / max(answer.area, 1)
        return taken if SEAM < share < WITHIN else None

    def _label_image(self, frame: int) -> npt.NDArray[np.int64]:
        objects = sorted(self._state.objects.items())
        answers = [first_answer(o.kept[frame]) for _, o in objects if o.is_shown_on(frame) and frame in o.kept]
        if self._latest is None or self._latest[0] != answers:  # a result is equal to itself alone
            self._latest = answers, share_out(self._state.frames.shape(frame), np.int64, answers).labels
        return self._latest[1]


def first_answer(kept: Kept) -> FrameResult:
    """The answer to the prompts of a frame, before other objects were heeded."""
    return kept.first or kept.result


def heeding(task: Task, answer: Mask, taken: Mask) -> Task:
    """Ask for an object again, knowing what others ``taken`` of the first ``answer``, both ``(H, W)``.

    As a user would: the answer is to be corrected, after clicks by one that says where it is wrong.
    """
    prompts = task.prompts
    if points_of(prompts):
        y, x = most_interior(taken)
        prompts = (*prompts, PointPrompt(task.frame, float(y), float(x), positive=False, object_id=task.object_id))
    return replace(task, prompts=prompts, seen=answer & ~taken, taken=taken)


def same_mask(a: Mask | None, b: Mask | None) -> bool:
    return a is b or (a is not None and b is not None and np.array_equal(a, b))

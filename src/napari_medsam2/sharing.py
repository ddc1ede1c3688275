"""Prompted frames that several objects have in common: what each of them has to be remembered without."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import numpy.typing as npt

from .object_state import SessionState
from .overlap import WITHIN, share_out
from .planning import Step
from .results import FrameResult
from .task import Mask


class Sharing:
    """Shares the pixels of prompted frames out between the objects that have prompts there.

    A box around the cytoplasm of a cell is one around the cell; with a box around the nucleus beside it, what is to be
    looked for on other frames is clear.

    Parameters
    ----------
    state
        Prompts and results; its lock is held by whoever asks.
    """

    def __init__(self, state: SessionState) -> None:
        self._state = state
        self._latest: tuple[list[FrameResult], npt.NDArray[np.int64]] | None = None  # label image, and what is on it

    def steps(self, objects: Collection[int]) -> list[Step]:
        """Frames of these objects that have to be looked at once all their prompts are answered."""
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
        """What other objects took of an object's mask ``(H, W)``.

        ``None`` if that is nothing, and if next to nothing would be left of it. What the user drew is final.
        """
        result = self._state.objects[object_id].kept[frame].result
        if result.drawn:
            return None
        lost = result.mask & (self._label_image(frame) != object_id)
        return lost if 0 < np.count_nonzero(lost) < WITHIN * result.area else None

    def _label_image(self, frame: int) -> npt.NDArray[np.int64]:
        objects = sorted(self._state.objects.items())
        results = [o.kept[frame].result for _, o in objects if o.is_shown_on(frame) and frame in o.kept]
        if self._latest is None or self._latest[0] != results:  # a result is equal to itself alone
            self._latest = results, share_out(self._state.frames.shape(frame), np.int64, results).labels
        return self._latest[1]

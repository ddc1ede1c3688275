"""Results that are looked through: how sure they are, which are to be looked at next, and those that are right."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ..prompts import PointPrompt
from .accepting import accept
from .label_image import LabelImage
from .review import Finding, Suspect, suspects
from .state import SessionState
from .suggestion import next_to_prompt


class SessionReview:
    """What a session says of its results, and what the user says of them."""

    _state: SessionState

    def label_image(self, frame: int, dtype: npt.DTypeLike = np.uint16) -> LabelImage:
        """Labels of a frame, and the confidence of each object in the light of the others."""
        raise NotImplementedError

    def other_reading(self, frame: int, object_id: int = 1) -> PointPrompt | None:
        """The click that chooses the second-best reading of an ambiguous prompt; add it, and segment the frame again.

        A box or a click may mean part or whole, ring or disc. The best guess is what :meth:`result` has. Any click that
        it disagrees with, and another reading agrees with, chooses that one; this is such a click. Undo, or the click
        taken away, bring the first reading back. ``None`` comes back where the prompts of the frame are clear, or are
        not segmented yet.
        """
        with self._state.lock:
            known = self._state.objects.get(object_id)
            if known is None or not known.up_to_date(frame):
                return None
            other = known.kept[frame].result.other
        return None if other is None else PointPrompt(frame, float(other[0]), float(other[1]), other[2], object_id)

    def accept(self, frame: int, objects: Sequence[int] | None = None) -> tuple[int, ...]:
        """Say that what was found on a frame is right: it is final, and a template for all that is segmented later.

        What is accepted is what :meth:`labels` shows; where an object was not found, that it is not there. Nothing is
        segmented again for it. It goes as a drawn mask does, with another prompt on that frame.

        Parameters
        ----------
        objects
            Their numbers; ``None`` for all that were looked for there.

        Returns
        -------
        tuple of int
            The objects that were not accepted or drawn there before.

        Raises
        ------
        PromptError
            If nothing was looked for there, or there is no such frame.
        """
        with self._state.lock:
            return accept(self._state, frame, objects)

    def confidences(self, object_id: int = 1) -> npt.NDArray[np.float64]:
        """Confidence of each frame, float ``(frames,)``; NaN where there is no result.

        Where two objects were found on the same pixels, the one that gives way is less sure of itself, or both if they
        are equals; see :class:`napari_medsam2.session.label_image.LabelImage`.
        """
        values = np.full(len(self._state.frames), np.nan)
        with self._state.lock:
            state = self._state.objects.get(object_id)
            frames = [] if state is None else list(state.kept)
        for t in frames:
            values[t] = self.label_image(t, np.int64).confidences.get(object_id, np.nan)
        return values

    def next_to_prompt(self, object_id: int | None = None) -> int | None:
        """The frame whose prompt would help the rest most: the one without a prompt whose result is least sure.

        May be asked during a propagation, too. Frames without a result count as unsure; of these, in a stack the one
        farthest from the prompts comes first, in a flow the first one.

        Parameters
        ----------
        object_id
            The object to prompt; ``None``: all that have a prompt, together.

        ``None`` comes back if there is a prompt on every frame; :class:`PromptError` says that the object has none.
        """
        with self._state.lock:
            return next_to_prompt(self._state, object_id)

    def to_check(self) -> list[Suspect]:
        """The frames without a prompt that are most likely wrong, worst first; see :func:`.review.suspects`."""
        with self._state.lock:
            found = [kept.result for known in self._state.objects.values() for kept in known.kept.values()]
        sure = {t: self.label_image(t, np.int64).confidences for t in {result.frame for result in found}}
        findings = [Finding.of(result, sure[result.frame].get(result.object_id)) for result in found]
        return suspects(findings, self._state.mode)

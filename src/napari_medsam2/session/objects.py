"""Objects as things of their own: names and colours, and what is done with whole objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..images.opened import LabelledObject
from .merging import merge
from .naming import checked
from .splitting import split
from .state import SessionState


class SessionObjects:
    """The objects of a session. Each edit is one change that :meth:`napari_medsam2.Session.undo` takes back.

    Edits may come during a propagation, from another thread too: they take effect at its next frame boundary.
    """

    _state: SessionState

    @property
    def objects(self) -> tuple[int, ...]:
        """Numbers of the objects that have a prompt, or came with a task file."""
        with self._state.lock:
            known = self._state.objects
            return tuple(sorted(number for number in known if known[number].prompts or known[number].is_taught))

    @property
    def called(self) -> Mapping[int, LabelledObject]:
        """Names and colours of the objects that were given one."""
        with self._state.lock:
            return {n: known.called for n, known in sorted(self._state.objects.items()) if known.called != _UNNAMED}

    @property
    def latest_change(self) -> int:
        """Number of the change that was made, undone or redone last; each change keeps its number."""
        return self._state.latest_change

    def call(self, object_id: int, called: LabelledObject) -> None:
        """Give an object a name and a colour; empty ones take them away. It need not have a prompt yet.

        Raises
        ------
        PromptError
            If the name is too long, or the colour is none.
        """
        called = checked(object_id, called)
        with self._state.lock:
            known = self._state.objects.get(object_id)
            if called != (_UNNAMED if known is None else known.called):
                self._state.note_change()
                self._state.edit(object_id).called = called

    def merge(self, into: int, others: Sequence[int]) -> None:
        """Make objects one: what was found of the ``others`` belongs to ``into``, and they are no objects any more.

        Where both were found on a frame they are united. Prompts come along, but for negative clicks on what is the
        object now. On frames with a prompt where both were found, what they are together counts as drawn: it is final
        there until the prompts of the frame change. Nothing else is segmented again, but frames on which one of them
        was not looked for yet. Name and colour are those of ``into``; without
        a name it takes the first one that another has.

        Raises
        ------
        PromptError
            If one of them is not known, or there is nothing to merge.
        """
        with self._state.lock:
            merge(self._state, into, others)

    def split(
        self, object_id: int, frame: int | None = None, *, first: int | None = None, largest: int | None = None
    ) -> tuple[int, ...]:
        """Make an object of each of its separate parts; the largest stays with the object.

        What was split counts as drawn on the ``frame``, and on frames with prompts; each part has a prompt then.
        Specks, of less than a hundredth of the largest part, stay with the object, too.

        Parameters
        ----------
        frame
            Split what was found on this frame; others are segmented again by the next propagation. ``None``: all that
            was found in a stack, as one volume; nothing is segmented again.
        first
            Number of the first new object; ``None`` for the lowest one above all others.
        largest
            Largest number that an object may have; ``None``: any.

        Returns
        -------
        tuple of int
            Numbers of the new objects, that of the largest first.

        Raises
        ------
        PromptError
            If there are no separate parts, or too many; nothing is changed then.
        """
        with self._state.lock:
            return split(self._state, object_id, frame, first=first, largest=largest)

    def reset(self, object_id: int | Sequence[int] | None = None) -> None:
        """Remove prompts, results, memory and name of one object, of several, or of all. Can be undone."""
        with self._state.lock:
            self._state.reset([object_id] if isinstance(object_id, int) else object_id)


_UNNAMED = LabelledObject()

"""Holds what the dock shows: what was chosen and said, and the layers in hand; tells when that differs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from qtpy.QtCore import QObject, Signal

from .dock_state import DockState
from .layers.workspace import Workspace
from .report import EventLog

#: Said to whoever wants something done without one.
NO_IMAGE = "There is no image to segment: open one first."


class DockStore(QObject):
    """The state of one dock. The parts of the controller share it; none knows of the widgets that show it.

    Attributes
    ----------
    work
        Prompts and results of the image that is segmented; ``None`` without one.
    log
        What happened last, for the report.
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.work: Workspace | None = None
        self.log = EventLog()
        self._chosen = DockState()

    @property
    def chosen(self) -> DockState:
        """What was set here, without what the layers add; ``objects`` are those that have nothing yet."""
        return self._chosen

    @property
    def state(self) -> DockState:
        """What the dock shows, now: what was set, and what is on the layers."""
        state, work = self._chosen, self.work
        if work is None or not work.sequence.is_shown():
            return state
        objects = tuple(sorted({*work.objects, *state.objects}))
        rows, frame = work.roster.rows(objects), work.sequence.frame_in_view()
        return replace(
            state,
            image=work.image.name,
            objects=objects,
            rows=rows,
            columns=next((row.columns for row in rows if row.number == state.current), ()),
            in_parts=not state.running and work.roster.is_in_parts(frame, state.current),
            has_other_reading=(frame, state.current) not in work.past.stale
            and work.results.other_reading(frame, state.current) is not None,
            frame=frame,
            tool=work.tool,
            drawing=work.tools.drawing,
            aside=work.sequence.is_aside(),
            another_selected=work.sequence.another_is_selected(),
            cost=work.past.cost.summary(work.book.prompted_frames, work.book.accepted_frames),
            has_prompts=bool(work.book.objects),
            has_results=bool(work.results.results),
            saved=work.results.saved,
        )

    def put(self, **changes: Any) -> None:
        """Change the state; it is shown with the next change that is told."""
        before, self._chosen = self._chosen, replace(self._chosen, **changes)
        self.log.note_changes(before, self._chosen)

    def set(self, **changes: Any) -> None:
        """Change the state, and tell."""
        self.put(**changes)
        self.changed.emit()

    def say(self, problem: str = "", *, report: str = "", note: str = "") -> None:
        """Show an error in words (with a report to copy), or good news."""
        self.set(problem=_sentence(problem), report=report or problem, note=note)

    def forget_image(self) -> None:
        """Begin without an image; nothing is told."""
        before, self._chosen = self._chosen, self._chosen.without_image()
        self.log.note_changes(before, self._chosen)

    def count_done(self) -> None:
        """Count what is up to date before the engine does, which it begins with the next that is done."""
        if (work := self.work) is not None and work.past.taken_up:
            self.put(done=work.results.n_up_to_date(work.book.objects, work.past.stale))

    def aim(self) -> None:
        """Make the next prompt go to the current object, with the sign chosen."""
        if self.work is not None:
            self.work.aim(self._chosen.current, self._chosen.positive)


def _sentence(words: str) -> str:
    """Words of an error as a sentence; a name of a file or layer that comes first stays as it is."""
    first = words.partition(" ")[0]
    words = words[:1].upper() + words[1:] if first.isalpha() else words
    return words if not words or words.rstrip().endswith((".", "?", "!")) else f"{words}."

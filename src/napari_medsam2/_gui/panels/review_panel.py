"""The part of the dock in which results are looked through, taken back and kept."""

from __future__ import annotations

from qtpy.QtCore import Signal

from ..dock_state import DockState
from ..words import keep_words
from .keys import printed
from .panel import Panel
from .pickers import button, row


class ReviewPanel(Panel):
    """Go to what is in doubt, accept, take back, keep."""

    undo_requested = Signal()
    redo_requested = Signal()
    commit_requested = Signal()
    clear_requested = Signal()
    check_requested = Signal()
    accept_requested = Signal()
    more_requested = Signal()
    next_requested = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.check = button(f"Next to check ({printed('check')})", "")
        self.accept = button(
            f"Accept ({printed('accept')})",
            "What is shown here is right: nothing is written over it, the others are found by it. Goes to the next one",
        )
        self.next = button(f"Next image ({printed('next')})", "Show the next image")
        self.undo = button(f"Undo ({printed('undo')})", "Take back the last change of prompts and results")
        self.redo = button("Redo", f"Do it again ({printed('redo')})")
        self.clear = button("Clear all", f"Remove all prompts and results of this image ({printed('clear')})")
        self.commit = button(
            "",
            "Commit: copy the result to a layer that is kept, where later results do not change it",
        )
        self.more = button("More...", "Scores against a reference, what it took, learning, touching things told apart")
        self.column.addLayout(row(self.check, self.accept, self.more, self.next, stretch=(2, 2, 1, 2)))
        self.column.addLayout(row(self.undo, self.redo, self.clear, stretch=(2, 1, 1)))
        self.column.addWidget(self.commit)
        self.check.clicked.connect(self.check_requested)
        self.accept.clicked.connect(self.accept_requested)
        self.more.clicked.connect(self.more_requested)
        self.next.clicked.connect(self.next_requested)
        self.undo.clicked.connect(self.undo_requested)
        self.redo.clicked.connect(self.redo_requested)
        self.commit.clicked.connect(self.commit_requested)
        self.clear.clicked.connect(self.clear_requested)
        self._bind()

    def _bind(self) -> None:
        show = self.bindings.add
        show(lambda state: state.noun, self._show_noun)
        show(lambda state: state.can_undo or state.own_strokes[0] or state.drawing, self.undo.setEnabled)
        show(lambda state: state.can_redo or state.own_strokes[1], self.redo.setEnabled)
        show(lambda state: state.has_results, self.check.setEnabled)
        show(_can_be_accepted, self.accept.setEnabled)
        show(lambda state: state.mode == "flow" and len(state.columns) > 1, self.next.setVisible)
        show(lambda state: state.has_prompts or state.has_results, self.clear.setEnabled)
        show(lambda state: state.has_results, self.commit.setEnabled)
        show(keep_words, self.commit.setText)

    def _show_noun(self, noun: str) -> None:
        self.check.setToolTip(
            f"Show the {noun} that is most likely wrong: unsure, lost between others, a jump in size, at the border; "
            "again: the next one"
        )


def _can_be_accepted(state: DockState) -> bool:
    return any(state.frame < len(row.columns) and row.columns[state.frame].confidence is not None for row in state.rows)

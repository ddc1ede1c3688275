"""The offer to bring back what was done with an image before, and what is asked where its images moved or changed."""

from __future__ import annotations

from qtpy.QtCore import Signal

from ..dock_state import Question
from ..words import recovery_words
from .panel import Panel
from .pickers import button, line, row
from .shades import play


class RecoveryPanel(Panel):
    """Shown while there is something to restore."""

    restore_requested = Signal()
    discard_requested = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.told = line()
        play(self.told, "asked")
        self.restore = button("Restore", "Bring back objects, prompts and labels as they were")
        self.discard = button("Discard", "Delete what was kept of that")
        self.column.addWidget(self.told)
        self.column.addLayout(row(self.restore, self.discard))
        self.restore.clicked.connect(self.restore_requested)
        self.discard.clicked.connect(self.discard_requested)
        self.bindings.add(recovery_words, self._show)

    def _show(self, words: str) -> None:
        self.told.setText(words)
        self.setVisible(bool(words))


class QuestionPanel(Panel):
    """Shown while something is asked that only the user knows; the work goes on beside it."""

    answered = Signal(bool)

    def __init__(self) -> None:
        super().__init__()
        self.told = line()
        play(self.told, "asked")
        self.yes = button("Open", "")
        self.no = button("Leave it", "Do not open the session; its file stays as it is")
        self.column.addWidget(self.told)
        self.column.addLayout(row(self.yes, self.no))
        self.yes.clicked.connect(lambda: self.answered.emit(True))
        self.no.clicked.connect(lambda: self.answered.emit(False))
        self.bindings.add(lambda state: state.question, self._show)

    def _show(self, question: Question | None) -> None:
        if question is not None:
            self.told.setText(question.text)
            self.yes.setText(question.yes)
        self.setVisible(question is not None)

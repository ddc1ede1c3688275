"""What annotating took, and learning from what was accepted."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QProgressBar

from ..dock_state import DockState
from ..words import cost_words, lesson_words
from .panel import Panel
from .pickers import button, line, row


class LessonPanel(Panel):
    """The counter with its table, and one button that learns."""

    learn_requested = Signal()
    cancel_requested = Signal()
    take_requested = Signal()
    refuse_requested = Signal()
    cost_requested = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.cost = line(dim=True)
        self.save = button("Save cost...", "Write clicks and seconds of each, in the order of the work, to a CSV file")
        self.learn = button("Learn from accepted", "")
        self.cancel = button("Cancel", "End it; the network stays as it is")
        self.progress = QProgressBar()
        self.progress.setAccessibleName("Learning")
        self.words = line(dim=True)
        self.take = button("Go on with what it learned", "Labels stay until they are found again; undo ends here")
        self.refuse = button("Forget it", "The network stays as it was")
        self.column.addLayout(row(self.cost, self.save, stretch=(1, 0)))
        self.column.addLayout(row(self.learn, self.cancel, stretch=(1, 0)))
        self.column.addWidget(self.progress)
        self.column.addWidget(self.words)
        self.column.addLayout(row(self.take, self.refuse, stretch=(1, 0)))
        self.learn.clicked.connect(self.learn_requested)
        self.cancel.clicked.connect(self.cancel_requested)
        self.take.clicked.connect(self.take_requested)
        self.refuse.clicked.connect(self.refuse_requested)
        self.save.clicked.connect(self._on_save)
        self._bind()

    def _bind(self) -> None:
        show = self.bindings.add
        show(lambda state: cost_words(state) or "Nothing was accepted or corrected yet.", self.cost.setText)
        show(lambda state: state.cost.checked > 0, self.save.setEnabled)
        show(lambda state: state.noun, self._show_noun)
        show(lambda state: state.has_results and not state.lesson.running, self.learn.setEnabled)
        show(lambda state: state.lesson.running, self.cancel.setVisible)
        show(lambda state: state.lesson.running, self.progress.setVisible)
        show(_progress_of, self._show_progress)
        show(lesson_words, self.words.setText)
        show(lambda state: bool(lesson_words(state)), self.words.setVisible)
        for part in (self.take, self.refuse):
            show(lambda state: state.lesson.weights is not None and not state.lesson.running, part.setVisible)

    def _show_progress(self, done: tuple[int, int]) -> None:
        self.progress.setMaximum(done[1])
        self.progress.setValue(done[0])

    def _show_noun(self, noun: str) -> None:
        self.learn.setToolTip(
            f"Train the bundled model on the {noun}s that you accepted, corrected or drew (three or more); "
            "each is left out once to see whether it helps"
        )

    def _on_save(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Save cost", "cost.csv", "Tables (*.csv)")
        if path:
            self.cost_requested.emit(path)


def _progress_of(state: DockState) -> tuple[int, int]:
    return state.lesson.step, max(1, state.lesson.steps)

"""The question which published model a file of weights is built as, where nothing in it tells."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QDialog, QDialogButtonBox, QLabel, QPushButton, QVBoxLayout, QWidget

from ...models.registry import ModelEntry


class FileQuestion(QDialog):
    """Asked once for a file; the answer is remembered.

    Parameters
    ----------
    file
        The file of weights.
    choices
        The published models that it might be.
    parent
        The window that waits for the answer.
    """

    #: Name of the model that was said.
    answered = Signal(str)

    def __init__(self, file: str, choices: Sequence[ModelEntry], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Which model is this?")
        question = QLabel(
            f"Nothing in {Path(file).name} tells which of these it is built as, and with the wrong one its masks would "
            "be poor. The answer is remembered."
        )
        question.setWordWrap(True)
        question.setTextFormat(Qt.TextFormat.PlainText)
        column = QVBoxLayout(self)
        column.setSpacing(10)
        column.addWidget(question)
        self.choices: dict[str, QPushButton] = {}
        for entry in choices:
            choice = QPushButton(f"{entry.title}, or trained from it ({entry.image_size} x {entry.image_size} pixels)")
            choice.setToolTip(f"<p>{entry.purpose}. {entry.trained_for}.</p>")
            choice.clicked.connect(partial(self._answer, entry.name))
            self.choices[entry.name] = choice
            column.addWidget(choice)
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.buttons.rejected.connect(self.reject)
        column.addWidget(self.buttons)
        self.setMinimumWidth(460)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)

    def _answer(self, name: str) -> None:
        self.answered.emit(name)
        self.accept()

"""The question before a download: nothing is fetched unless this is answered with yes."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDialog, QDialogButtonBox, QGridLayout, QLabel, QVBoxLayout, QWidget

from ...models.files import before_download
from ...models.registry import ModelEntry, megabytes


class ConsentDialog(QDialog):
    """Tells what would be fetched, from where, under which licence and to where; ``accepted`` is the yes.

    Parameters
    ----------
    entry
        The model.
    speed
        How long it takes on this computer, in words; empty where nothing is known.
    parent
        The window that waits for the answer.
    """

    def __init__(self, entry: ModelEntry, speed: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.entry = entry
        self.facts = {"good for": f"{entry.purpose}.", **before_download(entry)}
        del self.facts["model"]  # it is in the question
        if speed:
            self.facts["speed"] = speed
        self.setWindowTitle("Fetch a model?")
        question = QLabel(f"{entry.title} is not on this computer. Fetch it from the network?")
        question.setStyleSheet("font-weight: bold; font-size: 14px;")
        grid = QGridLayout()
        grid.setColumnStretch(1, 1)
        for row, (heading, words) in enumerate(self.facts.items()):
            grid.addWidget(QLabel(heading), row, 0, Qt.AlignmentFlag.AlignTop)
            grid.addWidget(_fact(words, strong=heading == "licence" and entry.non_commercial), row, 1)
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.yes = self.buttons.addButton(
            f"Download {megabytes(entry.size_bytes)}", QDialogButtonBox.ButtonRole.AcceptRole
        )
        no = self.buttons.button(QDialogButtonBox.StandardButton.Cancel)
        if no is not None:
            no.setDefault(True)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.setSpacing(12)
        column.addWidget(question)
        column.addLayout(grid)
        column.addWidget(self.buttons)
        self.setMinimumWidth(560)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)


def _fact(words: str, *, strong: bool) -> QLabel:
    # Addresses and paths have no spaces to break at.
    label = QLabel(words.replace("/", "/\u200b"))
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    if strong:
        label.setStyleSheet("color: #e8a33d;")
    return label

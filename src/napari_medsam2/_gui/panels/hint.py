"""The instruction at the top of the dock: one at a time, in a box whose height does not follow its text; and help."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QSize, Qt, Signal
from qtpy.QtWidgets import QLabel, QMenu, QPushButton, QSizePolicy

from .shades import play

_AROUND = 12


class Hint(QLabel):
    """What to do next.

    Parameters
    ----------
    lines
        How many lines of text there is room for.
    """

    def __init__(self, lines: int) -> None:
        super().__init__()
        self._lines = lines
        self.setWordWrap(True)
        self.setAlignment(Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("What to do next")
        play(self, "told")

    def sizeHint(self) -> QSize:
        return QSize(200, self._lines * self.fontMetrics().lineSpacing() + _AROUND)

    def minimumSizeHint(self) -> QSize:
        return QSize(100, self.sizeHint().height())

    def heightForWidth(self, width: int) -> int:
        return self.sizeHint().height()

    def changeEvent(self, event: QEvent | None) -> None:
        super().changeEvent(event)
        if event is not None and event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self.updateGeometry()


class HelpButton(QPushButton):
    """What helps at any time: the report."""

    copy_requested = Signal()
    show_requested = Signal()

    def __init__(self) -> None:
        super().__init__("?")
        self.setToolTip("Help: a report of what happened, for who helps")
        self.setAccessibleName("Help")
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        play(self, "help")
        self.entries = QMenu(self)
        for words, request in (("Copy report", self.copy_requested), ("Show report...", self.show_requested)):
            entry = self.entries.addAction(words)
            if entry is not None:
                entry.triggered.connect(lambda _=False, request=request: request.emit())
        self.setMenu(self.entries)

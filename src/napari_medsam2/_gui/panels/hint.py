"""The instruction at the top of the dock: one at a time, in a box whose height does not follow its text; and help."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QSize, Qt, Signal
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import QLabel, QMenu, QPushButton, QSizePolicy

from .shades import play
from .tab_order import PANE_KEY


class Hint(QLabel):
    """What to do next.

    Parameters
    ----------
    longest
        There is always room for this.
    """

    def __init__(self, longest: str) -> None:
        super().__init__()
        self.setWordWrap(True)
        self.setAlignment(Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft)
        policy = QSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self.setAccessibleName("What to do next")
        play(self, "told")
        self._longest = QLabel(longest, self)  # never shown: it tells how much room that needs
        self._longest.setWordWrap(True)
        self._longest.hide()
        play(self._longest, "told")

    def say(self, words: str) -> None:
        """Show this."""
        self.setText(words)
        self.setToolTip(words)

    def heightForWidth(self, width: int) -> int:
        self._longest.ensurePolished()
        return self._longest.heightForWidth(width)

    def sizeHint(self) -> QSize:
        return QSize(200, self.heightForWidth(self.width()))

    def minimumSizeHint(self) -> QSize:
        return QSize(100, self.heightForWidth(self.width()))

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        super().resizeEvent(event)
        self.updateGeometry()

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
        self.setToolTip(
            f"Help: a report of what happened, for who helps. {PANE_KEY} leads into the dock and back, Tab through it"
        )
        self.setAccessibleName("Help")
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        play(self, "help")
        self.entries = QMenu(self)
        for words, request in (("Copy report", self.copy_requested), ("Show report...", self.show_requested)):
            entry = self.entries.addAction(words)
            if entry is not None:
                entry.triggered.connect(lambda _=False, request=request: request.emit())
        self.setMenu(self.entries)

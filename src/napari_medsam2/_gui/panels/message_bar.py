"""What happened, in words: problems and good news, which can be closed, and never take more than a few lines."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QSize, Qt, Signal
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import QFrame, QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from ..dock_state import DockState
from .bindings import Bindings
from .pickers import button
from .shades import play

#: So many lines are shown of what is told; the rest is under "More".
LINES = 4
_SIGNS = {"bad": "⚠", "good": "✓"}


class CutText(QLabel):
    """Text over several lines, of which the first are shown; where more would follow it ends with an ellipsis.

    Parameters
    ----------
    lines
        How many are shown at most.
    """

    def __init__(self, lines: int) -> None:
        super().__init__()
        self._lines = lines
        self._whole = ""
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setWordWrap(True)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)

    @property
    def whole(self) -> str:
        """All of the text."""
        return self._whole

    @property
    def is_cut(self) -> bool:
        """True if some of it is not shown."""
        return self.text().endswith("…")

    def show_text(self, words: str) -> None:
        """Show this, as far as there is room."""
        self._whole = words
        self.setToolTip(words)
        self._fit()

    def _fit(self) -> None:
        words = self._whole.replace("/", "/\u200b")  # paths have no spaces to break at
        if self._height_of(words) > self._limit():
            low, high = 0, len(words)
            while low < high:
                middle = (low + high + 1) // 2
                fits = self._height_of(words[:middle].rstrip() + " …") <= self._limit()
                low, high = (middle, high) if fits else (low, middle - 1)
            words = words[:low].rpartition(" ")[0].rstrip(" ,;:.") + " …"
        if words != self.text():
            self.setText(words)

    def _limit(self) -> int:
        return self._height_of("\n".join("x" * self._lines))  # as high as so many lines are, whatever the font

    def _height_of(self, words: str) -> int:
        wrap = int(Qt.TextFlag.TextWordWrap)
        return self.fontMetrics().boundingRect(0, 0, max(60, self.width()), 100_000, wrap, words).height()

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        super().resizeEvent(event)
        self._fit()

    def changeEvent(self, event: QEvent | None) -> None:
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.FontChange:
            self._fit()

    def heightForWidth(self, width: int) -> int:
        return min(super().heightForWidth(width), self._limit())

    def sizeHint(self) -> QSize:
        hint = super().sizeHint()
        return QSize(hint.width(), min(hint.height(), self._limit()))

    def minimumSizeHint(self) -> QSize:
        return QSize(60, self.fontMetrics().lineSpacing())


class MessageBar(QFrame):
    """The latest problem or good news; a problem can be read whole, and copied with a report."""

    close_requested = Signal()
    copy_requested = Signal()
    more_requested = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.bindings = Bindings()
        self.sign = QLabel()
        self.told = CutText(LINES)
        self.close_button = button("✕", "Close this message")
        play(self.close_button, "close")
        self.close_button.setAccessibleName("Close this message")
        self.copy = button(
            "Copy report", "Copy what happened, with versions, settings and the last events, for who helps"
        )
        self.more = button("More...", "Show all of it")
        top = QHBoxLayout()
        top.setSpacing(4)
        top.addWidget(self.sign, 0, Qt.AlignmentFlag.AlignTop)
        top.addWidget(self.told, 1)
        top.addWidget(self.close_button, 0, Qt.AlignmentFlag.AlignTop)
        self._below = QWidget()
        below = QHBoxLayout(self._below)
        below.setContentsMargins(0, 0, 0, 0)
        below.addStretch(1)
        below.addWidget(self.more)
        below.addWidget(self.copy)
        column = QVBoxLayout(self)
        column.setContentsMargins(2, 0, 0, 0)
        column.setSpacing(3)
        column.addLayout(top)
        column.addWidget(self._below)
        self.close_button.clicked.connect(self.close_requested)
        self.copy.clicked.connect(self.copy_requested)
        self.more.clicked.connect(self.more_requested)
        self.bindings.add(_told, self._show)

    def text(self) -> str:
        """All that is told."""
        return self.told.whole

    def _show(self, told: tuple[str, str]) -> None:
        problem, note = told
        kind = "bad" if problem else "good"
        play(self, kind)
        self.sign.setText(_SIGNS[kind])
        self._below.setVisible(bool(problem))
        self.told.show_text(problem or note)
        self.setVisible(bool(problem or note))


def _told(state: DockState) -> tuple[str, str]:
    return state.problem, state.note

"""The foot of the dock, which never scrolls: the one button that goes on, how far it is, and how sure of each frame."""

from __future__ import annotations

from qtpy.QtCore import QSize, Signal
from qtpy.QtGui import QMouseEvent, QResizeEvent
from qtpy.QtWidgets import QHBoxLayout, QProgressBar, QPushButton, QSizePolicy, QVBoxLayout

from ...engine.events import RunState
from ..dock_state import DockState
from ..guide import main_words
from ..words import progress_words
from .object_strips import ObjectStrips
from .panel import Panel
from .pickers import button
from .shades import play
from .strip import ConfidenceStrip


class MainButton(QPushButton):
    """Says with its key what it does, and without where that has no room.

    A double click counts once: the second click would pause what the first began.
    """

    def __init__(self, text: str = "") -> None:
        super().__init__(text)
        self._short = self._long = ""
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def show_words(self, words: str, key: str) -> None:
        """Say this, and the key if it fits."""
        self._short, self._long = words, f"{words} ({key})" if key else words
        self.setAccessibleName(words)
        self._fit()

    def _fit(self) -> None:
        text = self._long if self._width_of(self._long) <= self.width() else self._short
        if text != self.text():
            self.setText(text)

    def _width_of(self, text: str) -> int:
        # what the style adds to the text is what it adds to the text that is there
        return super().sizeHint().width() + self.fontMetrics().horizontalAdvance(text) - self._advance()

    def _advance(self) -> int:
        return self.fontMetrics().horizontalAdvance(self.text())

    def sizeHint(self) -> QSize:
        return QSize(self._width_of(self._long), super().sizeHint().height())

    def minimumSizeHint(self) -> QSize:
        return QSize(self._width_of(self._short), super().sizeHint().height())

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        super().resizeEvent(event)
        self._fit()

    def mouseDoubleClickEvent(self, event: QMouseEvent | None) -> None:
        if event is not None:
            event.accept()


class Footer(Panel):
    """Find, pause, resume and cancel; progress; the confidence strip.

    Attributes
    ----------
    strips
        The place of the confidence strip.
    """

    propagate_requested = Signal()
    segment_requested = Signal()
    pause_requested = Signal()
    cancel_requested = Signal()
    frame_requested = Signal(int)
    object_requested = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.main = button("", "", make=MainButton)
        play(self.main, "main")
        self.cancel = button("Cancel", "End the run; what was done stays")
        self.progress = QProgressBar()
        self.progress.setAccessibleName("Progress")
        self.strip = ConfidenceStrip()
        self.strip.setToolTip(
            "A column for each slice: high and green is sure, low and orange is not; ▾ marks a prompt, ✓ accepted"
        )
        self.strips = QVBoxLayout()
        self.strips.setSpacing(2)
        self.objects = ObjectStrips()
        self.strips.addWidget(self.strip)
        self.strips.addWidget(self.objects)
        self.column.addLayout(self.strips)
        self.column.addWidget(self.progress)
        buttons = QHBoxLayout()
        buttons.addWidget(self.main, 1)
        buttons.addWidget(self.cancel)
        self.column.addLayout(buttons)
        self.main.clicked.connect(self._on_main)
        self.cancel.clicked.connect(self.cancel_requested)
        self.strip.frame_requested.connect(self.frame_requested)
        self.objects.place_requested.connect(self._on_place)
        self._does = self.propagate_requested
        self._bind()

    def _bind(self) -> None:
        show = self.bindings.add
        show(main_words, self._show_main)
        show(_main_is_on, self.main.setEnabled)
        show(_main_does, self._aim_main)
        show(lambda state: state.running, self.cancel.setEnabled)
        show(_progress_of, self._show_progress)
        show(progress_words, self.progress.setFormat)
        show(lambda state: (state.columns, state.frame), lambda shown: self.strip.set_columns(*shown))
        show(lambda state: (state.rows, state.current, state.frame), lambda shown: self.objects.set_rows(*shown))

    def _on_place(self, frame: int, number: int) -> None:
        self.object_requested.emit(number)
        self.frame_requested.emit(frame)

    def _show_main(self, words: tuple[str, str, str]) -> None:
        text, key, tip = words
        self.main.show_words(text, key)
        self.main.setToolTip(f"{tip} ({key})" if key else tip)

    def _aim_main(self, name: str) -> None:
        does = {"pause": self.pause_requested, "segment": self.segment_requested}
        self._does = does.get(name, self.propagate_requested)

    def _on_main(self) -> None:
        self._does.emit()

    def _show_progress(self, progress: tuple[int, int]) -> None:
        done, total = progress
        self.progress.setUpdatesEnabled(False)  # a bar repaints itself at once, and with it the whole window
        self.progress.setRange(0, total)
        self.progress.setValue(done)
        self.progress.setUpdatesEnabled(True)


def _main_does(state: DockState) -> str:
    if state.running:
        return "pause"
    return "propagate" if len(state.columns) > 1 else "segment"


def _main_is_on(state: DockState) -> bool:
    if state.running:
        return state.status.state is not RunState.STOPPING
    return bool(state.image) and state.has_prompts


def _progress_of(state: DockState) -> tuple[int, int]:
    """Frames done and in all. A bar that is always on the move would have the window painted as often."""
    return state.done, max(1, len(state.columns))

"""The foot of the dock, which never scrolls: the one button that goes on, how far it is, and how sure of each frame."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QProgressBar, QPushButton, QVBoxLayout

from ...engine.events import RunState
from ..dock_state import DockState
from ..words import main_words, progress_words
from .panel import Panel
from .pickers import button, row
from .shades import play
from .strip import ConfidenceStrip


class MainButton(QPushButton):
    """Takes a double click for one: the second would pause what the first began."""

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

    def __init__(self) -> None:
        super().__init__()
        self.main = button("", "", make=MainButton)
        play(self.main, "main")
        self.cancel = button("Cancel", "End the run; what was done stays")
        self.progress = QProgressBar()
        self.progress.setAccessibleName("Progress")
        self.strip = ConfidenceStrip()
        self.strips = QVBoxLayout()
        self.strips.setSpacing(2)
        self.strips.addWidget(self.strip)
        self.column.addLayout(self.strips)
        self.column.addWidget(self.progress)
        self.column.addLayout(row(self.main, self.cancel, stretch=(1, 0)))
        self.main.clicked.connect(self._on_main)
        self.cancel.clicked.connect(self.cancel_requested)
        self.strip.frame_requested.connect(self.frame_requested)
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

    def _show_main(self, words: tuple[str, str]) -> None:
        text, tip = words
        self.main.setText(text)
        self.main.setToolTip(tip)

    def _aim_main(self, name: str) -> None:
        does = {"pause": self.pause_requested, "segment": self.segment_requested}
        self._does = does.get(name, self.propagate_requested)

    def _on_main(self) -> None:
        self._does.emit()

    def _show_progress(self, progress: tuple[int, int]) -> None:
        done, total = progress
        self.progress.setRange(0, total)
        self.progress.setValue(done)


def _main_does(state: DockState) -> str:
    if state.running:
        return "pause"
    return "propagate" if len(state.columns) > 1 else "segment"


def _main_is_on(state: DockState) -> bool:
    if state.running:
        return state.status.state is not RunState.STOPPING
    return bool(state.image) and state.has_prompts


def _progress_of(state: DockState) -> tuple[int, int]:
    """Steps done and in all; no steps in all for a bar that only says that something goes on."""
    status = state.status
    busy = status.state is RunState.LOADING or (state.running and status.total == 0)
    return status.done, 0 if busy else max(1, status.total)

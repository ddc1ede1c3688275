"""The part of the dock that runs the network, shows how far and how sure it is, and takes results back."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QProgressBar

from ...engine.events import RunState
from ..dock_state import DockState, worst_frame
from ..words import progress_words
from .keys import printed
from .panel import Panel
from .pickers import Choice, button, caption, row
from .strip import ConfidenceStrip

MAIN_BUTTON = (
    "QPushButton { background-color: #1f6feb; color: white; font-weight: bold; padding: 6px 2px; }"
    "QPushButton:disabled { background-color: #2b3b52; color: #8a93a0; }"
)


class RunPanel(Panel):
    """Segment, propagate, pause, undo, and the confidence strip."""

    segment_requested = Signal()
    propagate_requested = Signal()
    direction_requested = Signal(str)
    pause_requested = Signal()
    cancel_requested = Signal()
    undo_requested = Signal()
    redo_requested = Signal()
    commit_requested = Signal()
    clear_requested = Signal()
    frame_requested = Signal(int)
    worst_requested = Signal()
    next_requested = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.segment = button(f"Segment this frame ({printed('segment')})", "Look at the current object on this frame")
        self.propagate = button(f"Propagate ({printed('propagate')})", "Carry all objects to the other frames")
        self.propagate.setStyleSheet(MAIN_BUTTON)
        self.direction = Choice("both", "forward", "backward", tip="Which way from the prompted frames")
        self.progress = QProgressBar()
        self.progress.setFixedHeight(18)
        self.pause = button("Pause (Esc)", "Stop at the next frame, correct, and go on from there")
        self.cancel = button("Cancel", "End the run; what was done stays")
        self.undo = button(f"Undo ({printed('undo')})", "Take back the last change of prompts and results")
        self.redo = button("Redo", f"Do it again ({printed('redo')})")
        self.commit = button(f"Commit ({printed('commit')})", "Copy the result to a layer that is kept, then go on")
        self.clear = button(f"Clear ({printed('clear')})", "Remove all prompts and results of this image")
        self.strip = ConfidenceStrip()
        self.strip.setToolTip("One column per frame: green is sure, red is not; a triangle marks a prompt")
        self.worst = button("", "Show where the network is least sure")
        self.next = button(f"Next image ({printed('next')})", "Show the next image of the flow")
        self.column.addWidget(caption("Run"))
        self.column.addWidget(self.segment)
        self.column.addLayout(row(self.propagate, self.direction, stretch=(3, 1)))
        self.column.addWidget(self.progress)
        self.column.addLayout(row(self.pause, self.cancel))
        self.column.addWidget(caption("Confidence (green: sure, red: check)"))
        self.column.addWidget(self.strip)
        self.column.addLayout(row(self.worst, self.next))
        self.column.addWidget(caption("Result"))
        self.column.addLayout(row(self.undo, self.redo, stretch=(2, 1)))
        self.column.addLayout(row(self.commit, self.clear))
        self.segment.clicked.connect(self.segment_requested)
        self.propagate.clicked.connect(self.propagate_requested)
        self.direction.textActivated.connect(self.direction_requested)
        self.pause.clicked.connect(self.pause_requested)
        self.cancel.clicked.connect(self.cancel_requested)
        self.undo.clicked.connect(self.undo_requested)
        self.redo.clicked.connect(self.redo_requested)
        self.commit.clicked.connect(self.commit_requested)
        self.clear.clicked.connect(self.clear_requested)
        self.strip.frame_requested.connect(self.frame_requested)
        self.worst.clicked.connect(self.worst_requested)
        self.next.clicked.connect(self.next_requested)
        self._bind()

    def _bind(self) -> None:
        show = self.bindings.add
        show(lambda state: state.noun, self._show_noun)
        for part in (self.segment, self.undo, self.redo):
            show(lambda state: bool(state.image), part.setEnabled)
        show(lambda state: bool(state.image) and len(state.columns) > 1, self.propagate.setEnabled)
        show(lambda state: state.direction, self.direction.setCurrentText, of_hand=True)
        show(lambda state: state.mode == "stack" and len(state.columns) > 1, self.direction.setEnabled)
        for part in (self.pause, self.cancel):
            show(lambda state: state.running, part.setEnabled)
        show(lambda state: state.status.state is RunState.PAUSED, self._show_paused)
        show(self._progress_of, self._show_progress)
        show(progress_words, self.progress.setFormat)
        show(lambda state: (state.columns, state.frame), lambda shown: self.strip.set_columns(*shown))
        show(lambda state: worst_frame(state.columns) is not None, self.worst.setEnabled)
        show(lambda state: state.mode == "flow" and len(state.columns) > 1, self.next.setVisible)
        show(lambda state: state.has_prompts or state.has_results, self.clear.setEnabled)
        show(lambda state: state.has_results, self.commit.setEnabled)

    def _show_noun(self, noun: str) -> None:
        self.segment.setText(f"Segment this {noun} ({printed('segment')})")
        self.worst.setText(f"Go to worst {noun}")

    def _show_paused(self, paused: bool) -> None:
        self.pause.setText("Resume (Esc)" if paused else "Pause (Esc)")

    @staticmethod
    def _progress_of(state: DockState) -> tuple[int, int]:
        """Steps done and in all; no steps in all for a bar that only says that something goes on."""
        status = state.status
        busy = status.state is RunState.LOADING or (state.running and status.total == 0)
        return status.done, 0 if busy else max(1, status.total)

    def _show_progress(self, progress: tuple[int, int]) -> None:
        done, total = progress
        self.progress.setRange(0, total)
        self.progress.setValue(done)

"""The dock: builds its panels, connects them to the controller, shows the state."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import napari
from napari.layers import Layer
from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QApplication, QLabel, QPushButton, QVBoxLayout, QWidget

from ._gui.controller import Controller
from ._gui.dock_state import DockState
from ._gui.panels.bindings import Bindings
from ._gui.panels.consent import ConsentDialog
from ._gui.panels.image_panel import ImagePanel
from ._gui.panels.keys import KeyBindings
from ._gui.panels.model_panel import ModelPanel
from ._gui.panels.output_panel import OutputPanel
from ._gui.panels.panel import Panel
from ._gui.panels.pickers import ScrolledColumn, button, line
from ._gui.panels.prompt_panel import PromptPanel
from ._gui.panels.recovery_panel import RecoveryPanel
from ._gui.panels.run_panel import RunPanel
from ._gui.words import next_step
from .models.registry import MODELS

MESSAGE = "background: {}; color: white; padding: 6px; border-radius: 3px;"


class MedSamDock(QWidget):
    """Plugins > MedSAM-2.

    Parameters
    ----------
    napari_viewer
        The viewer that the dock is added to. Each dock has its own engine and state.
    controller
        Another controller, for tests.
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer, controller: Controller | None = None) -> None:
        super().__init__()
        # napari hands plugins a proxy whose layers are new proxies each time; layers are told apart by identity here.
        viewer: napari.viewer.Viewer = getattr(napari_viewer, "__wrapped__", napari_viewer)
        self.controller = controller or Controller(viewer)
        self.destroyed.connect(self.controller.stop_engine)
        self._docked = self._closed = False
        self.hint = line()
        self.hint.setStyleSheet(MESSAGE.format("#24405f"))
        self.hint.setMinimumHeight(4 * self.hint.fontMetrics().height())  # the longest, so that nothing jumps
        self.message = line()
        self.copy = button("Copy report", "Copy the error with versions and traceback, to send to someone who helps")
        self.recovery = RecoveryPanel()
        self.image = ImagePanel(viewer)
        self.model = ModelPanel()
        self.prompt = PromptPanel(viewer)
        self.run = RunPanel()
        self.output = OutputPanel(viewer)
        self._panels = (self.image, self.model, self.prompt, self.run, self.output)
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 6, 8, 6)
        column.setSpacing(5)
        for part in (self.hint, self.recovery, ScrolledColumn(*self._panels), self.message, self.copy):
            column.addWidget(part)
        self.setMinimumWidth(300)
        self.keys = KeyBindings(viewer, self._actions())
        self.bindings = Bindings()
        self._bind()
        self._connect()
        self.controller.choose_image(self.image.picker.layer)
        self._on_changed()

    def _connect(self) -> None:
        do = self.controller
        do.store.changed.connect(self._on_changed)
        do.images.layer_made.connect(self._on_layer_made)
        do.models.download_offered.connect(self._on_download_offered)
        self.copy.clicked.connect(self._on_copy)
        image, model, prompt, run, output = self._panels
        requests: tuple[tuple[Panel, Any, Callable[..., object]], ...] = (
            (image, image.image_requested, do.choose_image),
            (image, image.open_requested, lambda paths: do.open_paths([Path(path) for path in paths])),
            (image, image.axis_requested, do.choose_axis),
            (image, image.mode_requested, do.choose_mode),
            (image, image.contrast_requested, do.choose_contrast),
            (model, model.model_requested, do.choose_model),
            (model, model.cancel_requested, do.models.cancel_download),
            (prompt, prompt.object_requested, do.choose_object),
            (prompt, prompt.new_object_requested, do.new_object),
            (prompt, prompt.tool_requested, do.use_tool),
            (prompt, prompt.sign_requested, do.toggle_sign),
            (prompt, prompt.layer_requested, do.adopt_layer),
            (prompt, prompt.preview_requested, do.choose_preview),
            (prompt, prompt.learning_requested, do.images.choose_learning),
            (run, run.segment_requested, do.segment_frame),
            (run, run.propagate_requested, do.propagate),
            (run, run.direction_requested, do.choose_direction),
            (run, run.pause_requested, do.pause_or_resume),
            (run, run.cancel_requested, do.cancel),
            (run, run.undo_requested, do.undo),
            (run, run.redo_requested, do.redo),
            (run, run.commit_requested, do.commit),
            (run, run.clear_requested, do.clear),
            (run, run.frame_requested, do.go_to_frame),
            (run, run.worst_requested, do.go_to_worst),
            (run, run.next_requested, do.next_thing),
            (output, output.output_requested, lambda layer, keep: do.choose_output(layer, keep=keep)),
            (output, output.save_requested, do.save),
        )
        self.recovery.restore_requested.connect(do.restore_recovery)
        self.recovery.discard_requested.connect(do.discard_recovery)
        for panel, request, action in requests:
            request.connect(_answering(do, panel, action))

    def _bind(self) -> None:
        # No methods of this widget: holding itself, it would not end with the last one who holds it, but whenever and
        # on whatever thread Python collects garbage, which Qt does not survive.
        self.bindings.add(next_step, self.hint.setText)
        self.bindings.add(_told, partial(_show_message, self.message, self.copy))
        self.bindings.add(lambda state: state.running, self.keys.set_stopping)

    def _actions(self) -> dict[str, Any]:
        do = self.controller
        return {
            "point": lambda: do.use_tool("point"),
            "box": lambda: do.use_tool("box"),
            "mask": lambda: do.use_tool("mask"),
            "sign": do.toggle_sign,
            "segment": do.segment_frame,
            "propagate": do.propagate,
            "commit": do.commit,
            "clear": do.clear,
            "next": do.next_thing,
            "undo": do.undo,
            "redo": do.redo,
            "stop": do.pause_or_resume,
        }

    def close_dock(self, timeout: float = 0.0) -> None:
        """Stop the engine, give the keys back and let go of the viewer; all layers stay."""
        if not self._closed:
            self._closed = True
            self.keys.release_all()
            for picker in (self.image.picker, self.prompt.adopt, self.output.output):
                picker.release()
            self.controller.close(timeout)

    def event(self, event: QEvent | None) -> bool:
        # napari takes the widget out of its dock when that is closed; hiding it or floating it is not closing.
        if event is not None and event.type() == QEvent.Type.ParentChange:
            if self.parent() is not None:
                self._docked = True
            elif self._docked:
                self.close_dock()
        return super().event(event)

    def _on_changed(self) -> None:
        state = self.controller.state
        for part in (*self._panels, self.recovery, self):
            part.bindings.apply(state)

    def _on_layer_made(self, layer: Layer, made: bool) -> None:
        self.prompt.adopt.hide_layer(layer, made)
        self.output.output.hide_layer(layer, made)

    def _on_download_offered(self, name: str) -> None:
        models = self.controller.models
        dialog = ConsentDialog(MODELS[name], models.speed(MODELS[name]), self)
        dialog.accepted.connect(lambda: models.download(name))
        dialog.open()

    def _on_copy(self) -> None:
        clipboard = QApplication.clipboard()
        if clipboard is not None:
            clipboard.setText(self.controller.state.report)


def _answering(do: Controller, panel: Panel, action: Callable[..., object]) -> Callable[..., None]:
    """Do what a panel asks for; then it shows what has come of that, whatever the user made of its widgets."""

    def answer(*asked: Any) -> None:
        action(*asked)
        panel.bindings.restore(do.state)

    return answer


def _told(state: DockState) -> tuple[str, str]:
    return state.problem, state.note


def _show_message(message: QLabel, copy: QPushButton, told: tuple[str, str]) -> None:
    """Show a problem, which can be copied, or good news."""
    problem, note = told
    message.setText(problem or note)
    message.setVisible(bool(problem or note))
    message.setStyleSheet(MESSAGE.format("#6d2323" if problem else "#1d4d2b"))
    copy.setVisible(bool(problem))

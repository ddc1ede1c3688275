"""The dock: builds its panels, connects them to the controller, shows the state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import napari
from napari.layers import Labels, Layer
from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QApplication, QVBoxLayout, QWidget

from ._gui.controller import Controller
from ._gui.panels.consent import ConsentDialog
from ._gui.panels.keys import KeyBindings
from ._gui.panels.model_panel import ModelPanel
from ._gui.panels.panels import ImagePanel, OutputPanel, PromptPanel, RunPanel
from ._gui.panels.pickers import ScrolledColumn, button, line
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
        self.image = ImagePanel(viewer)
        self.model = ModelPanel()
        self.prompt = PromptPanel(viewer)
        self.run = RunPanel()
        self.output = OutputPanel(viewer)
        self._panels = (self.image, self.model, self.prompt, self.run, self.output)
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 6, 8, 6)
        column.setSpacing(5)
        for part in (self.hint, ScrolledColumn(*self._panels), self.message, self.copy):
            column.addWidget(part)
        self.setMinimumWidth(300)
        self._connect()
        self.keys = KeyBindings(viewer, self._actions())
        self.controller.choose_image(self.image.picker.layer)
        self._on_changed()

    def _connect(self) -> None:
        do = self.controller
        do.changed.connect(self._on_changed)
        do.layer_made.connect(self._on_layer_made)
        do.download_offered.connect(self._on_download_offered)
        self.copy.clicked.connect(self._on_copy)
        self.image.image_requested.connect(do.choose_image)
        self.image.folder_requested.connect(lambda path: do.open_folder(Path(path)))
        self.image.axis_requested.connect(do.choose_axis)
        self.image.mode_requested.connect(do.choose_mode)
        self.image.contrast_requested.connect(do.choose_contrast)
        self.model.model_requested.connect(do.choose_model)
        self.model.cancel_requested.connect(do.cancel_download)
        self.prompt.object_requested.connect(do.choose_object)
        self.prompt.new_object_requested.connect(do.new_object)
        self.prompt.tool_requested.connect(do.use_tool)
        self.prompt.sign_requested.connect(do.toggle_sign)
        self.prompt.layer_requested.connect(do.adopt_layer)
        self.prompt.preview_requested.connect(do.choose_preview)
        self.run.segment_requested.connect(do.segment_frame)
        self.run.propagate_requested.connect(do.propagate)
        self.run.direction_requested.connect(do.choose_direction)
        self.run.pause_requested.connect(do.pause_or_resume)
        self.run.cancel_requested.connect(do.cancel)
        self.run.undo_requested.connect(do.undo)
        self.run.redo_requested.connect(do.redo)
        self.run.commit_requested.connect(do.commit)
        self.run.clear_requested.connect(do.clear)
        self.run.frame_requested.connect(do.go_to_frame)
        self.run.worst_requested.connect(do.go_to_worst)
        self.run.next_requested.connect(do.next_thing)
        self.output.output_requested.connect(self._on_output)
        self.output.save_requested.connect(lambda path: do.save(Path(path)))

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
            "pause": do.pause_or_resume,
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
        if self.output.output.layer is not self.controller.user_output:
            self.output.output.pick(self.controller.user_output)
        if self.controller.image is not None and self.image.picker.layer is not self.controller.image:
            self.image.picker.pick(self.controller.image)
        for panel in self._panels:
            panel.apply(state)
        self.hint.setText(next_step(state))
        self.message.setText(state.problem or state.note)
        self.message.setVisible(bool(state.problem or state.note))
        self.message.setStyleSheet(MESSAGE.format("#6d2323" if state.problem else "#1d4d2b"))
        self.copy.setVisible(bool(state.problem))
        self.keys.set_running(state.running)

    def _on_layer_made(self, layer: Layer, made: bool) -> None:
        self.prompt.adopt.hide_layer(layer, made)
        self.output.output.hide_layer(layer, made)
        (self.keys.bind if made else self.keys.release)(layer)

    def _on_download_offered(self, name: str) -> None:
        self._on_changed()  # the menu goes back to the model that is in use
        dialog = ConsentDialog(MODELS[name], self.controller.speed(MODELS[name]), self)
        dialog.accepted.connect(lambda: self.controller.download(name))
        dialog.open()

    def _on_output(self, layer: Labels | None, keep: bool) -> None:
        self.controller.choose_output(layer, keep=keep)
        self._on_changed()  # if it does not fit, the list goes back to the layer that is in use

    def _on_copy(self) -> None:
        clipboard = QApplication.clipboard()
        if clipboard is not None:
            clipboard.setText(self.controller.state.report)

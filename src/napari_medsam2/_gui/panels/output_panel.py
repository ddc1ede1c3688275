"""The part of the dock that says which layer the labels go to, and saves them."""

from __future__ import annotations

from napari.components import ViewerModel
from napari.layers import Labels
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog

from .panel import Panel
from .pickers import Choice, LayerPicker, button, caption, row


class OutputPanel(Panel):
    """Where the labels go."""

    output_requested = Signal(object, bool)
    save_requested = Signal(str)

    def __init__(self, viewer: ViewerModel) -> None:
        super().__init__()
        self.output = LayerPicker(viewer, (Labels,), "New layer")
        self.output.setToolTip("The Labels layer that results are written to: one of ours, or one of yours")
        self.keep = Choice(
            "keep labels",
            "overwrite",
            tip="In a layer of yours: which wins where a result meets a label that was there",
        )
        self.save = button("Save labels...", "Write the labels to a compressed tif")
        self.column.addWidget(caption("Labels go to"))
        self.column.addLayout(row(self.output, self.keep))
        self.column.addWidget(self.save)
        self.output.layer_picked.connect(self._on_output)
        self.keep.activated.connect(self._on_output)
        self.save.clicked.connect(self._on_save)
        self.bindings.add(lambda state: bool(state.image), self.save.setEnabled)
        self.bindings.add(lambda state: state.output, self._show_output, of_hand=True)
        self.bindings.add(lambda state: 0 if state.keep else 1, self.keep.setCurrentIndex, of_hand=True)

    def _show_output(self, layer: Labels | None) -> None:
        if self.output.layer is not layer:
            self.output.pick(layer)
        self.keep.setEnabled(layer is not None)

    def _on_output(self) -> None:
        self.output_requested.emit(self.output.layer, self.keep.currentIndex() == 0)

    def _on_save(self) -> None:
        dialog = QFileDialog(self, "Save labels", "", "TIFF (*.tif *.tiff)")
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setDefaultSuffix("tif")  # before the dialog asks whether to write over a file
        dialog.selectFile("labels.tif")
        if dialog.exec():
            self.save_requested.emit(dialog.selectedFiles()[0])

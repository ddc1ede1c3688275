"""The part of the dock that says which image is segmented, along which axis, and as a stack or as a flow."""

from __future__ import annotations

from functools import partial

from napari.components import ViewerModel
from napari.layers import Image
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QMenu

from ..dock_state import DockState
from ..words import MODE_WORDS, image_words
from .panel import Panel
from .pickers import Choice, LayerPicker, button, line, row


class ImagePanel(Panel):
    """Which image, along which axis, and whether its frames have an order."""

    image_requested = Signal(object)
    open_requested = Signal(list)
    axis_requested = Signal(int)
    mode_requested = Signal(str)

    def __init__(self, viewer: ViewerModel) -> None:
        super().__init__()
        self.picker = LayerPicker(viewer, (Image,))
        self.picker.setToolTip("The image layer that is segmented")
        self.picker.setAccessibleName("Image layer")
        self.open = button("Open...", "Open files, or a folder: images, which may differ in size, or DICOM slices")
        self.menu = QMenu(self)
        self.open.setMenu(self.menu)
        self.stack = button(MODE_WORDS["stack"], "They follow each other in space or in time (a stack)", checkable=True)
        self.flow = button(
            MODE_WORDS["flow"], "They show the same kind of object and have no order (a flow)", checkable=True
        )
        self.axis = Choice(tip="The axis along which the slices follow each other; the viewer shows a slider for it")
        self.axis.setAccessibleName("Axis")
        self.words = line(dim=True)
        self.column.addLayout(row(self.picker, self.open, stretch=(3, 1)))
        self.column.addLayout(row(self.stack, self.flow))
        self.column.addWidget(self.axis)
        self.column.addWidget(self.words)
        self.picker.layer_picked.connect(self.image_requested)
        for words, action in (("Files...", self._on_files), ("Folder...", self._on_folder)):
            entry = self.menu.addAction(words)
            if entry is not None:
                entry.triggered.connect(action)
        self.axis.activated.connect(self._on_axis)
        self.stack.clicked.connect(lambda: self.mode_requested.emit("stack"))
        self.flow.clicked.connect(lambda: self.mode_requested.emit("flow"))
        self._bind()

    def _bind(self) -> None:
        show = self.bindings.add
        show(lambda state: state.image_layer, self._show_image, of_hand=True)
        for choice, mode in ((self.stack, "stack"), (self.flow, "flow")):
            show(partial(_taken_as, mode), choice.setChecked, of_hand=True)
            show(_has_several, choice.setEnabled)
        show(lambda state: state.axes, self._fill_axes)
        show(lambda state: len(state.axes) > 1, self.axis.setVisible)
        show(lambda state: (state.axes, state.axis), self._show_axis, of_hand=True)
        show(image_words, self.words.setText)

    def _show_image(self, image: Image | None) -> None:
        if image is not None and self.picker.layer is not image:
            self.picker.pick(image)

    def _fill_axes(self, axes: tuple[tuple[int, str], ...]) -> None:
        self.axis.clear()
        for axis, words in axes:
            self.axis.addItem(words, axis)

    def _show_axis(self, shown: tuple[tuple[tuple[int, str], ...], int | None]) -> None:
        _, axis = shown
        if axis is not None:
            self.axis.setCurrentIndex(self.axis.findData(axis))

    def _on_files(self) -> None:
        paths, _ = QFileDialog.getOpenFileNames(self, "Images or labels")
        if paths:
            self.open_requested.emit(paths)

    def _on_folder(self) -> None:
        path = QFileDialog.getExistingDirectory(self, "A folder of images or of DICOM slices")
        if path:
            self.open_requested.emit([path])

    def _on_axis(self, index: int) -> None:
        self.axis_requested.emit(int(self.axis.itemData(index)))


def _has_several(state: DockState) -> bool:
    """True if the image has an axis of frames."""
    return bool(state.axes)


def _taken_as(mode: str, state: DockState) -> bool:
    return _has_several(state) and state.mode == mode

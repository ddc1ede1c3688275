"""The parts of the dock, top to bottom. Each builds its children, shows a state, and names what the user asks for."""

from __future__ import annotations

from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer, Points, Shapes
from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import QCheckBox, QFileDialog, QProgressBar, QVBoxLayout, QWidget

from ...engine.events import RunState
from ..dock_state import DockState, worst_frame
from ..layers.colours import NEGATIVE, POSITIVE, object_colour
from ..words import time_left
from .keys import printed
from .pickers import Choice, LayerPicker, button, caption, line, row
from .strip import ConfidenceStrip

MAIN_BUTTON = (
    "QPushButton { background-color: #1f6feb; color: white; font-weight: bold; padding: 6px 2px; }"
    "QPushButton:disabled { background-color: #2b3b52; color: #8a93a0; }"
)


class Panel(QWidget):
    """A vertical part of the dock."""

    def __init__(self) -> None:
        super().__init__()
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(0, 0, 0, 0)
        self.column.setSpacing(4)

    def apply(self, state: DockState) -> None:
        """Show a state."""
        raise NotImplementedError


class ImagePanel(Panel):
    """Which image, along which axis, and whether its frames have an order."""

    image_requested = Signal(object)
    folder_requested = Signal(str)
    axis_requested = Signal(int)
    mode_requested = Signal(str)
    contrast_requested = Signal(bool)

    def __init__(self, viewer: ViewerModel) -> None:
        super().__init__()
        self.picker = LayerPicker(viewer, (Image,))
        self.folder = button("Folder...", "Open a folder of unrelated images, which may differ in size, as a flow")
        self.stack = button("Stack", "The frames follow each other: z-slices or time points", checkable=True)
        self.flow = button("Flow", "The frames show the same kind of object and have no order", checkable=True)
        self.axis = Choice(tip="The axis to propagate along; the viewer shows a slider for it")
        self.contrast = Choice(
            "Contrast: automatic",
            "Contrast: as shown",
            tip="What the network sees: robust limits over all frames, or the layer's own limits",
        )
        self.words = line(small=True)
        self.column.addWidget(caption("Image"))
        self.column.addLayout(row(self.picker, self.folder, stretch=(3, 1)))
        self.column.addLayout(row(self.stack, self.flow, self.axis, stretch=(1, 1, 2)))
        self.column.addWidget(self.words)
        self.column.addWidget(self.contrast)
        self.picker.layer_picked.connect(self.image_requested)
        self.folder.clicked.connect(self._on_folder)
        self.axis.activated.connect(self._on_axis)
        self.stack.clicked.connect(lambda: self.mode_requested.emit("stack"))
        self.flow.clicked.connect(lambda: self.mode_requested.emit("flow"))
        self.contrast.activated.connect(lambda index: self.contrast_requested.emit(index == 1))

    def apply(self, state: DockState) -> None:
        several = bool(state.axes)
        for choice, mode in ((self.stack, "stack"), (self.flow, "flow")):
            choice.setChecked(several and state.mode == mode)
            choice.setEnabled(several)
        if [self.axis.itemText(i) for i in range(self.axis.count())] != [words for _, words in state.axes]:
            self.axis.clear()
            for axis, words in state.axes:
                self.axis.addItem(words, axis)
        self.axis.setEnabled(several)
        if state.axis is not None:
            self.axis.setCurrentIndex(self.axis.findData(state.axis))
        guess = f" {state.mode.capitalize()}: {state.reason}." if several and state.reason else ""
        self.words.setText(f"{state.layout}.{guess}" if state.layout else "No image layer yet.")

    def _on_folder(self) -> None:
        path = QFileDialog.getExistingDirectory(self, "A folder of unrelated images")
        if path:
            self.folder_requested.emit(path)

    def _on_axis(self, index: int) -> None:
        self.axis_requested.emit(int(self.axis.itemData(index)))


class PromptPanel(Panel):
    """Which object, and the tools to point it out."""

    object_requested = Signal(int)
    new_object_requested = Signal()
    tool_requested = Signal(str)
    sign_requested = Signal()
    layer_requested = Signal(object)
    preview_requested = Signal(bool)

    def __init__(self, viewer: ViewerModel) -> None:
        super().__init__()
        self.object = Choice(tip="Prompts go to this object; its number is its label")
        self.new_object = button("", "Start another object")
        self.tools = {
            "point": button(f"Point ({printed('point')})", "Click on the object", checkable=True),
            "box": button(f"Box ({printed('box')})", "Drag a box tightly around the object", checkable=True),
            "mask": button(f"Mask ({printed('mask')})", "Paint the object; what you paint is final", checkable=True),
        }
        self.sign = button("", "Clicks and strokes say 'this is the object' (+) or 'this is not' (-)")
        self.adopt = LayerPicker(viewer, (Points, Shapes, Labels), "Use layer...")
        self.adopt.setToolTip("Take prompts from a Points, Shapes or Labels layer of yours; it is never changed")
        self.preview = QCheckBox("Preview while drawing")
        self.preview.setChecked(True)
        self.preview.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.column.addWidget(caption("Object and prompt"))
        self.column.addLayout(row(self.object, self.new_object))
        self.column.addLayout(row(*self.tools.values()))
        self.column.addLayout(row(self.sign, self.adopt))
        self.column.addWidget(self.preview)
        self.object.activated.connect(lambda index: self.object_requested.emit(int(self.object.itemData(index))))
        self.new_object.clicked.connect(self.new_object_requested)
        for name, tool in self.tools.items():
            tool.clicked.connect(lambda _=False, name=name: self.tool_requested.emit(name))
        self.sign.clicked.connect(self.sign_requested)
        self.adopt.layer_picked.connect(self._on_adopt)
        self.preview.toggled.connect(self.preview_requested)

    def apply(self, state: DockState) -> None:
        if [self.object.itemData(i) for i in range(self.object.count())] != list(state.objects):
            self.object.clear()
            for number in state.objects:
                swatch = QPixmap(14, 14)
                swatch.fill(QColor(object_colour(number)))
                self.object.addItem(QIcon(swatch), f"Object {number}", number)
        self.object.setCurrentIndex(self.object.findData(state.current))
        for name, tool in self.tools.items():
            tool.setChecked(state.tool == name)
        stack = state.mode == "stack" or len(state.columns) < 2
        self.new_object.setText(f"New object ({printed('next')})" if stack else "New object")
        colour = POSITIVE if state.positive else NEGATIVE
        self.sign.setText(f"{'+  on object' if state.positive else '-  not on it'} ({printed('sign')})")
        self.sign.setStyleSheet(f"background-color: {colour}; color: black; font-weight: bold;")

    def _on_adopt(self, layer: Layer | None) -> None:
        if layer is not None:
            self.layer_requested.emit(layer)
            self.adopt.pick(None)


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
        self.direction.currentTextChanged.connect(self.direction_requested)
        self.pause.clicked.connect(self.pause_requested)
        self.cancel.clicked.connect(self.cancel_requested)
        self.undo.clicked.connect(self.undo_requested)
        self.redo.clicked.connect(self.redo_requested)
        self.commit.clicked.connect(self.commit_requested)
        self.clear.clicked.connect(self.clear_requested)
        self.strip.frame_requested.connect(self.frame_requested)
        self.worst.clicked.connect(self.worst_requested)
        self.next.clicked.connect(self.next_requested)

    def apply(self, state: DockState) -> None:
        status = state.status
        several = len(state.columns) > 1
        self.segment.setText(f"Segment this {state.noun} ({printed('segment')})")
        self.segment.setEnabled(bool(state.image))
        self.propagate.setEnabled(bool(state.image) and several)
        self.direction.setEnabled(state.mode == "stack" and several)
        self.pause.setEnabled(state.running)
        self.pause.setText("Resume (Esc)" if status.state is RunState.PAUSED else "Pause (Esc)")
        self.cancel.setEnabled(state.running)
        busy = status.state is RunState.LOADING or (state.running and status.total == 0)
        self.progress.setRange(0, 0 if busy else max(1, status.total))
        self.progress.setValue(status.done)
        resting = status.finish_reason if status.state is RunState.IDLE else status.state
        left = time_left(status.seconds_left) if status.state is RunState.RUNNING else resting.value if resting else ""
        self.progress.setFormat(f"{status.done} / {status.total}   {left}" if status.total else "")
        self.strip.set_columns(state.columns, state.frame)
        self.worst.setText(f"Go to worst {state.noun}")
        self.worst.setEnabled(worst_frame(state.columns) is not None)
        self.next.setVisible(state.mode == "flow" and several)
        self.undo.setEnabled(bool(state.image))
        self.redo.setEnabled(bool(state.image))
        self.clear.setEnabled(state.has_prompts or state.has_results)
        self.commit.setEnabled(state.has_results)


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

    def apply(self, state: DockState) -> None:
        self.save.setEnabled(bool(state.image))
        self.keep.setEnabled(self.output.layer is not None)

    def _on_output(self) -> None:
        self.output_requested.emit(self.output.layer, self.keep.currentIndex() == 0)

    def _on_save(self) -> None:
        dialog = QFileDialog(self, "Save labels", "", "TIFF (*.tif *.tiff)")
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setDefaultSuffix("tif")  # before the dialog asks whether to write over a file
        dialog.selectFile("labels.tif")
        if dialog.exec():
            self.save_requested.emit(dialog.selectedFiles()[0])

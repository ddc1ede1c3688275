"""Small widgets that the dock is made of: a picker for layers, quiet buttons, lines of text."""

from __future__ import annotations

from typing import Any

from napari.components import ViewerModel
from napari.layers import Layer
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QLayout, QPushButton, QSizePolicy, QWidget


class LayerPicker(QComboBox):
    """Lists the viewer's layers of some types, in their order, and follows renaming and removal.

    Parameters
    ----------
    viewer, types
        Whose layers, and which.
    first
        Text of an entry that stands for no layer; without it the list holds layers only.
    """

    layer_picked = Signal(object)

    def __init__(self, viewer: ViewerModel, types: tuple[type[Layer], ...], first: str = "") -> None:
        super().__init__()
        self._viewer = viewer
        self._types = types
        self._first = first
        self._hidden: set[Layer] = set()
        self._layers: list[Layer | None] = []
        self._picked: Layer | None = None
        quiet(self)
        for emitter in self._emitters():
            emitter.connect(self.refill)
        viewer.layers.events.renamed.connect(self.refill)
        self.activated.connect(self._on_activated)
        self.refill()

    def _emitters(self) -> tuple[Any, ...]:
        events = self._viewer.layers.events
        return events.inserted, events.removed, events.reordered

    def release(self) -> None:
        for emitter in self._emitters():
            emitter.disconnect(self.refill)
        self._viewer.layers.events.renamed.disconnect(self.refill)

    @property
    def layer(self) -> Layer | None:
        return self._picked

    def hide_layer(self, layer: Layer, hidden: bool = True) -> None:
        """Leave a layer out of the list (our own prompt layers are no choice)."""
        (self._hidden.add if hidden else self._hidden.discard)(layer)
        self.refill()

    def pick(self, layer: Layer | None) -> None:
        """Show a layer as picked, as if the user had not done it."""
        self._picked = layer
        self.refill()

    def refill(self, event: Any = None) -> None:
        found = [la for la in self._viewer.layers if isinstance(la, self._types) and la not in self._hidden]
        self._layers = [*([None] if self._first else []), *found]
        before = self._picked
        if self._picked not in found:
            self._picked = None if self._first else (found[0] if found else None)
        self.blockSignals(True)
        self.clear()
        for layer in self._layers:
            self.addItem(self._first if layer is None else layer.name)
        if self._picked in self._layers:
            self.setCurrentIndex(self._layers.index(self._picked))
        self.blockSignals(False)
        if self._picked is not before:
            self.layer_picked.emit(self._picked)

    def _on_activated(self, index: int) -> None:
        self._picked = self._layers[index]
        self.layer_picked.emit(self._picked)


def quiet(widget: QWidget) -> QWidget:
    """Let a widget not take the keyboard: the keys belong to the viewer. Combo boxes may shrink."""
    widget.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    if isinstance(widget, QComboBox):
        widget.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        widget.setMinimumContentsLength(6)
        widget.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    return widget


def button(text: str, tip: str, *, checkable: bool = False) -> QPushButton:
    made = QPushButton(text)
    made.setToolTip(tip)
    made.setCheckable(checkable)
    made.setMinimumWidth(20)
    quiet(made)
    return made


def line(text: str = "", *, small: bool = False) -> QLabel:
    """A line of text that wraps."""
    label = QLabel(text)
    label.setWordWrap(True)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
    if small:
        label.setStyleSheet("color: #9aa3b0; font-size: 11px;")
    return label


def caption(text: str) -> QLabel:
    label = QLabel(text)
    label.setStyleSheet("font-weight: bold; padding-top: 4px;")
    return label


def row(*widgets: QWidget, stretch: tuple[int, ...] = ()) -> QLayout:
    layout = QHBoxLayout()
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(4)
    for i, widget in enumerate(widgets):
        layout.addWidget(widget, stretch[i] if i < len(stretch) else 1)
    return layout

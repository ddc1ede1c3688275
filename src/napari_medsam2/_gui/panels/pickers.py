"""Small widgets that the dock is made of.

The Tab key leads to each of them, a click does not: then the keyboard stays with the viewer.
"""

from __future__ import annotations

from typing import Any, TypeVar, overload

from napari.components import ViewerModel
from napari.layers import Layer
from qtpy.QtCore import QMargins, QSize, Qt, Signal
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFrame,
    QLabel,
    QLayout,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from .rows import Row
from .shades import play


class Choice(QComboBox):
    """A list to choose from that may shrink, and that a mouse wheel scrolls past instead of changing it."""

    #: So many letters of what is chosen are not cut off: where they have no room, the list gets a line of its own.
    longest = 0

    def __init__(self, *texts: str, tip: str = "") -> None:
        super().__init__()
        self.currentTextChanged.connect(self.updateGeometry)
        self.addItems(texts)
        self.setToolTip(tip)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setMinimumContentsLength(6)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)

    def minimumSizeHint(self) -> QSize:
        hint, width = super().minimumSizeHint(), self.fontMetrics().horizontalAdvance
        more = width(self.currentText()[: self.longest]) - width("X" * self.minimumContentsLength())
        return hint.grownBy(QMargins(0, 0, max(0, more), 0))

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        if event is not None:
            event.ignore()


class LayerPicker(Choice):
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
        for emitter in self._emitters():
            emitter.connect(self.refill)
        viewer.layers.events.renamed.connect(self.refill)
        self.activated.connect(self._on_activated)
        self.refill()

    def _emitters(self) -> tuple[Any, ...]:
        events = self._viewer.layers.events
        return events.inserted, events.removed, events.reordered

    def release(self) -> None:
        """Follow the viewer no more."""
        for emitter in self._emitters():
            emitter.disconnect(self.refill)
        self._viewer.layers.events.renamed.disconnect(self.refill)

    @property
    def layer(self) -> Layer | None:
        """The layer that is picked; ``None`` for the first entry, or without any."""
        return self._picked

    @property
    def hidden(self) -> frozenset[Layer]:
        """Layers that are left out of the list."""
        return frozenset(self._hidden)

    def hide_layer(self, layer: Layer, hidden: bool = True) -> None:
        """Leave a layer out of the list (our own prompt layers are no choice)."""
        (self._hidden.add if hidden else self._hidden.discard)(layer)
        self.refill()

    def pick(self, layer: Layer | None) -> None:
        """Show a layer as picked, as if the user had not done it."""
        self._picked = layer
        self.refill()

    def refill(self, event: Any = None) -> None:
        """List the layers as they are now; if the picked one is gone, another one is picked, which is told."""
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


#: The dock is so wide at first that most summaries are not cut.
_CHARACTERS = 42

_Button = TypeVar("_Button", bound=QPushButton)


@overload
def button(text: str, tip: str, *, checkable: bool = False) -> QPushButton: ...
@overload
def button(text: str, tip: str, *, checkable: bool = False, make: type[_Button]) -> _Button: ...
def button(text: str, tip: str, *, checkable: bool = False, make: type[QPushButton] = QPushButton) -> QPushButton:
    """A button that is never narrower than its text."""
    made = make(text)
    made.setToolTip(tip)
    made.setCheckable(checkable)
    made.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    return made


def tick(text: str, tip: str) -> QCheckBox:
    """A box to tick."""
    made = QCheckBox(text)
    made.setToolTip(tip)
    made.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    return made


def line(text: str = "", *, dim: bool = False) -> QLabel:
    """A line of text that wraps; dim where it explains what is beside it."""
    label = QLabel(text)
    label.setWordWrap(True)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
    if dim:
        play(label, "dim")
    return label


def row(*widgets: QWidget, stretch: tuple[int, ...] = (), columns: int | None = None) -> QLayout:
    """Widgets side by side, as wide as ``stretch`` says, on more lines where there is no room for one."""
    return Row(*widgets, stretch=stretch, columns=columns)


class ScrolledColumn(QScrollArea):
    """Parts in a column that scrolls where the window is too low for them; it is never too narrow for them.

    The bar has its place at all times: one that comes with the third object would push all the others aside.
    """

    def __init__(self, *parts: QWidget) -> None:
        super().__init__()
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(5)
        for part in parts:
            column.addWidget(part)
        column.addStretch(1)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setWidgetResizable(True)
        self.setWidget(inside)

    def sizeHint(self) -> QSize:
        hint = super().sizeHint()
        return QSize(max(hint.width(), _CHARACTERS * self.fontMetrics().averageCharWidth()), hint.height())

    def minimumSizeHint(self) -> QSize:
        inside, bar = self.widget(), self.verticalScrollBar()
        width = inside.minimumSizeHint().width() if inside is not None else 0
        borders = 4
        return QSize(width + (bar.sizeHint().width() if bar is not None else 0) + borders, 60)

"""The part of the dock in which an object is chosen, and a tool to point it out."""

from __future__ import annotations

from functools import partial

from napari.components import ViewerModel
from napari.layers import Labels, Layer, Points, Shapes
from qtpy.QtCore import QEvent, Signal
from qtpy.QtGui import QColor, QIcon, QPixmap

from ..dock_state import DockState
from ..layers.colours import object_colour
from .keys import printed
from .panel import Panel
from .pickers import Choice, LayerPicker, button, row
from .shades import play
from .tool_icons import show_icons

_TOOLS_A_ROW = 3
#: What each tool is for.
_TIPS = {
    "point": "Click on the object. Ctrl or right button: on what is not part of it",
    "box": "Drag a box tightly around the object. Ctrl or right button: what is in the box is taken away",
    "mask": "Paint the object; what you paint is final. Ctrl: erases",
    "scribble": "Draw a line along the object. Ctrl or right button: along what is not part of it",
    "lasso": "Drag around the object or what is missing; all in it is final. Ctrl or right button: takes it away",
    "polygon": "Click around the object or what is missing, then double-click; all in it is final. Ctrl or right "
    "button: takes it away",
}


class PromptPanel(Panel):
    """Which object, and the tools to point it out."""

    object_requested = Signal(int)
    new_object_requested = Signal()
    tool_requested = Signal(str)
    sign_requested = Signal()
    layer_requested = Signal(object)

    def __init__(self, viewer: ViewerModel) -> None:
        super().__init__()
        self.object = Choice(tip="Prompts go to this object; its number is its label")
        self.new_object = button("", "Start another object")
        self.tools = {
            tool: button(f"{tool.capitalize()} ({printed(tool)})", tip, checkable=True) for tool, tip in _TIPS.items()
        }
        self.sign = button(
            "",
            "What is drawn says 'this is the object' (+) or 'this is not part of it' (-). Without this button: hold "
            "Ctrl while you draw, or draw with the right mouse button",
        )
        self.adopt = LayerPicker(viewer, (Points, Shapes, Labels), "Use layer...")
        self.adopt.setToolTip("Take prompts from a Points, Shapes or Labels layer of yours; it is never changed")
        self.object.setAccessibleName("Object")
        self.adopt.setAccessibleName("Use layer")
        self.adopt.setMinimumContentsLength(len("Use layer"))
        self.column.addLayout(row(self.object, self.new_object))
        self.column.addLayout(row(*self.tools.values(), columns=_TOOLS_A_ROW))
        self.column.addLayout(row(self.sign, self.adopt))
        self.object.activated.connect(lambda index: self.object_requested.emit(int(self.object.itemData(index))))
        self.new_object.clicked.connect(self.new_object_requested)
        for name, tool in self.tools.items():
            tool.clicked.connect(lambda _=False, name=name: self.tool_requested.emit(name))
        self.sign.clicked.connect(self.sign_requested)
        self.adopt.layer_picked.connect(self._on_adopt)
        self._bind()

    def changeEvent(self, event: QEvent | None) -> None:
        super().changeEvent(event)
        if event is not None and event.type() in (QEvent.Type.StyleChange, QEvent.Type.PaletteChange):
            show_icons(self.tools)

    def _bind(self) -> None:
        show = self.bindings.add
        show(lambda state: state.objects, self._fill_objects)
        show(lambda state: (state.objects, state.current), self._show_object, of_hand=True)
        for name, tool in self.tools.items():
            show(partial(_in_hand, name), tool.setChecked, of_hand=True)
            show(lambda state: state.loading_left is None, tool.setEnabled)
        show(lambda state: state.mode == "stack" or len(state.columns) < 2, self._show_key_of_new_object)
        show(lambda state: state.positive, self._show_sign)

    def _fill_objects(self, objects: tuple[int, ...]) -> None:
        self.object.clear()
        for number in objects:
            swatch = QPixmap(14, 14)
            swatch.fill(QColor(object_colour(number)))
            self.object.addItem(QIcon(swatch), f"Object {number}", number)

    def _show_object(self, shown: tuple[tuple[int, ...], int]) -> None:
        self.object.setCurrentIndex(self.object.findData(shown[1]))

    def _show_key_of_new_object(self, has_key: bool) -> None:
        self.new_object.setText(f"New object ({printed('next')})" if has_key else "New object")

    def _show_sign(self, positive: bool) -> None:
        self.sign.setText(f"{'+  on object' if positive else '-  not on it'} ({printed('sign')})")
        play(self.sign, "positive" if positive else "negative")

    def _on_adopt(self, layer: Layer | None) -> None:
        if layer is not None:
            self.layer_requested.emit(layer)
            self.adopt.pick(None)


def _in_hand(tool: str, state: DockState) -> bool:
    return state.tool == tool

"""The part of the dock with the tools to point an object out."""

from __future__ import annotations

from functools import partial

from napari.components import ViewerModel
from napari.layers import Labels, Layer, Points, Shapes
from qtpy.QtCore import QEvent, Signal

from ..dock_state import DockState
from .keys import printed
from .panel import Panel
from .pickers import LayerPicker, button, row
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
    """The tools to point an object out."""

    tool_requested = Signal(str)
    sign_requested = Signal()
    reading_requested = Signal()
    layer_requested = Signal(object)

    def __init__(self, viewer: ViewerModel) -> None:
        super().__init__()
        self.tools = {
            tool: button(f"{tool.capitalize()} ({printed(tool)})", tip, checkable=True) for tool, tip in _TIPS.items()
        }
        self.sign = button(
            "",
            "What is drawn says 'this is the object' (+) or 'this is not part of it' (-). Without this button: hold "
            "Ctrl while you draw, or draw with the right mouse button",
        )
        self.reading = button(
            f"Other reading ({printed('reading')})",
            "A box or click may mean part or whole, ring or disc: take the other one, by a click where they differ",
        )
        self.adopt = LayerPicker(viewer, (Points, Shapes, Labels), "Use layer...")
        self.adopt.setToolTip("Take prompts from a Points, Shapes or Labels layer of yours; it is never changed")
        self.adopt.setAccessibleName("Use layer")
        self.adopt.setMinimumContentsLength(len("Use layer"))
        self.column.addLayout(row(*self.tools.values(), columns=_TOOLS_A_ROW))
        self.column.addLayout(row(self.sign, self.reading, self.adopt, columns=_TOOLS_A_ROW))
        for name, tool in self.tools.items():
            tool.clicked.connect(lambda _=False, name=name: self.tool_requested.emit(name))
        self.sign.clicked.connect(self.sign_requested)
        self.reading.clicked.connect(self.reading_requested)
        self.adopt.layer_picked.connect(self._on_adopt)
        self._bind()

    def changeEvent(self, event: QEvent | None) -> None:
        super().changeEvent(event)
        if event is not None and event.type() in (QEvent.Type.StyleChange, QEvent.Type.PaletteChange):
            show_icons(self.tools)

    def _bind(self) -> None:
        show = self.bindings.add
        for name, tool in self.tools.items():
            show(partial(_in_hand, name), tool.setChecked, of_hand=True)
            show(_can_draw, tool.setEnabled)
        for widget in (self.sign, self.adopt):
            show(lambda state: bool(state.image), widget.setEnabled)
        show(lambda state: state.has_other_reading, self.reading.setEnabled)
        show(lambda state: state.positive, self._show_sign)

    def _show_sign(self, positive: bool) -> None:
        self.sign.setText(f"{'+  on object' if positive else '-  not on it'} ({printed('sign')})")
        play(self.sign, "positive" if positive else "negative")

    def _on_adopt(self, layer: Layer | None) -> None:
        if layer is not None:
            self.layer_requested.emit(layer)
            self.adopt.pick(None)


def _can_draw(state: DockState) -> bool:
    return bool(state.image) and state.loading_left is None


def _in_hand(tool: str, state: DockState) -> bool:
    return state.tool == tool

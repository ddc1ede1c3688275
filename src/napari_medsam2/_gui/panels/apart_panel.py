"""Touching things of one kind, told apart: shown first, then kept."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QDoubleSpinBox

from ..dock_state import DockState
from .panel import Panel
from .pickers import button, line, row


class ApartPanel(Panel):
    """Show, keep or discard."""

    show_requested = Signal(object)
    keep_requested = Signal()
    discard_requested = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.words = line(dim=True)
        self.show_them = button("Show", "Give each of the touching things a number, in a layer to look at")
        self.radius = QDoubleSpinBox()
        self.radius.setRange(0, 10_000)
        self.radius.setDecimals(1)
        self.radius.setSpecialValueText("radius: automatic")
        self.radius.setPrefix("radius ")
        self.radius.setSuffix(" px")
        self.radius.setToolTip("Of a usual thing: the smaller, the more is cut")
        self.radius.setAccessibleName("Radius of a usual thing")
        self.keep = button("Keep these", "Keep them as labels, one for each; Ctrl+Z takes it back")
        self.discard = button("Discard", "Show them no more; nothing is changed")
        self.column.addWidget(self.words)
        self.column.addLayout(row(self.show_them, self.radius, stretch=(1, 2)))
        self.column.addLayout(row(self.keep, self.discard))
        self.show_them.clicked.connect(self._on_show)
        self.keep.clicked.connect(self.keep_requested)
        self.discard.clicked.connect(self.discard_requested)
        show = self.bindings.add
        show(apart_words, self.words.setText)
        show(lambda state: state.mode == "flow" and state.has_results, self.show_them.setEnabled)
        show(lambda state: state.mode == "flow", self.radius.setEnabled)
        for part in (self.keep, self.discard):
            show(lambda state: state.apart is not None, part.setVisible)

    def _on_show(self) -> None:
        self.show_requested.emit(self.radius.value() or None)


def apart_words(state: DockState) -> str:
    """What is shown, or what this is for."""
    if state.mode != "flow":
        return "For separate images. In a stack, Split in step 2 makes objects of separate parts."
    if state.apart is None:
        return "Things of one kind that touch, as nuclei do, get a label each."
    things, images = state.apart
    return f"{things} things on {images} images. Right? Keep these. Cut too much, or too little? Another radius."

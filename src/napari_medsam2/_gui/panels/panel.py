"""What the parts of the dock have in common."""

from __future__ import annotations

from qtpy.QtWidgets import QVBoxLayout, QWidget

from .bindings import Bindings


class Panel(QWidget):
    """A vertical part of the dock: it builds its children, binds them to the state, and names what the user asks."""

    def __init__(self) -> None:
        super().__init__()
        self.bindings = Bindings()
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(0, 0, 0, 0)
        self.column.setSpacing(4)

"""The order in which the Tab key leads through widgets: that of their layouts, from top to bottom."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLayout, QScrollArea, QWidget


def set_tab_order(layout: QLayout) -> None:
    """Have the Tab key lead through all that is in a layout."""
    for before, after in pairwise(_in(layout)):
        QWidget.setTabOrder(before, after)


def _in(layout: QLayout) -> Iterator[QWidget]:
    """The widgets that take the keyboard."""
    for index in range(layout.count()):
        item = layout.itemAt(index)
        if item is None:
            continue
        inside, widget = item.layout(), item.widget()
        if inside is not None:
            yield from _in(inside)
        elif widget is not None:
            yield from _of(widget)


def _of(widget: QWidget) -> Iterator[QWidget]:
    content = widget.widget() if isinstance(widget, QScrollArea) else widget
    inside = content.layout() if content is not None else None
    if inside is not None:
        yield from _in(inside)
    elif widget.focusPolicy() & Qt.FocusPolicy.TabFocus:
        yield widget

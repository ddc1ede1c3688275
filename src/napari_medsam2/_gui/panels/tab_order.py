"""The dock by keyboard: a key that leads into it, and the Tab key that leads through it from top to bottom."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from itertools import pairwise

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import QApplication, QLayout, QScrollArea, QShortcut, QWidget

#: Leads into the dock and back to the viewer: from its canvas the Tab key does not lead to any dock.
PANE_KEY = "F6"


def set_tab_order(layout: QLayout) -> None:
    """Have the Tab key lead through all that is in a layout."""
    for before, after in pairwise(_in(layout)):
        QWidget.setTabOrder(before, after)


def add_pane_key(dock: QWidget, first: QWidget) -> None:
    """Have a key lead to a widget of the dock from anywhere in the window, and from the dock back to the viewer."""
    here, begins = weakref.ref(dock), weakref.ref(first)  # the shortcut is the dock's: no circle

    def go() -> None:
        part, target, focus = here(), begins(), QApplication.focusWidget()
        if part is None or target is None:
            return
        if focus is not None and part.isAncestorOf(focus):
            if (window := part.window()) is not None:
                window.setFocus(Qt.FocusReason.ShortcutFocusReason)
        else:
            target.setFocus(Qt.FocusReason.TabFocusReason)

    QShortcut(QKeySequence(PANE_KEY), dock).activated.connect(go)


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

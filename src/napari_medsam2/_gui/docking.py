"""Where a second widget of ours appears, and how long; the dock keeps its height."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import Any

from qtpy.QtCore import QEvent, Qt, QTimer
from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget

_Area, _Corner = Qt.DockWidgetArea, Qt.Corner
#: Which side a corner at the bottom belongs to, if what is below the image is to be as wide as the image only.
_CORNERS = {
    _Corner.BottomLeftCorner: _Area.LeftDockWidgetArea,
    _Corner.BottomRightCorner: _Area.RightDockWidgetArea,
}


class Docked(QWidget):
    """A widget that is told when napari puts it into a dock, and when that is closed."""

    #: On its tab, where it shares a place: with the name of the plugin behind it, it is cut off there.
    tab_title = ""

    def __init__(self) -> None:
        super().__init__()
        self.is_docked = False

    def on_docked(self, first: bool) -> None:
        """It is in a dock, for the first time or once more."""

    def on_undocked(self) -> None:
        """Its dock was closed."""

    def event(self, event: QEvent | None) -> bool:
        # napari takes the widget out of its dock when that is closed; hiding it or floating it is not closing.
        if event is not None and event.type() == QEvent.Type.ParentChange:
            if self.parent() is not None:
                first, self.is_docked = not self.is_docked, True
                QTimer.singleShot(0, self._name_tab)
                self.on_docked(first)
            elif self.is_docked:
                self.on_undocked()
        return super().event(event)

    def _name_tab(self) -> None:
        if (dock := _dock_around(self)) is not None:
            dock.setWindowTitle(self.tab_title)


def share_place(widget: QWidget, other: QWidget) -> None:
    """Show two docked widgets as tabs of one place, ``widget`` in front, if they are on one side of one window.

    On its own side, floating, or already a tab, a widget stays where the user has put it.
    """
    mine, its = _dock_around(widget), _dock_around(other)
    if mine is None or its is None or mine.isFloating() or its.isFloating():
        return
    window = mine.parent()
    if not isinstance(window, QMainWindow) or its.parent() is not window:
        return
    if window.dockWidgetArea(mine) == window.dockWidgetArea(its) and mine not in window.tabifiedDockWidgets(its):
        window.tabifyDockWidget(its, mine)
    QTimer.singleShot(0, mine.raise_)  # there is no tab yet that could come to the front


def go_below_image(widget: QWidget) -> None:
    """Show a docked widget below the image, between the columns at its sides: these keep their height.

    Across the whole window it would push the lists of napari and the dock together, and on a small screen the lower
    edge of the window out of it.
    """
    mine = _dock_around(widget)
    if mine is None or mine.isFloating() or not isinstance(window := mine.parent(), QMainWindow):
        return
    for corner, side in _CORNERS.items():
        window.setCorner(corner, side)
    if window.dockWidgetArea(mine) != _Area.BottomDockWidgetArea:
        window.addDockWidget(_Area.BottomDockWidgetArea, mine)


def close_others(viewer: Any, widget: QWidget) -> None:
    """Have one widget of a kind in a viewer, the latest: napari opens another one under another name."""
    close_all(viewer, type(widget), but=widget)


def close_all(viewer: Any, kind: type[QWidget], *, but: QWidget | None = None) -> None:
    """Close the docked widgets of a kind, as soon as what goes on in the window is done."""
    window = getattr(viewer, "window", None)
    if window is None:
        return
    for other in [one for one in window.dock_widgets.values() if isinstance(one, kind) and one is not but]:
        QTimer.singleShot(0, partial(_remove, window, other))


def _remove(window: Any, widget: QWidget) -> None:
    with suppress(AttributeError, LookupError, RuntimeError):  # it, or the window, was closed meanwhile
        window.remove_dock_widget(widget)


def _dock_around(widget: QWidget) -> QDockWidget | None:
    around: QWidget | None = widget
    while around is not None and not isinstance(around, QDockWidget):
        around = around.parentWidget()
    return around

"""Where a second widget of ours appears: as a tab beside the dock, which it would leave three lines of otherwise."""

from __future__ import annotations

from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget


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
    mine.raise_()


def _dock_around(widget: QWidget) -> QDockWidget | None:
    around: QWidget | None = widget
    while around is not None and not isinstance(around, QDockWidget):
        around = around.parentWidget()
    return around

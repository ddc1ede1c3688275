"""Commands for napari's palette and menus. They act on the dock of the current viewer, and open it first if need be."""

from __future__ import annotations

from typing import Any

import napari

from ..distribution import plugin_name


def open_dock() -> Any:
    """Show the dock of the current viewer; ``None`` if there is no viewer."""
    viewer = napari.current_viewer()
    if viewer is None:
        return None
    there = [widget for widget in viewer.window.dock_widgets.values() if hasattr(widget, "close_dock")]
    if not there:
        return viewer.window.add_plugin_dock_widget(plugin_name(), "MedSAM-2")[1]
    frame = there[0].parent()
    frame.show()
    frame.raise_()
    return there[0]


def open_review() -> Any:
    """Show the second widget, as a tab beside the dock; ``None`` if there is no viewer."""
    viewer = napari.current_viewer()
    if viewer is None:
        return None
    there = [widget for widget in viewer.window.dock_widgets.values() if hasattr(widget, "close_review")]
    if not there:
        return viewer.window.add_plugin_dock_widget(plugin_name(), "MedSAM-2 review")[1]
    frame = there[0].parent()
    frame.show()
    frame.raise_()
    return there[0]


def find_on_all() -> None:
    """Find all objects on the frames that are not up to date."""
    _do("propagate")


def segment_this() -> None:
    """Segment the frame in view."""
    _do("segment_frame")


def pause_or_resume() -> None:
    """Hold a run, or go on with it."""
    _do("pause_or_resume")


def new_object() -> None:
    """Start another object."""
    _do("new_object")


def keep_and_next() -> None:
    """Keep the result, and start the next object."""
    if (dock := open_dock()) is not None and dock.controller.state.has_results:
        dock.controller.commit()


def next_thing() -> None:
    """Go to the next image, or in a stack to a new object."""
    _do("next_thing")


def next_to_check() -> None:
    """Go to the frame that is most likely wrong, and has not been shown."""
    _review("next_to_check")


def accept() -> None:
    """Take what is shown on the frame in view as right."""
    _review("accept")


def undo() -> None:
    """Take back the last change."""
    _do("undo")


def redo() -> None:
    """Do it again."""
    _do("redo")


def save_labels() -> None:
    """Ask where the labels go, and write them."""
    if (dock := open_dock()) is not None:
        dock.output.save.click()


def save_session() -> None:
    """Ask where the session goes, and write it."""
    if (dock := open_dock()) is not None:
        dock.output.session.click()


def copy_report() -> None:
    """Copy what someone who helps wants to know."""
    if (dock := open_dock()) is not None:
        dock.help.copy_requested.emit()


def _review(action: str) -> None:
    if (dock := open_dock()) is not None:
        getattr(dock.controller.review, action)()


def _do(action: str) -> None:
    if (dock := open_dock()) is not None:
        getattr(dock.controller, action)()

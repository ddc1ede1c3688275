"""The second widget: how good the result is, what it took, and learning from it. It shows the state of the dock."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import napari
from napari.layers import Layer
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QLabel, QVBoxLayout

from ..distribution import plugin_name
from .docking import Docked, close_all, close_others, share_place
from .panels.apart_panel import ApartPanel
from .panels.lesson_panel import LessonPanel
from .panels.message_bar import MessageBar
from .panels.pickers import ScrolledColumn
from .panels.score_panel import ScorePanel
from .panels.shades import ThemeFollower
from .panels.steps import Step


class ReviewDock(Docked):
    """Plugins > MedSAM-2 review.

    Parameters
    ----------
    napari_viewer
        The viewer; the dock that is open in it is the one that is shown, and one is opened if there is none.
    """

    tab_title = "MedSAM-2 review"

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        viewer: Any = getattr(napari_viewer, "__wrapped__", napari_viewer)
        self._viewer = viewer
        self._dock = dock_of(viewer)
        self.controller = self._dock.controller
        self.scores = ScorePanel(viewer)
        self.lesson = LessonPanel()
        self.apart = ApartPanel()
        self.steps = (
            Step("Scores", self.scores, is_open=True),
            Step("Cost and learning", self.lesson, is_open=True),
            Step("Touching things", self.apart, is_open=True),
        )
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 6, 8, 6)
        self.title = QLabel()
        self.title.setAlignment(Qt.AlignmentFlag.AlignLeft)
        column.addWidget(self.title)
        column.addWidget(ScrolledColumn(*self.steps))
        self.message = MessageBar()  # that of the dock is behind this tab
        column.addWidget(self.message)
        self.theme = ThemeFollower(viewer, self)
        self._closed = False
        do = self.controller
        do.store.changed.connect(self._on_changed)
        self.scores.compare_requested.connect(do.scoring.compare)
        self.scores.frame_requested.connect(do.go_to_frame)
        self.scores.save_requested.connect(lambda path: do.scoring.save(Path(path)))
        self.lesson.cost_requested.connect(lambda path: do.scoring.save_cost(Path(path)))
        self.lesson.learn_requested.connect(do.lessons.begin)
        self.lesson.cancel_requested.connect(do.lessons.cancel)
        self.lesson.take_requested.connect(do.lessons.take)
        self.lesson.refuse_requested.connect(do.lessons.refuse)
        self.apart.show_requested.connect(do.apart.show)
        self.apart.keep_requested.connect(do.apart.keep)
        self.apart.discard_requested.connect(do.apart.discard)
        self.message.close_requested.connect(do.store.say)
        self.message.copy_requested.connect(self._dock.message.copy_requested)
        self.message.more_requested.connect(self._dock.message.more_requested)
        for layer in self._dock.output.output.hidden:  # no reference: what was found would agree with itself
            self.scores.reference.hide_layer(layer)
        do.images.layer_made.connect(self._on_layer_made)
        self._on_changed()

    def on_docked(self, first: bool) -> None:
        if first:
            QTimer.singleShot(0, self._take_place)  # napari finds a place for it first

    def on_undocked(self) -> None:
        self.close_review()

    def _take_place(self) -> None:
        if not self._closed:
            share_place(self, self._dock)
            close_others(self._viewer, self)

    def close_review(self) -> None:
        """Let go of the viewer."""
        if not self._closed:
            self._closed = True
            self.theme.release()
            self.scores.reference.release()
            self.controller.store.changed.disconnect(self._on_changed)
            self.controller.images.layer_made.disconnect(self._on_layer_made)

    def _on_layer_made(self, layer: Layer, made: bool) -> None:
        self.scores.reference.hide_layer(layer, made)

    def _on_changed(self) -> None:
        state = self.controller.state
        self.title.setText(state.image or "No image yet: open one in the MedSAM-2 dock.")
        for panel in (self.scores, self.lesson, self.apart, self.message):
            panel.bindings.apply(state)


def close_reviews(viewer: Any) -> None:
    """Close the second widget of a viewer whose dock was closed: its buttons would do nothing any more."""
    close_all(viewer, ReviewDock)


def dock_of(viewer: Any) -> Any:
    """The dock of a viewer; it is opened if it is not."""
    there = [widget for widget in viewer.window.dock_widgets.values() if hasattr(widget, "close_dock")]
    return there[0] if there else viewer.window.add_plugin_dock_widget(plugin_name(), "MedSAM-2")[1]

"""Widgets are touched only where what they show differs, and after the user's hand was on them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from face import deliver, draw_box, result
from qtpy.QtWidgets import QComboBox, QLabel, QProgressBar, QWidget

from napari_medsam2._gui.dock_state import DockState
from napari_medsam2._gui.panels.bindings import Bindings
from napari_medsam2._gui.panels.strip import ConfidenceStrip
from napari_medsam2.engine.events import ResultReady, RunState, RunStatus, Standing, StatusChanged
from napari_medsam2.engine.requests import RequestKind


def test_a_value_is_shown_at_first_and_then_only_when_it_differs():
    bindings, shown = Bindings(), []
    bindings.add(lambda state: state.note, shown.append)
    for note in ("", "", "Saved", "Saved", ""):
        bindings.apply(DockState(note=note))
    assert shown == ["", "Saved", ""]


def test_what_the_user_changed_by_hand_is_shown_again_when_it_is_restored():
    bindings, of_hand, others = Bindings(), [], []
    bindings.add(lambda state: state.direction, of_hand.append, of_hand=True)
    bindings.add(lambda state: state.note, others.append)
    state = DockState()
    bindings.apply(state)
    bindings.restore(state)
    bindings.apply(replace(state, note="Saved"))
    assert of_hand == ["both", "both"] and others == ["", "Saved"]


@pytest.fixture
def touched(monkeypatch):
    """The widgets that something is done to, and what."""
    calls: list[tuple[QWidget, str]] = []

    def spy(kind, name):
        do = getattr(kind, name)

        def note(widget, *arguments):
            calls.append((widget, name))
            return do(widget, *arguments)

        monkeypatch.setattr(kind, name, note)

    for kind, name in (
        (QComboBox, "clear"),
        (QComboBox, "addItem"),
        (QComboBox, "setCurrentIndex"),
        (QLabel, "setText"),
        (QProgressBar, "setValue"),
        (QWidget, "setStyleSheet"),
        (ConfidenceStrip, "set_columns"),
    ):
        spy(kind, name)
    return calls


def test_a_step_of_a_run_touches_the_progress_and_nothing_else(prompted, qtbot, touched):
    dock, _, send = prompted
    deliver(qtbot, send, Standing(1, 0, 1), StatusChanged(RunStatus(RunState.RUNNING, 1, 5, 40.0)))
    touched.clear()
    deliver(qtbot, send, Standing(1, 0, 2), StatusChanged(RunStatus(RunState.RUNNING, 2, 5, 30.0)))
    assert touched == [(dock.footer.progress, "setValue")]
    assert dock.footer.progress.format() == f"2 of 5 {dock.controller.state.noun}s, 30 s left"


def test_a_result_touches_the_strip_beside_that_and_refills_no_list(prompted, qtbot, touched):
    _, _, send = prompted
    deliver(qtbot, send, ResultReady(1, 0, result(0), RequestKind.PROPAGATE), Standing(1, 0, 1))
    deliver(qtbot, send, StatusChanged(RunStatus(RunState.RUNNING, 1, 5, 40.0)))
    touched.clear()
    step = Standing(1, 0, 2), StatusChanged(RunStatus(RunState.RUNNING, 2, 5, 30.0))
    deliver(qtbot, send, ResultReady(1, 0, result(3), RequestKind.PROPAGATE), *step)
    assert sorted(name for _, name in touched) == ["setValue", "set_columns"]


def test_drawing_touches_no_list_of_images_or_models(viewer, prompted, touched):
    dock, _, _ = prompted
    draw_box(viewer.layers["scan boxes"], 3, 5, 6, 20, 30)
    lists = (dock.image.picker, dock.image.axis, dock.model.model, dock.model.device)
    assert not [widget for widget, _ in touched if widget in lists]


def test_the_dock_shows_a_button_as_it_is_used_whatever_the_hand_made_of_it(viewer, mocked):
    dock, _, _ = mocked(viewer)  # without an image
    assert not dock.prompt.tools["box"].isEnabled(), "and its key says why"
    dock.prompt.tool_requested.emit("box")
    assert "no image" in dock.message.text() and not dock.prompt.tools["box"].isChecked()

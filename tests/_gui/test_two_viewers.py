"""Two viewers with a dock each, in one process: prompts, runs, results and keys of one are none of the other's."""

from __future__ import annotations

import pytest
from face import Pace, running, settled, wait_for_model
from fakes import moving_disc
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QWidget

from napari_medsam2.engine.events import FinishReason, RunState


@pytest.fixture
def two(make_napari_viewer):
    """Viewers with an image and a dock each, and what the model of the first one waits for."""
    pace = Pace()
    viewers = make_napari_viewer(), make_napari_viewer()
    docks = [running(viewer, pace if viewer is viewers[0] else None) for viewer in viewers]
    for viewer, dock, frames in zip(viewers, docks, (4, 6), strict=True):
        viewer.add_image(moving_disc(frames)[0], name="scan")
        wait_for_model(dock)
        dock.controller.choose_mode("stack")
    yield viewers, docks, pace
    pace.go()
    for dock in docks:
        dock.close_dock(timeout=10.0)


def canvas_beside(dock):
    """What gets key events in the window of a dock."""
    widgets = dock.window().findChildren(QWidget)
    (found,) = (widget for widget in widgets if type(widget).__name__ == "CanvasBackendDesktop")
    return found


def click_on_the_disc(viewer, dock) -> None:
    dock.prompt.tools["point"].click()
    viewer.layers.selection.active.add((1, 32, 22))


def test_a_run_that_waits_in_one_holds_up_nothing_in_the_other(two, qtbot):
    viewers, docks, pace = two
    first, second = (dock.controller for dock in docks)
    click_on_the_disc(viewers[0], docks[0])
    qtbot.waitUntil(lambda: first.state.has_results and settled(docks[0]))
    pace.hold(1)
    first.propagate()
    qtbot.waitUntil(lambda: first.state.running)
    click_on_the_disc(viewers[1], docks[1])
    second.propagate()
    qtbot.waitUntil(lambda: second.state.status.finish_reason is FinishReason.DONE and settled(docks[1]))
    assert first.state.status.state is RunState.RUNNING
    assert len(second.workspace.results.results) == 6 and len(first.workspace.results.results) < 4
    second.undo()
    pace.go()
    qtbot.waitUntil(lambda: first.state.status.finish_reason is FinishReason.DONE and settled(docks[0]))
    assert len(first.workspace.results.results) == 4
    assert [layer.name for layer in viewers[0].layers] == [layer.name for layer in viewers[1].layers]
    assert not {id(layer) for layer in viewers[0].layers} & {id(layer) for layer in viewers[1].layers}


def test_a_key_acts_on_its_own_viewer_and_closing_one_leaves_the_other(two, qtbot):
    viewers, docks, _ = two
    first, second = (dock.controller for dock in docks)
    for viewer, dock in zip(viewers, docks, strict=True):
        click_on_the_disc(viewer, dock)
    qtbot.waitUntil(lambda: first.state.has_results and second.state.has_results)
    qtbot.keyClick(canvas_beside(docks[1]), Qt.Key.Key_T)
    assert first.state.positive and not second.state.positive
    qtbot.keyClick(canvas_beside(docks[0]), Qt.Key.Key_N)
    assert first.state.current == 2 and second.state.current == 1
    docks[0].close_dock(timeout=10.0)
    assert first.engine.status.state is RunState.CLOSED
    second.propagate()
    qtbot.waitUntil(lambda: second.state.status.finish_reason is FinishReason.DONE)
    assert len(second.workspace.results.results) == 6

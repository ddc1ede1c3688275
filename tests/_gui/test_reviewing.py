"""Looking results through in the dock: next to check, accept, follow, and what it took."""

from __future__ import annotations

import numpy as np
import pytest
from face import IMAGES, Pace, deliver, result, settled

from napari_medsam2.engine.events import ResultReady, RunState, RunStatus, StatusChanged
from napari_medsam2.engine.requests import RequestKind


def found(frame, **values):
    return ResultReady(1, 0, result(frame, **values), RequestKind.PROPAGATE)


def test_next_to_check_goes_from_the_worst_to_the_next_and_says_why(viewer, prompted, qtbot):
    dock, _, send = prompted
    deliver(
        qtbot,
        send,
        found(2, prompted=True),
        found(1, where=slice(0)),
        found(0, confidence=0.5),
        found(3, confidence=0.2),
        found(4),
    )
    viewer.dims.set_current_step(0, 2)
    shown = []
    for _ in range(4):
        dock.review.check.click()
        shown.append(viewer.dims.current_step[0])
    assert sorted(shown) == [0, 1, 3, 4], "each one once"
    assert shown.index(1) < shown.index(4), "what is lost between two others is not left out"
    dock.review.check.click()
    assert viewer.dims.current_step[0] == shown[0] and "You have seen all now" in dock.message.text()


def test_a_frame_that_was_found_anew_is_to_be_checked_again(viewer, prompted, qtbot):
    dock, _, send = prompted
    deliver(qtbot, send, found(2, prompted=True), found(3, confidence=0.2), found(4, confidence=0.6))
    dock.review.check.click()
    assert viewer.dims.current_step[0] == 3 and "Low confidence" in dock.message.text()
    deliver(qtbot, send, found(3, confidence=0.3))
    viewer.dims.set_current_step(0, 2)
    dock.review.check.click()
    assert viewer.dims.current_step[0] == 3


def test_there_is_nothing_to_check_before_something_was_found(viewer, prompted, qtbot):
    dock, engine, _ = prompted
    assert not dock.review.check.isEnabled() and not dock.review.accept.isEnabled()
    dock.controller.review.next_to_check()
    assert "nothing to check yet" in dock.message.text()
    viewer.dims.set_current_step(0, 4)
    dock.controller.review.accept()
    assert "nothing to accept on this" in dock.message.text()
    engine.accept.assert_not_called()


def test_the_view_follows_the_run_while_the_box_is_ticked(viewer, prompted, qtbot):
    dock, _, send = prompted
    viewer.dims.set_current_step(0, 0)
    send(StatusChanged(RunStatus(RunState.RUNNING)))
    deliver(qtbot, send, found(3))
    assert viewer.dims.current_step[0] == 0
    dock.run.follow.click()
    deliver(qtbot, send, found(4))
    assert viewer.dims.current_step[0] == 4
    viewer.dims.set_current_step(0, 1)
    send(StatusChanged(RunStatus(RunState.PAUSED)))
    deliver(qtbot, send, found(3))
    assert viewer.dims.current_step[0] == 1, "while it is paused the user looks around"


@pytest.fixture
def segmented(make_napari_viewer, opened_dock, qtbot):
    """A real dock on a disc that moves, clicked on frame 2 and found on all."""
    viewer = make_napari_viewer()
    viewer.add_image(IMAGES, name="scan")
    dock = opened_dock(viewer, Pace())
    dock.controller.choose_mode("stack")
    dock.controller.use_tool("point")
    viewer.dims.set_current_step(0, 2)
    viewer.layers["scan points"].add((2, 20, 22))
    dock.controller.propagate()
    qtbot.waitUntil(
        lambda: settled(dock) and len(dock.controller.workspace.results.results) == len(IMAGES), timeout=20000
    )
    return viewer, dock


def test_accepting_counts_goes_on_and_is_taken_back(segmented, qtbot):
    viewer, dock = segmented
    labels = dock.controller.workspace.output_layer
    before = labels.data.copy()
    dock.review.check.click()
    first = viewer.dims.current_step[0]
    dock.keys._keys["A"]()
    qtbot.waitUntil(lambda: settled(dock) and dock.controller.state.columns[first].accepted)
    assert viewer.dims.current_step[0] != first, "the next one to check is shown"
    assert np.array_equal(labels.data, before), "no pixel is changed"
    assert dock.controller.state.done == len(IMAGES), "and nothing is to be done again"
    assert "2 of 6 checked (1 accepted, 1 prompted), 1 click," in dock.steps[3].heading.summary
    dock.controller.undo()
    qtbot.waitUntil(lambda: settled(dock) and not dock.controller.state.columns[first].accepted)
    assert dock.controller.state.cost.accepted == 0 and "checked" not in dock.steps[3].heading.summary


def test_when_all_is_accepted_there_is_nothing_left_to_check(segmented, qtbot):
    viewer, dock = segmented
    for t in (0, 1, 3, 4, 5):
        viewer.dims.set_current_step(0, t)
        dock.review.accept.click()
        qtbot.waitUntil(lambda t=t: settled(dock) and dock.controller.state.columns[t].accepted)
    assert "none left to check" in dock.message.text()
    dock.controller.propagate()
    qtbot.waitUntil(lambda: settled(dock))
    assert all(found.drawn for key, found in dock.controller.workspace.results.results.items() if key[0] != 2)


def test_what_was_accepted_and_what_it_took_come_back_after_a_crash(segmented, opened_dock, qtbot, make_napari_viewer):
    viewer, dock = segmented
    dock.review.check.click()
    accepted = viewer.dims.current_step[0]
    dock.review.accept.click()
    qtbot.waitUntil(lambda: settled(dock) and dock.controller.state.columns[accepted].accepted)
    cost = dock.controller.state.cost
    dock.close_dock(timeout=10.0)
    other = make_napari_viewer()
    other.add_image(IMAGES, name="scan")
    again = opened_dock(other, Pace())
    qtbot.waitUntil(lambda: again.controller.state.recovery is not None, timeout=10000)
    again.controller.restore_recovery()
    qtbot.waitUntil(lambda: settled(again) and len(again.controller.state.columns) == len(IMAGES))
    qtbot.waitUntil(lambda: again.controller.state.columns[accepted].accepted)
    assert again.controller.state.cost == cost
    again.controller.propagate()
    qtbot.waitUntil(lambda: settled(again))
    assert again.controller.state.columns[accepted].accepted

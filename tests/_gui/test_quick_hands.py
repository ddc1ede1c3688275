"""What is drawn while the engine is still at a slow frame, with an undo or the like before it: it stays."""

from __future__ import annotations

import pytest
from face import IMAGES, SQUARE, Pace, paint, running, settled

from napari_medsam2.prompts import MaskPrompt


def wait_for(qtbot, until):
    qtbot.waitUntil(until, timeout=30_000)


@pytest.fixture
def busy(make_napari_viewer, qtbot):
    """A dock with a click on frame 2 that was answered, and one on frame 4 that the engine is at; and its pace."""
    pace, viewer = Pace(), make_napari_viewer()
    viewer.add_image(IMAGES, name="scan")
    dock = running(viewer, pace)
    dock.controller.choose_mode("stack")
    dock.prompt.tools["point"].click()
    viewer.layers["scan points"].add((2, 20, 22))
    wait_for(qtbot, lambda: settled(dock) and dock.controller.state.has_results)
    pace.hold(0)
    viewer.layers["scan points"].add((4, 20, 24))
    yield dock, viewer.layers["scan points"], pace
    pace.go()
    dock.close_dock(timeout=10.0)


def frames_of(dock, points, pace, qtbot):
    """Frames with a prompt, which dock, layer and engine agree on; all of them have an answer."""
    do = dock.controller
    pace.go()
    wait_for(qtbot, lambda: settled(dock))
    prompts = sorted((p.object_id, p.frame) for p in do.engine.session.prompts)
    assert sorted((p.object_id, p.frame) for p in do.workspace.book.prompts) == prompts
    assert sorted(int(where[0]) for where in points.data) == sorted(
        p.frame for p in do.engine.session.prompts if not isinstance(p, MaskPrompt)
    )
    assert do.workspace.results.results.keys() == do.engine.session.results.keys()
    return prompts


def test_a_click_after_an_undo_that_was_not_heard_yet(busy, qtbot):
    dock, points, pace = busy
    dock.controller.undo()
    points.add((0, 20, 20))
    assert frames_of(dock, points, pace, qtbot) == [(1, 0), (1, 2)]


def test_a_click_on_the_next_object_after_the_result_was_kept(busy, qtbot):
    dock, points, pace = busy
    dock.controller.commit()
    points.add((0, 20, 20))
    assert frames_of(dock, points, pace, qtbot) == [(2, 0)]


def test_a_click_after_all_was_cleared(busy, qtbot):
    dock, points, pace = busy
    dock.controller.clear()
    points.add((1, 20, 21))
    assert (1, 1) in frames_of(dock, points, pace, qtbot)


def test_a_click_that_is_deleted_after_an_undo_that_was_not_heard_yet(busy, qtbot):
    dock, points, pace = busy
    points.add((0, 20, 20))
    dock.controller.undo()
    points.selected_data = {0}
    points.remove_selected()
    assert frames_of(dock, points, pace, qtbot) == [(1, 4)]


def test_a_painted_mask_after_an_undo_that_was_not_heard_yet(busy, qtbot):
    dock, points, pace = busy
    do = dock.controller
    do.choose_preview(False)
    do.undo()
    do.use_tool("mask")
    paint(do.workspace.output_layer, 0, SQUARE, 1)
    wait_for(qtbot, lambda: (1, 0) in do.workspace.book.groups)
    pace.go()
    wait_for(qtbot, lambda: settled(dock))
    do.client.flush()
    assert (do.workspace.output_layer.data[0] == 1)[SQUARE].all(), (
        "it is seen although nothing was asked of the network"
    )
    do.segment_frame()
    do.go_to_frame(0)
    do.segment_frame()
    assert frames_of(dock, points, pace, qtbot) == [(1, 0), (1, 2)]

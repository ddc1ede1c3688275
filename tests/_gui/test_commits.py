"""Keeping results: after the run that goes on, and taken back whole by one undo."""

from __future__ import annotations

import numpy as np
import pytest
from face import IMAGES, Pace, running

from napari_medsam2.engine.events import FinishReason, RunState

N_FRAMES = len(IMAGES)


@pytest.fixture
def pace():
    return Pace()


@pytest.fixture
def viewer(make_napari_viewer):
    return make_napari_viewer()


@pytest.fixture
def dock(viewer, pace, qtbot):
    """A dock with a click on a disc that moves, in a stack."""
    viewer.add_image(IMAGES, name="scan")
    dock = running(viewer, pace)
    dock.controller.choose_mode("stack")
    wait_for(qtbot, lambda: dock.prompt.tools["point"].isEnabled())
    dock.prompt.tools["point"].click()
    viewer.layers["scan points"].add((2, 20, 22))
    wait_for(qtbot, lambda: dock.review.commit.isEnabled())
    yield dock
    pace.go()
    dock.close_dock(timeout=10.0)


def wait_for(qtbot, until):
    qtbot.waitUntil(until, timeout=30_000)


def find(dock, qtbot):
    dock.footer.main.click()
    wait_for(qtbot, lambda: dock.controller.state.status.finish_reason is FinishReason.DONE)
    dock.controller.client.flush()


def shown(viewer, name="scan segmentation"):
    return viewer.layers[name].data.copy()


def test_what_was_kept_is_taken_out_of_the_kept_layer_by_one_undo_and_put_back_by_redo(viewer, dock, qtbot):
    do = dock.controller
    find(dock, qtbot)
    do.objects.call(1, name="cell", colour="#00ff00")
    result = shown(viewer)
    dock.review.commit.click()
    wait_for(qtbot, lambda: not do.state.has_results)
    kept = viewer.layers["scan kept"]
    np.testing.assert_array_equal(kept.data, result)
    assert do.state.current == 2 and kept.features.set_index("index")["name"][1] == "cell"
    dock.review.undo.click()
    wait_for(qtbot, lambda: do.state.has_results)
    assert not kept.data.any() and do.state.current == 1 and len(kept.features) == 0
    np.testing.assert_array_equal(shown(viewer), result)
    assert [row.title for row in do.state.rows] == ["cell"]
    dock.review.redo.click()
    wait_for(qtbot, lambda: not do.state.has_results)
    np.testing.assert_array_equal(kept.data, result)
    assert do.state.current == 2 and kept.features.set_index("index")["name"][1] == "cell"


def test_undo_takes_out_what_was_kept_last_and_not_what_was_painted_there_since(viewer, dock, qtbot):
    do = dock.controller
    dock.review.commit.click()
    wait_for(qtbot, lambda: not do.state.has_results)
    first = shown(viewer, "scan kept")
    viewer.layers["scan points"].add((4, 20, 24))
    wait_for(qtbot, lambda: dock.review.commit.isEnabled())
    dock.review.commit.click()
    wait_for(qtbot, lambda: not do.state.has_results)
    kept = viewer.layers["scan kept"]
    assert set(np.unique(kept.data)) == {0, 1, 2}
    kept.data[4, 20, 24] = 7
    dock.review.undo.click()
    wait_for(qtbot, lambda: do.state.has_results)
    first[4, 20, 24] = 7
    np.testing.assert_array_equal(kept.data, first)


def test_what_was_kept_in_a_layer_of_the_users_is_what_it_was_after_an_undo(viewer, dock, qtbot):
    do = dock.controller
    theirs = viewer.add_labels(np.full(IMAGES.shape, 9, np.uint8), name="theirs")
    theirs.data[:, 15:] = 0
    do.choose_output(theirs, keep=True)
    find(dock, qtbot)
    both = theirs.data.copy()
    dock.review.commit.click()
    wait_for(qtbot, lambda: not do.state.has_results)
    np.testing.assert_array_equal(theirs.data, both)
    dock.review.undo.click()
    wait_for(qtbot, lambda: do.state.has_results)
    do.client.flush()
    np.testing.assert_array_equal(theirs.data, both)
    dock.review.undo.click()
    wait_for(qtbot, lambda: len(do.workspace.results.results) == 1)
    do.client.flush()
    assert set(np.unique(theirs.data[0])) == {0, 9}, "results that are undone leave it"


def test_what_is_kept_while_a_run_goes_on_is_kept_when_it_has_ended(viewer, dock, qtbot, pace):
    do = dock.controller
    pace.hold(1)
    dock.footer.main.click()
    wait_for(qtbot, lambda: do.state.status.state is RunState.RUNNING)
    dock.review.commit.click()
    assert dock.review.commit.text() == "Kept at the end of the run (C: not)" and "scan kept" not in viewer.layers
    pace.go()
    wait_for(qtbot, lambda: "scan kept" in viewer.layers)
    assert all(viewer.layers["scan kept"].data[t].any() for t in range(N_FRAMES))
    wait_for(qtbot, lambda: not do.state.has_results)
    assert dock.review.commit.text() == "Keep and start next object (C)"


@pytest.mark.parametrize("how", ["C again", "cancel"])
def test_nothing_is_kept_if_that_is_taken_back_or_the_run_is_cancelled(viewer, dock, qtbot, pace, how):
    do = dock.controller
    pace.hold(1)
    dock.footer.main.click()
    wait_for(qtbot, lambda: do.state.status.state is RunState.RUNNING)
    dock.review.commit.click()
    if how == "cancel":
        dock.footer.cancel.click()
    else:
        dock.review.commit.click()
        assert "Nothing is kept" in do.state.note
    pace.go()
    wait_for(qtbot, lambda: not do.state.running)
    dock.controller.client.flush()
    assert "scan kept" not in viewer.layers and do.state.has_results and not do.state.keeps_at_end

"""The foot of the dock, through a real viewer and a real engine: one button, and progress in slices of the image."""

from __future__ import annotations

import re

import numpy as np
import pytest
from face import Pace, running, settled
from fakes import moving_disc
from qtpy.QtCore import Qt

from napari_medsam2.engine.events import FinishReason, RunState

N = 12


def wait_for(qtbot, until):
    qtbot.waitUntil(until, timeout=30_000)


@pytest.fixture
def viewer(make_napari_viewer):
    return make_napari_viewer()


@pytest.fixture
def two(viewer, qtbot):
    """A dock on two discs that move, one above the other, each with a click; yields it with what paces its model."""
    images, _ = moving_disc(N)
    viewer.add_image(np.concatenate([images[:, 10:54], images[:, 10:54]], axis=1), name="scan")
    pace = Pace()
    dock = running(viewer, pace)
    dock.controller.choose_mode("stack")
    dock.prompt.tools["point"].click()
    points = viewer.layers.selection.active
    points.add((3, 22, 21))
    dock.objects.new.click()
    points.add((3, 66, 21))
    wait_for(qtbot, lambda: len(dock.controller.workspace.results.results) == 2 and settled(dock))
    yield dock, pace
    pace.go()
    dock.close_dock(timeout=10.0)


def words(dock) -> str:
    return dock.footer.progress.format()


def test_the_button_says_what_it_does_now_and_does_that(two, qtbot):
    dock, pace = two
    main, cancel = dock.footer.main, dock.footer.cancel
    assert main.text().startswith(f"Find on all {N} slices") and main.isEnabled() and not cancel.isEnabled()
    pace.hold(4)
    main.click()
    wait_for(qtbot, lambda: main.text().startswith("Pause"))
    assert cancel.isEnabled()
    main.click()
    pace.go()
    wait_for(qtbot, lambda: main.text().startswith("Resume") and "paused" in words(dock))
    main.click()
    wait_for(qtbot, lambda: dock.controller.state.status.finish_reason is FinishReason.DONE and settled(dock))
    assert main.text().startswith("Find on all") and not cancel.isEnabled()


def test_a_double_click_does_not_pause_what_it_began(two, qtbot):
    dock, pace = two
    pace.hold(0)
    qtbot.mouseClick(dock.footer.main, Qt.MouseButton.LeftButton)
    wait_for(qtbot, lambda: dock.controller.state.status.state is RunState.RUNNING)
    wait_for(qtbot, lambda: dock.footer.main.text().startswith("Pause"))
    qtbot.mouseDClick(dock.footer.main, Qt.MouseButton.LeftButton)
    pace.go()
    wait_for(qtbot, lambda: dock.controller.state.status.finish_reason is FinishReason.DONE)


def test_progress_counts_slices_whatever_the_number_of_objects(two, qtbot):
    dock, _ = two
    seen = set()
    dock.controller.store.changed.connect(lambda: seen.add(words(dock)))
    assert words(dock) == f"1 of {N} slices"
    dock.footer.main.click()
    wait_for(qtbot, lambda: dock.controller.state.status.finish_reason is FinishReason.DONE and settled(dock))
    assert words(dock) == f"{N} of {N} slices, done"
    counts = [re.match(r"(\d+) of (\d+) slices", text) for text in seen]
    assert all(found and int(found[1]) <= int(found[2]) == N for found in counts), seen
    assert dock.controller.state.status.total > N, "steps are more than slices"


def test_after_undo_and_after_a_correction_nothing_says_done(two, viewer, qtbot):
    dock, _ = two
    dock.footer.main.click()
    wait_for(qtbot, lambda: words(dock).endswith("done"))
    viewer.layers["scan points"].add((8, 30, 21))
    wait_for(qtbot, lambda: settled(dock) and not words(dock).endswith("done"))
    assert 1 < dock.controller.state.done < N, "what the click cannot change is up to date"
    dock.review.undo.click()
    wait_for(qtbot, lambda: settled(dock) and words(dock).endswith("done"))
    dock.review.undo.click()
    wait_for(qtbot, lambda: settled(dock) and words(dock) == f"1 of {N} slices")
    assert dock.footer.progress.value() == 1 and dock.footer.progress.maximum() == N


def test_another_image_begins_at_nothing(two, viewer, qtbot):
    dock, _ = two
    dock.footer.main.click()
    wait_for(qtbot, lambda: words(dock).endswith("done"))
    other = viewer.add_image(moving_disc(5)[0], name="other")
    dock.controller.choose_image(other)
    assert words(dock) == "" and dock.footer.progress.value() <= 0
    wait_for(qtbot, lambda: settled(dock))
    assert words(dock) == "" and dock.footer.progress.value() <= 0

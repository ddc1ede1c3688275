"""The table of objects through a real viewer and a real engine: choose, name, colour, hide, remove, merge, split."""

from __future__ import annotations

import numpy as np
import pytest
from face import Pace, running
from qtpy.QtCore import QEvent, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from two_discs import LEFT, RIGHT

from napari_medsam2._gui.panels.object_model import NAME, SHOWN
from napari_medsam2.engine.events import FinishReason, RunState

N_FRAMES = 6
IMAGES = np.where(LEFT | RIGHT, 204, 25).astype(np.uint8)[None].repeat(N_FRAMES, axis=0)


@pytest.fixture
def pace():
    return Pace()


@pytest.fixture
def dock(make_napari_viewer, pace):
    """A dock on images of two discs."""
    viewer = make_napari_viewer()
    viewer.add_image(IMAGES, name="scan")
    dock = running(viewer, pace)
    dock.viewer = viewer
    dock.controller.choose_mode("stack")
    yield dock
    pace.go()
    dock.close_dock(timeout=10.0)


def wait_for(qtbot, until):
    qtbot.waitUntil(until, timeout=30_000)


def rows(dock):
    """What the table shows."""
    return [(row.number, row.title, row.prompts, row.done) for row in dock.objects.model.rows]


def labels(dock):
    dock.controller.client.flush()
    return dock.viewer.layers["scan segmentation"].data


def click_on(dock, qtbot, x, frame=1):
    """A green click on one of the discs, and its preview."""
    do = dock.controller
    before = len(do.workspace.results.results)
    dock.prompt.tools["point"].click()
    dock.viewer.layers["scan points"].add((frame, 30, x))
    wait_for(qtbot, lambda: len(do.workspace.results.results) > before)


def find(dock, qtbot):
    dock.footer.main.click()
    wait_for(qtbot, lambda: dock.controller.state.status.finish_reason is FinishReason.DONE)
    dock.controller.client.flush()


@pytest.fixture
def two(dock, qtbot):
    """An object on each of the discs, found on all frames."""
    click_on(dock, qtbot, 16)
    dock.objects.new.click()
    click_on(dock, qtbot, 46)
    find(dock, qtbot)
    return dock


@pytest.fixture
def one(dock, qtbot):
    """Both discs as one object, found on all frames."""
    dock.prompt.tools["box"].click()
    corners = [(1, 5, 5), (1, 5, 60), (1, 60, 60), (1, 60, 5)]
    dock.viewer.layers["scan boxes"].add(np.array(corners, float), shape_type="rectangle")
    wait_for(qtbot, lambda: dock.controller.state.has_results)
    find(dock, qtbot)
    return dock


def undo(dock, qtbot, until):
    wait_for(qtbot, dock.review.undo.isEnabled)
    dock.review.undo.click()
    wait_for(qtbot, until)


def test_new_object_before_any_prompt_and_after_keeping_starts_with_the_next_number(dock, qtbot):
    dock.objects.new.click()
    dock.controller.next_thing()
    assert rows(dock) == [(1, "Object 1", 0, 0)]
    click_on(dock, qtbot, 16)
    dock.controller.commit()
    wait_for(qtbot, lambda: not dock.controller.state.has_results)
    dock.controller.next_thing()
    dock.objects.new.click()
    assert rows(dock) == [(2, "Object 2", 0, 0)] and dock.controller.state.problem == ""
    click_on(dock, qtbot, 46)
    assert set(np.unique(labels(dock))) == {0, 2}


def test_the_table_says_what_there_is_and_the_chosen_row_gets_the_prompts(two, qtbot):
    assert rows(two) == [(1, "Object 1", 1, N_FRAMES), (2, "Object 2", 1, N_FRAMES)]
    assert all(0.5 < row.confidence <= 1 for row in two.objects.model.rows)
    assert two.controller.state.current == 2
    two.objects.view.selectRow(0)
    assert two.controller.state.current == 1
    click_on_points = two.viewer.layers["scan points"]
    click_on_points.add((3, 30, 16))
    wait_for(qtbot, lambda: rows(two)[0][2] == 2)


def test_a_name_and_a_colour_are_on_the_layer_in_files_and_in_the_session_and_undo_takes_them_back(two, qtbot):
    model, do = two.objects.model, two.controller
    model.setData(model.index(1, NAME), "  Zellkern\n核 ", Qt.ItemDataRole.EditRole)
    two.objects.colour_requested.emit(2, "#FF00FF")
    layer = two.viewer.layers["scan segmentation"]
    wait_for(qtbot, lambda: [known.colour for known in do.engine.session.called.values()] == ["#ff00ff"])
    assert rows(two)[1][1] == "Zellkern 核" and model.rows[1].colour == "#ff00ff"
    two.controller.client.flush()
    np.testing.assert_allclose(layer.colormap.map(2), (1, 0, 1, 1))
    assert layer.features.set_index("index")["name"][2] == "Zellkern 核"
    np.testing.assert_allclose(two.viewer.layers["scan points"].border_color[1], (1, 0, 1, 1))
    two.viewer.layers["scan points"].add((4, 30, 46))
    np.testing.assert_allclose(two.viewer.layers["scan points"].border_color[2], (1, 0, 1, 1))
    undo(two, qtbot, lambda: not [p for p in do.engine.session.prompts if p.frame == 4])
    undo(two, qtbot, lambda: model.rows[1].colour != "#ff00ff")
    assert rows(two)[1][1] == "Zellkern 核"
    undo(two, qtbot, lambda: rows(two)[1][1] == "Object 2")


def test_names_that_are_none_are_told_and_equal_ones_are_allowed(two):
    model, do = two.objects.model, two.controller
    model.setData(model.index(0, NAME), "x" * 5000, Qt.ItemDataRole.EditRole)
    assert "100 letters" in do.state.problem and rows(two)[0][1] == "Object 1"
    for place in (0, 1):
        model.setData(model.index(place, NAME), "cell", Qt.ItemDataRole.EditRole)
    assert [row[1] for row in rows(two)] == ["cell", "cell"] and "Another object is called cell" in do.state.note
    model.setData(model.index(0, NAME), "", Qt.ItemDataRole.EditRole)
    assert rows(two)[0][1] == "Object 1"


def test_a_hidden_object_is_not_seen_and_nothing_of_it_is_lost(two):
    model, layer = two.objects.model, two.viewer.layers["scan segmentation"]
    before = labels(two).copy()
    model.setData(model.index(0, SHOWN), 0, Qt.ItemDataRole.CheckStateRole)
    assert layer.colormap.map(1)[3] == 0 < layer.colormap.map(2)[3]
    np.testing.assert_array_equal(labels(two), before)
    model.setData(model.index(0, SHOWN), 2, Qt.ItemDataRole.CheckStateRole)
    assert layer.colormap.map(1)[3] == 1


def test_an_object_is_removed_with_its_prompts_and_one_undo_brings_it_back(two, qtbot):
    before = labels(two).copy()
    two.objects.view.selectRow(0)
    two.objects.delete.click()
    wait_for(qtbot, lambda: len(rows(two)) == 1)
    assert rows(two)[0][0] == 2 == two.controller.state.current
    assert set(np.unique(labels(two))) == {0, 2} and len(two.viewer.layers["scan points"].data) == 1
    undo(two, qtbot, lambda: len(rows(two)) == 2)
    np.testing.assert_array_equal(labels(two), before)
    two.objects.view.selectAll()
    two.objects.delete.click()
    wait_for(qtbot, lambda: not labels(two).any())
    assert rows(two) == [(1, "Object 1", 0, 0)]
    undo(two, qtbot, lambda: len(rows(two)) == 2)
    np.testing.assert_array_equal(labels(two), before)


def test_objects_are_merged_and_taken_apart_again(two, qtbot):
    before = labels(two).copy()
    assert not two.objects.merge.isEnabled()
    two.objects.view.selectAll()
    two.objects.merge.click()
    wait_for(qtbot, lambda: len(rows(two)) == 1)
    into = two.controller.state.current
    np.testing.assert_array_equal(labels(two), np.where(before > 0, into, 0))
    undo(two, qtbot, lambda: len(rows(two)) == 2)
    np.testing.assert_array_equal(labels(two), before)


def test_an_object_in_parts_is_split_on_all_slices_or_on_one(one, qtbot):
    before = labels(one).copy()
    assert one.objects.split.isEnabled()
    one.objects.split_requested.emit(1, True)
    wait_for(qtbot, lambda: len(rows(one)) == 2)
    np.testing.assert_array_equal(labels(one)[4], np.where(LEFT, 1, 0) + np.where(RIGHT, 2, 0))
    assert "Split into 2 objects" in one.message.text()
    undo(one, qtbot, lambda: len(rows(one)) == 1)
    np.testing.assert_array_equal(labels(one), before)
    one.controller.go_to_frame(3)
    one.objects.split_requested.emit(1, False)
    wait_for(qtbot, lambda: len(rows(one)) == 2)
    assert set(np.unique(labels(one)[3])) == {0, 1, 2} and set(np.unique(labels(one)[0])) == {0, 1}
    find(one, qtbot)
    np.testing.assert_array_equal(labels(one)[0], np.where(LEFT, 1, 0) + np.where(RIGHT, 2, 0))


def test_what_is_in_one_piece_is_not_offered_to_be_split_and_refused_in_words(two, qtbot):
    two.controller.go_to_frame(1)
    assert not two.controller.state.in_parts
    two.objects.split_requested.emit(1, False)
    wait_for(qtbot, lambda: "in one piece" in two.controller.state.problem)
    assert len(rows(two)) == 2


def test_an_object_is_removed_while_it_runs_and_the_run_goes_on(dock, qtbot, pace):
    click_on(dock, qtbot, 16)
    dock.objects.new.click()
    click_on(dock, qtbot, 46)
    pace.hold(1)
    dock.footer.main.click()
    wait_for(qtbot, lambda: dock.controller.state.status.state is RunState.RUNNING)
    dock.objects.view.selectRow(1)
    dock.objects.delete.click()
    pace.go()
    wait_for(qtbot, lambda: dock.controller.state.status.finish_reason is FinishReason.DONE)
    assert rows(dock) == [(1, "Object 1", 1, N_FRAMES)] and set(np.unique(labels(dock))) == {0, 1}


def test_numbers_that_labels_cannot_hold_are_refused_before_anything_is_split(one, qtbot):
    theirs = one.viewer.add_labels(np.zeros(IMAGES.shape, np.uint8), name="theirs")
    one.controller.choose_output(theirs, keep=True)
    one.controller.store.put(next_object=256)
    one.objects.split_requested.emit(1, True)
    wait_for(qtbot, lambda: "hold numbers up to 255 only" in one.controller.state.problem)
    assert len(rows(one)) == 1


def test_each_object_has_a_row_under_the_strip_and_a_click_goes_there(two, qtbot):
    strips = two.footer.objects
    assert strips.isVisibleTo(two) and two.controller.state.current == 2
    left = Qt.MouseButton.LeftButton
    at = QPointF(1, 2)
    press = QMouseEvent(QEvent.Type.MouseButtonPress, at, at, left, left, Qt.KeyboardModifier.NoModifier)
    strips.mousePressEvent(press)
    assert two.controller.state.current == 1 and two.controller.state.frame == 0


def test_names_and_colours_come_back_after_a_crash(two, qtbot):
    model, do = two.objects.model, two.controller
    model.setData(model.index(0, NAME), "left", Qt.ItemDataRole.EditRole)
    two.objects.colour_requested.emit(2, "#00ff00")
    do.commit()
    wait_for(qtbot, lambda: not do.state.has_results)
    click_on(two, qtbot, 16)
    model.setData(model.index(0, NAME), "again", Qt.ItemDataRole.EditRole)
    wait_for(qtbot, lambda: do.engine.session.called.get(3) is not None)
    kept = two.viewer.layers["scan kept"]
    assert kept.features.set_index("index")["name"][1] == "left"
    np.testing.assert_allclose(kept.colormap.map(2), (0, 1, 0, 1))
    two.close_dock(timeout=10.0)
    two.viewer.layers.clear()
    two.viewer.add_image(IMAGES, name="scan")
    later = running(two.viewer)
    try:
        wait_for(qtbot, lambda: later.controller.state.recovery is not None)
        later.recovery.restore.click()
        wait_for(qtbot, lambda: rows(later)[0][1] == "again")
        kept = two.viewer.layers["scan kept"]
        assert kept.features.set_index("index")["name"][1] == "left"
        np.testing.assert_allclose(kept.colormap.map(2), (0, 1, 0, 1))
    finally:
        later.close_dock(timeout=10.0)

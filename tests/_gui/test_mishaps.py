"""What goes wrong around a run: layers that vanish, choices that change, odd layers. Nothing is lost, all is said."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import tifffile
from face import draw_box, running
from face import mocked as mocked_dock
from fakes import moving_disc
from napari.components import ViewerModel

from napari_medsam2.engine.events import (
    Finished,
    FinishReason,
    Restored,
    ResultReady,
    RunState,
    RunStatus,
    StatusChanged,
)
from napari_medsam2.engine.requests import RequestKind
from napari_medsam2.prompts import PointPrompt
from napari_medsam2.results import FrameResult

IMAGES, TRUTH = moving_disc(6, (40, 60))


@pytest.fixture
def viewer():
    viewer = ViewerModel()
    viewer.add_image(IMAGES, name="scan")
    return viewer


@pytest.fixture
def start(viewer, qtbot):
    docks = []

    def make():
        dock, engine, send = mocked_dock(viewer)
        qtbot.addWidget(dock)
        docks.append(dock)
        dock.controller.choose_mode("stack")
        return dock, engine, send

    yield make
    for dock in docks:
        dock.close_dock()


@pytest.fixture
def clicked(viewer, start):
    dock, engine, send = start()
    dock.prompt.tools["point"].click()
    viewer.layers["scan points"].add((2, 20, 22))
    return dock, engine, send


def answer(frame, number=1, *, generation=0, prompted=False):
    result = FrameResult(frame, number, TRUTH[frame], 0.9, 0.9, 1.0, prompted, 0.01)
    return ResultReady(1, generation, result, RequestKind.PROPAGATE)


def deliver(qtbot, send, *events):
    for event in events:
        send(event)
    qtbot.wait(150)  # the labels are redrawn ten times a second


def paint(layer, frame, where, label):
    y, x = np.nonzero(where)
    layer.data_setitem((np.full(len(y), frame), y, x), label)


SQUARE = np.zeros((40, 60), bool)
SQUARE[:8, :8] = True


# ---- layers that vanish ----------------------------------------------------------------------------------------------


def test_results_of_an_image_that_was_left_are_not_shown_on_the_next(make_napari_viewer, qtbot):
    viewer = make_napari_viewer()
    viewer.add_image(IMAGES[:, :30, :50].copy(), name="other")
    viewer.add_image(moving_disc(40)[0], name="scan")
    dock = running(viewer, seconds=0.02)
    do = dock.controller
    do.choose_image(viewer.layers["scan"])
    do.choose_mode("stack")
    do.use_tool("point")
    viewer.layers.selection.active.add((1, 32, 22))
    do.propagate()
    qtbot.waitUntil(lambda: do.state.status.done > 3, timeout=20_000)
    do.choose_image(viewer.layers["other"])
    qtbot.wait(400)
    assert not do.state.has_results and do.state.problem == do.state.note == ""
    qtbot.waitUntil(lambda: do.engine.status.state is RunState.IDLE, timeout=20_000)
    dock.close_dock(timeout=10.0)


def test_all_lives_on_when_one_comes_back_to_the_image(viewer, start, qtbot):
    dock, engine, send = start()
    do = dock.controller
    do.use_tool("point")
    viewer.layers["scan points"].add((2, 20, 22))
    do.new_object()
    do.use_tool("box")
    draw_box(viewer.layers["scan boxes"], 1, 5, 5, 9, 9)
    deliver(qtbot, send, answer(2, prompted=True), answer(3))
    do.use_tool("mask")
    paint(viewer.layers["scan segmentation"], 4, SQUARE, 2)
    qtbot.wait(150)
    labels = viewer.layers["scan segmentation"].data.copy()
    assert (labels[4] == 2).sum() == 64

    other = viewer.add_image(IMAGES, name="other")
    do.choose_image(other)
    assert not do.state.has_prompts and not do.state.has_results
    viewer.layers["scan points"].add((3, 20, 22))
    engine.reset_mock()
    do.choose_image(viewer.layers["scan"])
    assert do.state.mode == "stack" and do.state.current == 2 and do.state.objects == (1, 2)
    assert do.state.has_results and dock.image.picker.layer is viewer.layers["scan"]
    engine.open.assert_not_called()
    do.propagate()
    sent = {(call.args[0], call.args[1]) for call in engine.replace_prompts.call_args_list}
    assert sent == {(1, 2), (2, 1), (2, 3), (2, 4)}, "what was drawn meanwhile too"
    assert len(list(engine.take_results.call_args.args[0])) == 3
    np.testing.assert_array_equal(viewer.layers["scan segmentation"].data, labels)
    viewer.layers["scan boxes"].add(np.array([(0, 1, 1), (0, 1, 9), (0, 9, 9), (0, 9, 1)]), shape_type="rectangle")
    assert engine.replace_prompts.call_args.args[:2] == (2, 0)
    ours = {"scan", "scan points", "scan boxes", "scan segmentation"}
    assert {layer.name for layer in viewer.layers} == {*ours, "other"}, "nothing is made twice"


def test_new_pixels_keep_prompts_labels_and_the_tool(viewer, clicked, qtbot):
    dock, engine, send = clicked
    deliver(qtbot, send, answer(2, prompted=True), answer(3))
    before = {layer.name for layer in viewer.layers}
    for _ in range(2):
        viewer.layers["scan"].data = IMAGES.copy()
    assert dock.controller.state.has_prompts and dock.controller.state.tool == "point"
    viewer.layers["scan points"].add((4, 20, 22))
    assert engine.replace_prompts.call_args.args[:2] == (1, 4)
    assert {layer.name for layer in viewer.layers} == before
    viewer.layers["scan"].data = IMAGES[:3].copy()
    assert not dock.controller.state.has_prompts, "another shape is another sequence"


def test_an_image_that_was_left_is_forgotten_when_it_is_removed(viewer, clicked):
    dock, _, _ = clicked
    do, scan = dock.controller, viewer.layers["scan"]
    other = viewer.add_image(IMAGES, name="other")
    do.choose_image(other)
    viewer.layers.remove(scan)
    viewer.layers.append(scan)
    do.choose_image(scan)
    assert not do.state.has_prompts


def test_the_next_object_has_a_number_that_was_not_kept(viewer, clicked, qtbot):
    dock, _, send = clicked
    do = dock.controller
    deliver(qtbot, send, answer(2, prompted=True))
    do.commit()
    deliver(qtbot, send, Restored(2, 0, True, (), {}, RequestKind.RESET))
    viewer.layers["scan"].name = "renamed"
    do.choose_image(viewer.add_image(IMAGES, name="other"))
    do.choose_image(viewer.layers["renamed"])
    assert do.state.current == 2 and do.keeping.kept_layer(do.workspace) is viewer.layers["scan kept"]


def test_following_a_slider_opens_nothing_twice(viewer, start):
    dock, engine, _ = start()
    do = dock.controller
    viewer.layers.remove("scan")
    movie = viewer.add_image(np.stack([IMAGES, IMAGES]), name="movie")
    do.choose_image(movie)
    viewer.dims.set_point(0, 0)
    do.use_tool("box")
    boxes = viewer.layers["movie boxes"]
    engine.reset_mock()
    viewer.dims.set_point(0, 1)
    assert do.workspace.sequence.layout.fixed == ((0, 1),)
    assert engine.close_sequence.call_count == 1
    assert do.state.tool == "box" and do.workspace.tools.boxes is boxes
    boxes.add(np.array([(1, 2, 1, 1), (1, 2, 1, 9), (1, 2, 9, 9), (1, 2, 9, 1)]), shape_type="rectangle")
    assert engine.replace_prompts.call_args.args[:2] == (1, 2), "what is drawn with the tool in hand counts"
    dock.close_dock()
    assert not [key for key in boxes.keymap if "Shift" in str(key)] and len(boxes.events.data.callbacks) == len(
        viewer.add_shapes(ndim=4).events.data.callbacks
    )


@pytest.mark.parametrize("change", ["model", "mode", "contrast"])
def test_labels_stay_through_a_change_of_model_mode_or_contrast_and_undo_after_it(make_napari_viewer, qtbot, change):
    viewer = make_napari_viewer()
    viewer.add_image(moving_disc(6)[0], name="scan")
    dock = running(viewer)
    do = dock.controller

    def idle():
        qtbot.waitUntil(lambda: do.engine.status.state is RunState.IDLE and not do.engine.n_waiting, timeout=20_000)
        qtbot.wait(200)  # the labels are redrawn ten times a second
        return viewer.layers["scan segmentation"].data.copy()

    do.choose_mode("stack")
    do.use_tool("point")
    viewer.layers.selection.active.add((1, 32, 22))
    do.propagate()
    qtbot.waitUntil(lambda: do.state.status.done == 6, timeout=20_000)
    found = idle()
    assert all(slice_.any() for slice_ in found)
    if change == "model":
        do.choose_model("micro", "cpu")
    elif change == "mode":
        do.choose_mode("flow")
    else:
        do.choose_contrast(True)
    np.testing.assert_array_equal(idle(), found)
    do.undo()
    np.testing.assert_array_equal(idle(), found, "there is nothing to undo yet")
    assert do.state.note == "Nothing to undo."
    do.redo()
    do.segment_frame()
    do.propagate()
    qtbot.waitUntil(lambda: do.engine.status.finish_reason is FinishReason.DONE, timeout=20_000)
    idle()
    for _ in range(9):
        do.undo()
    np.testing.assert_array_equal(idle(), found, "as it was before the first run with the new settings")
    assert do.workspace.book.objects
    dock.close_dock(timeout=10.0)


@pytest.mark.parametrize("another", [False, True])
def test_an_image_removed_during_a_run_stops_it_and_this_is_said(viewer, clicked, qtbot, another):
    dock, _, send = clicked
    if another:
        viewer.add_image(IMAGES, name="another")
    deliver(qtbot, send, answer(0), StatusChanged(RunStatus(RunState.RUNNING, 1, 5)))
    viewer.layers.remove("scan")
    deliver(qtbot, send, Finished(1, 0, FinishReason.CANCELLED))
    assert "'scan' was removed, so the run was stopped" in dock.message.text()
    assert viewer.layers["scan segmentation"].data.any(), "its labels stay"


def test_a_removed_segmentation_stays_away_until_the_next_action_and_is_whole_then(viewer, clicked, qtbot):
    dock, _, send = clicked
    deliver(qtbot, send, answer(0), answer(1), StatusChanged(RunStatus(RunState.RUNNING, 2, 5)))
    viewer.layers.remove("scan segmentation")
    deliver(qtbot, send, answer(2, prompted=True), Finished(1, 0, FinishReason.CANCELLED))
    assert "so the run was stopped" in dock.message.text() and "scan segmentation" not in viewer.layers
    dock.run.segment.click()
    deliver(qtbot, send, answer(2, prompted=True))
    np.testing.assert_array_equal(viewer.layers["scan segmentation"].data[:3] == 1, TRUTH[:3])


def test_a_deleted_prompt_takes_its_preview_with_it_and_a_removed_layer_takes_nothing(viewer, clicked, qtbot):
    _, _, send = clicked
    deliver(qtbot, send, answer(2, prompted=True))
    points, labels = viewer.layers["scan points"], viewer.layers["scan segmentation"]
    points.selected_data = {0}
    points.remove_selected()
    deliver(qtbot, send, answer(2, prompted=True))  # was on its way
    assert not labels.data.any()
    points.add((2, 20, 22))
    deliver(qtbot, send, answer(2, prompted=True))
    viewer.layers.remove(points)
    qtbot.wait(150)
    assert labels.data.any()


# ---- choices ---------------------------------------------------------------------------------------------------------


def test_moving_a_fixed_axis_keeps_what_was_chosen(viewer, start, qtbot):
    viewer.layers.clear()
    viewer.add_image(np.stack([IMAGES, IMAGES]), name="scans")
    viewer.add_labels(np.zeros((2, *IMAGES.shape), np.uint8), name="mine")
    dock, _, _ = start()
    dock.image.flow.click()
    dock.output.output.setCurrentIndex(1)
    dock.output.output.activated.emit(1)
    viewer.dims.set_current_step(0, 1 - viewer.dims.current_step[0])
    assert dock.image.flow.isChecked() and "as you chose" in dock.image.words.text()
    assert dock.output.output.currentText() == "mine"
    assert dock.controller.workspace.output_layer is viewer.layers["mine"]


def test_the_output_list_shows_the_layer_in_use(viewer, start, qtbot):
    viewer.add_labels(np.zeros(IMAGES.shape, np.uint8), name="mine")
    viewer.add_labels(np.zeros((3, 3, 3), np.uint8), name="small")
    dock, _, _ = start()
    for number, name in ((1, "mine"), (2, "small")):
        dock.output.output.setCurrentIndex(number)
        assert dock.output.output.currentText() == name
        dock.output.output.activated.emit(number)
    assert "'small' has the shape" in dock.message.text() and dock.output.output.currentText() == "mine"


# ---- layers of the user's --------------------------------------------------------------------------------------------


def test_what_the_user_paints_over_his_own_labels_stays(viewer, start, qtbot):
    data = np.zeros(IMAGES.shape, np.uint8)
    data[:, SQUARE] = 9
    mine = viewer.add_labels(data, name="mine")
    dock, _, send = start()
    dock.controller.choose_output(mine, keep=True)
    dock.prompt.tools["point"].click()
    viewer.layers["scan points"].add((2, 20, 22))
    deliver(qtbot, send, *(answer(t) for t in range(6)))
    assert (data[:, SQUARE] == 9).all() and (data[3] == 1).sum() == TRUTH[3].sum()
    viewer.dims.set_current_step(0, 3)
    paint(mine, 3, SQUARE, 0)
    viewer.dims.set_current_step(0, 4)
    paint(mine, 4, SQUARE, 1)
    qtbot.wait(100)
    deliver(qtbot, send, answer(3))
    assert not data[3, SQUARE].any() and (data[4, SQUARE] == 1).all() and (data[5, SQUARE] == 9).all()


def test_one_layer_may_be_prompt_and_output(viewer, start, qtbot):
    data = np.zeros(IMAGES.shape, np.uint8)
    data[2][TRUTH[2]] = 1
    mine = viewer.add_labels(data, name="mine")
    dock, engine, send = start()
    dock.controller.choose_output(mine, keep=True)
    dock.controller.adopt_layer(mine)
    deliver(qtbot, send, *(answer(t, prompted=t == 2) for t in range(6)))
    engine.reset_mock()
    viewer.dims.set_current_step(0, 4)
    paint(mine, 4, SQUARE, 1)
    qtbot.waitUntil(lambda: engine.replace_prompts.called)
    qtbot.wait(50)
    assert [call.args[:2] for call in engine.replace_prompts.call_args_list] == [(1, 4)], "results are no prompts"


def test_a_stroke_says_nothing_about_results_that_are_not_painted_yet(viewer, clicked, qtbot):
    dock, engine, send = clicked
    deliver(qtbot, send, answer(3))
    layer = viewer.layers["scan segmentation"]
    dock.prompt.new_object.click()
    viewer.dims.set_current_step(0, 3)
    dock.prompt.tools["mask"].click()
    engine.reset_mock()
    moved = FrameResult(3, 1, np.roll(TRUTH[3], 2, axis=1), 0.9, 0.9, 1.0, False, 0.01)
    dock.controller.workspace.results.add(moved)
    paint(layer, 3, SQUARE, 2)
    qtbot.waitUntil(lambda: engine.replace_prompts.called)
    assert [call.args[:2] for call in engine.replace_prompts.call_args_list] == [(2, 3)]


def test_strokes_that_have_no_answer_yet_stay_and_can_be_taken_back(viewer, clicked, qtbot):
    dock, engine, send = clicked
    deliver(qtbot, send, answer(2, prompted=True))
    layer = viewer.layers["scan segmentation"]
    dock.prompt.new_object.click()
    viewer.dims.set_current_step(0, 3)
    dock.prompt.tools["mask"].click()
    engine.reset_mock()

    def sent() -> int:
        number, frame, (prompt,) = engine.replace_prompts.call_args.args
        assert (number, frame) == (2, 3)
        return int(prompt.mask.sum())

    paint(layer, 3, SQUARE, 2)
    qtbot.waitUntil(lambda: engine.replace_prompts.called)
    deliver(qtbot, send, answer(3))  # the other object, on the same frame
    assert (layer.data[3][SQUARE] == 2).all()
    paint(layer, 3, np.roll(SQUARE, 50, axis=1), 2)
    qtbot.waitUntil(lambda: sent() == 2 * SQUARE.sum())
    paint(layer, 3, np.roll(SQUARE, 50, axis=1), 0)
    qtbot.waitUntil(lambda: sent() == SQUARE.sum())


def test_a_stroke_over_two_objects_is_one_change(viewer, clicked, qtbot):
    dock, engine, send = clicked
    viewer.layers["scan points"].add((2, 4, 4))
    square = FrameResult(3, 2, SQUARE, 0.9, 0.9, 1.0, False, 0.01)
    deliver(qtbot, send, answer(3), ResultReady(1, 0, square, RequestKind.PROPAGATE))
    layer = viewer.layers["scan segmentation"]
    viewer.dims.set_current_step(0, 3)
    dock.prompt.tools["mask"].click()
    engine.reset_mock()
    rows = np.argwhere(TRUTH[3])[:, 0]
    stroke = np.zeros_like(SQUARE)
    stroke[3 : rows.min() + 2] = True
    paint(layer, 3, stroke, 0)
    qtbot.waitUntil(lambda: engine.replace_prompts.call_count == 2)
    calls = engine.replace_prompts.call_args_list
    assert [call.args[:2] for call in calls] == [(1, 3), (2, 3)]
    assert calls[0].kwargs["together"] is calls[1].kwargs["together"] is not None


def test_features_that_are_no_object_numbers_are_explained(viewer, start, qtbot):
    dock, engine, _ = start()
    odd = viewer.add_points([(2, 8, 8), (2, 9, 20)], features={"object": ["cell", "2"]}, name="odd")
    dock.controller.adopt_layer(odd)
    sent = {call.args[0]: call.args[2] for call in engine.replace_prompts.call_args_list}
    assert sent == {1: (PointPrompt(2, 8, 8),), 2: (PointPrompt(2, 9, 20, object_id=2),)}
    assert "no object's number (1, 2, ...): cell" in dock.message.text()


def test_after_a_first_model_that_cannot_be_loaded_the_prompts_go_to_the_next_one(make_napari_viewer, qtbot):
    viewer = make_napari_viewer()
    viewer.add_image(moving_disc(4)[0], name="scan")
    dock = running(viewer)
    do = dock.controller
    do.engine._load_model, load = refuse, do.engine._load_model
    do.use_tool("point")
    qtbot.waitUntil(lambda: "no such device" in do.state.problem, timeout=20_000)
    do.store.say()
    viewer.layers.selection.active.add((1, 32, 22))
    qtbot.waitUntil(lambda: "no such device" in do.state.problem, timeout=20_000)
    do.engine._load_model = load
    do.choose_model("micro", "cpu")
    do.propagate()
    qtbot.waitUntil(lambda: do.state.status.finish_reason is FinishReason.DONE, timeout=20_000)
    assert len(do.workspace.results.results) == 4
    dock.close_dock(timeout=10.0)


def refuse(name, **_):
    raise ValueError("no such device")


# ---- saving ----------------------------------------------------------------------------------------------------------


def test_an_image_named_like_the_kept_labels_is_not_saved_as_labels(viewer, clicked, qtbot, tmp_path):
    dock, _, send = clicked
    viewer.add_image(np.ones((6, 5, 5)), name="scan kept")
    deliver(qtbot, send, answer(2, prompted=True))
    dock.controller.save(tmp_path / "labels.tif")
    qtbot.waitUntil(lambda: dock.message.text().startswith("Saved"))
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "labels.tif")[2] == 1, TRUTH[2])


def test_what_is_cleared_while_it_is_saved_is_in_the_file(viewer, clicked, qtbot, tmp_path, monkeypatch):
    dock, _, send = clicked
    deliver(qtbot, send, answer(2, prompted=True))
    cleared, write = threading.Event(), tifffile.imwrite

    def wait_and_write(*args, **options):
        assert cleared.wait(10)
        write(*args, **options)

    monkeypatch.setattr(tifffile, "imwrite", wait_and_write)
    dock.controller.save(tmp_path / "labels.tif")
    deliver(qtbot, send, Restored(2, 0, True, (), {}, RequestKind.RESET))
    assert not viewer.layers["scan segmentation"].data.any()
    cleared.set()
    qtbot.waitUntil(lambda: dock.message.text().startswith("Saved"))
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "labels.tif")[2] == 1, TRUTH[2])


def test_a_number_that_the_layer_cannot_hold_loses_no_other_frame(viewer, clicked, qtbot):
    dock, _, send = clicked
    theirs = viewer.add_labels(np.zeros(TRUTH.shape, np.uint8), name="mine")
    assert dock.controller.choose_output(theirs, keep=True)
    deliver(qtbot, send, answer(1, 300), answer(2), answer(3))
    assert "300" in dock.message.text() and not theirs.data[1].any()
    np.testing.assert_array_equal(theirs.data[2:4] == 1, TRUTH[2:4])
    assert dock.controller.choose_output(None, keep=True)
    deliver(qtbot, send, answer(4))
    assert (viewer.layers["scan segmentation"].data[1] == 300).any()


def test_a_save_that_fails_says_so_and_leaves_the_old_file(viewer, clicked, qtbot, tmp_path, monkeypatch):
    dock, _, send = clicked
    file = tmp_path / "labels.tif"
    file.write_text("old")
    deliver(qtbot, send, answer(2, prompted=True))

    def fill_the_disk(path, *args, **options):
        path.write_text("half")
        raise OSError("no space left on device")

    monkeypatch.setattr(tifffile, "imwrite", fill_the_disk)
    dock.controller.save(file)
    qtbot.waitUntil(lambda: "no space left" in dock.message.text())
    assert file.read_text() == "old" and [path.name for path in tmp_path.iterdir()] == ["labels.tif"]

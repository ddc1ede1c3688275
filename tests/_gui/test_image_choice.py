"""Which image: its axes and mode, following the sliders, another image, new pixels, an image that is removed."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
from face import IMAGES, SHAPE, SQUARE, Pace, answer, deliver, draw_box, paint, result, running, settled
from fakes import moving_disc
from npe2 import PluginManager
from PIL import Image as Pixels

from napari_medsam2._gui.layers.sequence import ImageSequence
from napari_medsam2.engine.events import Finished, FinishReason, ResultReady, RunState, RunStatus, StatusChanged
from napari_medsam2.engine.requests import RequestKind


def test_the_axes_are_said_in_words_and_the_guess_is_shown(viewer, stack, mocked, qtbot):
    dock, _, _ = mocked(viewer)
    assert "5 images along axis 0, 40 x 60 pixels" in dock.image.words.text()
    assert "Separate images: neighbours differ" in dock.image.words.text()
    assert dock.image.flow.isChecked()
    dock.image.stack.click()
    assert dock.image.stack.isChecked() and "as you chose" in dock.image.words.text()


def test_a_chosen_axis_gets_the_slider(viewer, stack, mocked, qtbot):
    dock, _, _ = mocked(viewer)
    dock.image.axis_requested.emit(2)
    assert viewer.dims.order == (2, 0, 1)
    assert dock.controller.workspace.sequence.layout.n_frames == 60


def test_turning_the_sliders_turns_the_sequence_until_something_is_drawn(viewer, stack, mocked, qtbot):
    dock, _, _ = mocked(viewer)
    viewer.dims.order = (1, 0, 2)
    assert dock.controller.workspace.sequence.layout.axis == 1
    viewer.dims.order = (0, 1, 2)
    dock.prompt.tools["box"].click()
    draw_box(viewer.layers.selection.active, 1, 5, 5, 20, 20)
    viewer.dims.order = (1, 0, 2)
    assert dock.controller.workspace.sequence.layout.axis == 0


def test_turning_the_sliders_after_a_choice_turns_the_sequence_too(viewer, stack, mocked, qtbot):
    dock, _, _ = mocked(viewer)
    dock.image.axis_requested.emit(2)
    viewer.dims.order = (0, 1, 2)
    assert dock.controller.workspace.sequence.layout.axis == 0


def test_more_axes_stay_where_they_are(viewer, mocked, qtbot):
    viewer.add_image(np.zeros((3, 5, 40, 60)))
    viewer.dims.set_current_step(0, 2)
    dock, _, _ = mocked(viewer)
    assert "axis 0 stays at 2" in dock.image.words.text()
    dock.prompt.tools["point"].click()
    viewer.layers.selection.active.add((2, 1, 5, 5))
    viewer.dims.set_current_step(0, 0)
    assert "another position" in dock.hint.text()


@pytest.mark.parametrize(
    ("data", "kwargs"),
    [
        (np.zeros((40, 60)), {}),
        (np.full(SHAPE, np.nan), {"contrast_limits": (0, 1)}),
        (np.zeros(SHAPE, bool), {}),
        (np.zeros((*SHAPE, 3), np.uint8), {"rgb": True}),
        (da.zeros(SHAPE, chunks=(1, 40, 60)), {"contrast_limits": (0, 1)}),
        ([da.zeros(SHAPE), da.zeros((5, 20, 30))], {"multiscale": True, "contrast_limits": (0, 1)}),
        (-np.ones(SHAPE), {}),
    ],
    ids=["2d", "nan", "bool", "rgb", "dask", "multiscale", "negative"],
)
def test_all_kinds_of_images_are_taken(viewer, mocked, data, kwargs):
    viewer.add_image(data, **kwargs)
    dock, engine, _ = mocked(viewer)
    dock.prompt.tools["box"].click()
    assert dock.controller.state.problem == ""
    assert engine.open.call_args.kwargs["rgb"] is bool(kwargs.get("rgb"))


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


def test_the_network_sees_what_the_user_sees_if_asked_to(viewer, prompted, stack, qtbot):
    dock, engine, _ = prompted
    assert engine.open.call_args.kwargs["contrast"] is None
    dock.model.contrast_requested.emit(True)
    stack.contrast_limits = (20, 90)
    dock.run.segment.click()
    contrast = engine.open.call_args.kwargs["contrast"]
    assert (contrast.low, contrast.high) == ((20,), (90,))


def test_another_image_disarms_the_tool_of_the_last_one(viewer, prompted, qtbot):
    dock, _, _ = prompted
    boxes = viewer.layers["scan boxes"]
    other = viewer.add_image(np.zeros(SHAPE), name="other")
    viewer.layers.selection.active = boxes
    dock.controller.choose_image(other)
    assert boxes.mode == "pan_zoom" and viewer.layers.selection.active is not boxes


def test_an_image_that_was_opened_on_top_is_said_not_to_be_the_one(viewer, prompted):
    dock, _, _ = prompted
    drawn, first = viewer.layers.selection.active, dock.controller.workspace.image
    other = viewer.add_image(np.zeros((4, 20, 30), np.uint8), name="other")
    assert "Another image is selected" in dock.hint.text() and dock.controller.workspace.image is first
    viewer.layers.selection.active = drawn
    assert "Another image" not in dock.hint.text()
    viewer.layers.selection.active = other
    dock.controller.choose_image(other)
    assert "Another image" not in dock.hint.text() and dock.controller.workspace.image is other


def test_renaming_the_image_changes_nothing(viewer, prompted, stack, qtbot):
    dock, engine, _send = prompted
    stack.name = "other"
    assert dock.image.picker.currentText() == "other" and dock.controller.state.has_prompts
    engine.close_sequence.assert_not_called()


def test_replaced_pixels_begin_anew(viewer, prompted, stack, qtbot):
    dock, _, _ = prompted
    stack.data = np.zeros((7, 30, 30), np.uint8)
    assert len(dock.controller.state.columns) == 7 and not dock.controller.state.has_prompts


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


def test_results_of_an_image_that_was_left_are_not_shown_on_the_next(make_napari_viewer, qtbot):
    viewer = make_napari_viewer()
    viewer.add_image(IMAGES[:, :30, :50].copy(), name="other")
    viewer.add_image(moving_disc(40)[0], name="scan")
    pace = Pace()
    dock = running(viewer, pace)
    do = dock.controller
    do.choose_image(viewer.layers["scan"])
    do.choose_mode("stack")
    do.use_tool("point")
    viewer.layers.selection.active.add((1, 32, 22))
    pace.hold(8)
    do.propagate()
    qtbot.waitUntil(lambda: do.state.status.done > 3, timeout=20_000)
    do.choose_image(viewer.layers["other"])
    pace.go()
    qtbot.waitUntil(lambda: settled(dock), timeout=20_000)
    assert not do.state.has_results and do.state.problem == do.state.note == ""
    dock.close_dock(timeout=10.0)


def test_all_lives_on_when_one_comes_back_to_the_image(viewer, start, qtbot):
    dock, engine, send = start()
    do = dock.controller
    do.use_tool("point")
    viewer.layers["scan points"].add((2, 20, 22))
    do.objects.begin()
    do.use_tool("box")
    draw_box(viewer.layers["scan boxes"], 1, 5, 5, 9, 9)
    deliver(qtbot, send, answer(2, prompted=True), answer(3))
    do.use_tool("mask")
    paint(viewer.layers["scan segmentation"], 4, SQUARE, 2)
    qtbot.waitUntil(lambda: send.settled)
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
    assert engine.take_results.call_args.kwargs == {"up_to_date": False}, "it was found without what was drawn since"
    np.testing.assert_array_equal(viewer.layers["scan segmentation"].data, labels)
    viewer.layers["scan boxes"].add(np.array([(0, 1, 1), (0, 1, 9), (0, 9, 9), (0, 9, 1)]), shape_type="rectangle")
    assert engine.replace_prompts.call_args.args[:2] == (2, 0)
    ours = {"scan", "scan points", "scan boxes", "scan segmentation"}
    assert {layer.name for layer in viewer.layers} == {*ours, "other"}, "nothing is made twice"


@pytest.mark.parametrize("differs", [False, True])
def test_what_was_found_before_an_image_was_left_is_found_anew_only_if_it_would_differ(viewer, clicked, qtbot, differs):
    dock, engine, send = clicked
    do = dock.controller
    deliver(qtbot, send, *(answer(t, prompted=t == 2) for t in range(len(IMAGES))))
    do.choose_image(viewer.add_image(IMAGES, name="other"))
    if differs:
        do.choose_contrast(as_shown=True)
    do.choose_image(viewer.layers["scan"])
    assert do.state.done == (0 if differs else len(IMAGES))
    assert ("once more" in dock.hint.text()) is differs
    do.propagate()
    assert engine.take_results.call_args.kwargs == {"up_to_date": not differs}


def test_an_image_that_was_left_is_forgotten_when_it_is_removed(viewer, clicked):
    dock, _, _ = clicked
    do, scan = dock.controller, viewer.layers["scan"]
    other = viewer.add_image(IMAGES, name="other")
    do.choose_image(other)
    viewer.layers.remove(scan)
    viewer.layers.append(scan)
    do.choose_image(scan)
    assert not do.state.has_prompts


def test_removing_the_image_during_a_run_stops_it_and_keeps_the_labels(viewer, prompted, qtbot):
    dock, engine, send = prompted
    deliver(
        qtbot,
        send,
        ResultReady(1, 0, result(2), RequestKind.PROPAGATE),
        StatusChanged(RunStatus(RunState.RUNNING, 1, 5)),
    )
    engine.status = RunStatus(RunState.RUNNING, 1, 5)
    viewer.layers.remove("scan")
    engine.close_sequence.assert_called_once()
    assert "was removed" in dock.message.text() and viewer.layers["scan segmentation"].data.sum() == 100
    deliver(qtbot, send, ResultReady(1, 0, result(3), RequestKind.PROPAGATE))
    assert viewer.layers["scan segmentation"].data[3].sum() == 0


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


@pytest.mark.parametrize("how", ["folder", "all files", "some files"])
@pytest.mark.parametrize(("names", "alike", "mode"), [("abcd", False, "flow"), ("1234", True, "stack")])
def test_files_that_napari_stacked_by_itself_are_recognised(viewer, tmp_path, how, names, alike, mode):
    ramp = np.add.outer(np.arange(40), np.arange(60)).astype(np.uint8)
    for number, name in enumerate(names):
        pixels = ramp + number if alike else np.random.default_rng(number).integers(0, 255, (40, 60)).astype(np.uint8)
        Pixels.fromarray(pixels).save(tmp_path / f"{name}.png")
    PluginManager.instance().discover()
    files = [str(path) for path in sorted(tmp_path.iterdir())]
    opened = {"folder": str(tmp_path), "all files": files, "some files": files[:3]}[how]
    (image,) = viewer.open(opened, stack=how != "folder", plugin="napari")
    found, reason = ImageSequence(viewer, image).guess_mode()
    assert found == mode, reason

"""Strokes in the segmentation become masks of their objects, whatever else lies there or arrives meanwhile."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
from face import IMAGES, SQUARE, TRUTH, answer, deliver, paint, result

from napari_medsam2.engine.events import ResultReady
from napari_medsam2.engine.requests import RequestKind
from napari_medsam2.prompts import MaskPrompt
from napari_medsam2.results import FrameResult


def test_painting_in_the_segmentation_is_a_mask_for_that_object_and_frame(viewer, stack, mocked, qtbot):
    dock, engine, _send = mocked(viewer)
    dock.prompt.tools["mask"].click()
    layer = viewer.layers.selection.active
    assert (layer.name, layer.mode, layer.selected_label) == ("scan segmentation", "paint", 1)
    viewer.dims.set_current_step(0, 3)
    layer.paint((3, 20, 20), 1)
    qtbot.waitUntil(lambda: engine.replace_prompts.called)
    number, frame, (prompt,) = engine.replace_prompts.call_args.args
    assert (number, frame) == (1, 3) and isinstance(prompt, MaskPrompt)
    np.testing.assert_array_equal(prompt.mask, layer.data[3] == 1)


def test_painting_one_object_over_another_leaves_the_lower_one_as_it_is(viewer, prompted, qtbot):
    dock, engine, send = prompted
    deliver(qtbot, send, ResultReady(1, 0, result(0), RequestKind.PROPAGATE))
    dock.objects.new.click()
    viewer.dims.set_current_step(0, 0)
    dock.prompt.tools["mask"].click()
    engine.reset_mock()
    viewer.layers["scan segmentation"].paint((0, 15, 15), 2)
    qtbot.waitUntil(lambda: engine.replace_prompts.called)
    assert [call.args[:2] for call in engine.replace_prompts.call_args_list] == [(2, 0)]


def erase(viewer, dock, frame):
    viewer.dims.set_current_step(0, frame)
    dock.prompt.tools["mask"].click()
    layer = viewer.layers["scan segmentation"]
    layer.data_setitem((np.full(100, frame), *np.nonzero(layer.data[frame])), 0)
    return layer


def test_erasing_all_of_an_object_on_a_frame_says_that_it_is_not_there(viewer, prompted, qtbot):
    dock, engine, send = prompted
    deliver(qtbot, send, ResultReady(1, 0, result(0), RequestKind.PROPAGATE))
    engine.reset_mock()
    layer = erase(viewer, dock, 0)
    qtbot.waitUntil(lambda: engine.replace_prompts.called)
    number, frame, (prompt,) = engine.replace_prompts.call_args.args
    assert (number, frame) == (1, 0) and not prompt.mask.any() and not layer.data[0].any()
    assert dock.message.text() == ""
    boxes = viewer.layers["scan boxes"]
    boxes.selected_data = {0}
    boxes.remove_selected()
    calls = {call.args for call in engine.replace_prompts.call_args_list[1:]}
    assert calls == {(1, 2, ()), (1, 0, ())}, "without the box there is nothing that could be absent"


def test_erasing_the_only_prompted_frame_is_explained_and_loses_nothing(viewer, prompted, qtbot):
    dock, engine, send = prompted
    deliver(qtbot, send, ResultReady(1, 0, result(2, prompted=True), RequestKind.PREVIEW))
    engine.reset_mock()
    layer = erase(viewer, dock, 2)
    qtbot.waitUntil(lambda: "empty mask" in dock.message.text())
    qtbot.waitUntil(lambda: layer.data[2].sum() == 100)
    engine.replace_prompts.assert_not_called()


def test_a_stroke_says_nothing_about_results_that_are_not_painted_yet(viewer, clicked, qtbot):
    dock, engine, send = clicked
    deliver(qtbot, send, answer(3))
    layer = viewer.layers["scan segmentation"]
    dock.objects.new.click()
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
    dock.objects.new.click()
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
    qtbot.waitUntil(lambda: send.settled)
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
    qtbot.waitUntil(lambda: send.settled)
    assert [call.args[:2] for call in engine.replace_prompts.call_args_list] == [(1, 4)], "results are no prompts"


def test_results_that_arrive_during_a_stroke_wait_until_it_ends(viewer, clicked, qtbot):
    dock, engine, send = clicked
    deliver(qtbot, send, answer(2, prompted=True))
    layer = viewer.layers["scan segmentation"]
    viewer.dims.set_current_step(0, 3)
    dock.objects.new.click()
    dock.prompt.tools["mask"].click()
    engine.reset_mock()
    event = SimpleNamespace(type="mouse_press", modifiers=())
    strokes = [drag(layer, event) for drag in layer.mouse_drag_callbacks if drag.__name__ == "_on_drag"]
    for stroke in strokes:
        next(stroke)
    event.type = "mouse_move"
    paint(layer, 3, SQUARE, 2)
    send(answer(3))
    dock.controller.client.flush()
    assert not (layer.data[3] == 1).any() and (layer.data[3][SQUARE] == 2).all(), "the stroke is not wiped out"
    for stroke in strokes:
        next(stroke)
    event.type = "mouse_release"
    for stroke in strokes:
        assert next(stroke, "ended") == "ended"
    qtbot.waitUntil(lambda: send.settled)
    assert len(strokes) == 1 and [call.args[:2] for call in engine.replace_prompts.call_args_list] == [(2, 3)]
    np.testing.assert_array_equal(layer.data[3] == 1, TRUTH[3])
    np.testing.assert_array_equal(layer.data[3] == 2, SQUARE)

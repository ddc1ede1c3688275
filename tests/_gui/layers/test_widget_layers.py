"""What happens to prompts, labels and a run while layers are removed, renamed, painted and replaced."""

from __future__ import annotations

import numpy as np
from face import SHAPE, deliver, draw_box, result

from napari_medsam2._gui.panels.keys import KEYS
from napari_medsam2.engine.events import Failed, FinishReason, ResultReady, RunState, RunStatus, StatusChanged
from napari_medsam2.engine.requests import RequestKind
from napari_medsam2.prompts import BoxPrompt


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


def test_another_image_disarms_the_tool_of_the_last_one(viewer, prompted, qtbot):
    dock, _, _ = prompted
    boxes = viewer.layers["scan boxes"]
    other = viewer.add_image(np.zeros(SHAPE), name="other")
    viewer.layers.selection.active = boxes
    dock.controller.choose_image(other)
    assert boxes.mode == "pan_zoom" and viewer.layers.selection.active is not boxes


def test_renaming_the_image_changes_nothing(viewer, prompted, stack, qtbot):
    dock, engine, _send = prompted
    stack.name = "other"
    assert dock.image.picker.currentText() == "other" and dock.controller.state.has_prompts
    engine.close_sequence.assert_not_called()


def test_removing_the_prompt_layer_removes_its_prompts(viewer, prompted, qtbot):
    dock, engine, _ = prompted
    viewer.layers.remove("scan boxes")
    assert engine.replace_prompts.call_args.args == (1, 2, ())
    dock.prompt.tools["box"].click()
    assert viewer.layers.selection.active.name == "scan boxes"


def test_closing_the_dock_gives_everything_back(make_napari_viewer, mocked, qtbot):
    viewer = make_napari_viewer()
    viewer.add_image(np.zeros(SHAPE), name="scan")
    dock, engine, _ = mocked(viewer)
    viewer.window.add_dock_widget(dock)
    dock.prompt.tools["box"].click()
    draw_box(viewer.layers.selection.active, 2, 5, 6, 20, 30)
    boxes = viewer.layers["scan boxes"]
    assert len(viewer.keymap) == len(KEYS) == len(boxes.keymap)
    viewer.window.remove_dock_widget(dock)
    engine.close.assert_called_once()
    assert not viewer.keymap and not boxes.keymap
    draw_box(boxes, 3, 5, 6, 20, 30)  # nobody listens any more
    assert engine.replace_prompts.call_count == 1


def test_keys_that_someone_bound_come_back(viewer, stack, mocked, qtbot):
    def theirs(viewer):
        return None

    viewer.bind_key("S", theirs)
    dock, _, _ = mocked(viewer)
    dock.close_dock()
    assert list(viewer.keymap.values()) == [theirs]


def test_after_a_model_that_fails_to_load_everything_is_sent_again(viewer, prompted, qtbot):
    dock, engine, send = prompted
    deliver(
        qtbot,
        send,
        Failed(1, 0, "There is no such file.", "report", RequestKind.LOAD_MODEL, True),
        Failed(2, 1, "no model is loaded yet", "report", RequestKind.CHANGE_PROMPTS, True),
    )
    assert dock.message.text() == "There is no such file."
    engine.reset_mock()
    dock.model.model_requested.emit("micro", "cpu")
    dock.run.propagate.click()
    engine.load_model.assert_called_once_with("micro", device="cpu")
    engine.open.assert_called_once()
    engine.replace_prompts.assert_called_once_with(1, 2, (BoxPrompt(2, 5, 6, 20, 30),))


def test_the_network_sees_what_the_user_sees_if_asked_to(viewer, prompted, stack, qtbot):
    dock, engine, _ = prompted
    assert engine.open.call_args.kwargs["contrast"] is None
    dock.image.contrast_requested.emit(True)
    stack.contrast_limits = (20, 90)
    dock.run.segment.click()
    contrast = engine.open.call_args.kwargs["contrast"]
    assert (contrast.low, contrast.high) == ((20,), (90,))


def test_replaced_pixels_begin_anew(viewer, prompted, stack, qtbot):
    dock, _, _ = prompted
    stack.data = np.zeros((7, 30, 30), np.uint8)
    assert len(dock.controller.state.columns) == 7 and not dock.controller.state.has_prompts


def test_a_click_with_the_box_tool_is_explained(viewer, prompted, qtbot):
    dock, engine, _ = prompted
    draw_box(viewer.layers["scan boxes"], 1, 5, 6, 5.2, 6.2)
    assert "drag from corner to corner" in dock.message.text()
    assert engine.replace_prompts.call_count == 1


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


def test_painting_one_object_over_another_leaves_the_lower_one_as_it_is(viewer, prompted, qtbot):
    dock, engine, send = prompted
    deliver(qtbot, send, ResultReady(1, 0, result(0), RequestKind.PROPAGATE))
    dock.prompt.new_object.click()
    viewer.dims.set_current_step(0, 0)
    dock.prompt.tools["mask"].click()
    engine.reset_mock()
    viewer.layers["scan segmentation"].paint((0, 15, 15), 2)
    qtbot.waitUntil(lambda: engine.replace_prompts.called)
    assert [call.args[:2] for call in engine.replace_prompts.call_args_list] == [(2, 0)]


def test_escape_is_napari_s_unless_something_runs(viewer, prompted, qtbot):
    _, _, send = prompted
    keys = len(viewer.keymap)
    deliver(qtbot, send, StatusChanged(RunStatus(RunState.RUNNING, 1, 5)))
    assert len(viewer.keymap) == keys + 1
    deliver(qtbot, send, StatusChanged(RunStatus(RunState.IDLE, 5, 5, None, FinishReason.DONE)))
    assert len(viewer.keymap) == keys


def test_keys_do_what_is_printed(viewer, prompted, qtbot):
    _dock, engine, _ = prompted
    boxes = viewer.layers["scan boxes"]
    for target, kind in ((viewer, viewer), (boxes, boxes)):
        by_key = {str(key): action for key, action in target.keymap.items()}
        by_key["Shift+S"](kind)
        by_key["S"](kind)
        by_key["Ctrl+Z"](kind)
    assert engine.propagate.call_count == engine.undo.call_count == 2
    assert engine.preview.call_args.args == (2, 1)

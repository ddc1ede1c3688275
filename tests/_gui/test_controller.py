"""What the user does in the dock: tools, signs, objects, layers, frames."""

from __future__ import annotations

import numpy as np
from face import IMAGES, SHAPE, deliver, draw_box, result

from napari_medsam2.engine.events import Restored, ResultReady
from napari_medsam2.engine.requests import RequestKind
from napari_medsam2.prompts import BoxPrompt, PointPrompt


def chosen_in(dock) -> str:
    """The title of the object whose row is the current one."""
    return dock.objects.model.rows[dock.objects.view.currentIndex().row()].title


def test_a_drawn_box_is_sent_and_previewed(viewer, stack, mocked, qtbot):
    dock, engine, _ = mocked(viewer)
    dock.prompt.tools["box"].click()
    layer = viewer.layers.selection.active
    assert (layer.name, layer.mode) == ("scan boxes", "add_rectangle") and dock.prompt.tools["box"].isChecked()
    engine.load_model.assert_called_once_with("micro", device="auto")
    draw_box(layer, 2, 5, 6, 20, 30)
    engine.replace_prompts.assert_called_once_with(1, 2, (BoxPrompt(2, 5, 6, 20, 30),), uncover=True)
    engine.preview.assert_called_once_with(2, 1)
    layer.selected_data = {0}
    layer.remove_selected()
    assert engine.replace_prompts.call_args.args == (1, 2, ())


def test_green_says_yes_and_red_says_no(viewer, stack, mocked, qtbot):
    dock, engine, _ = mocked(viewer)
    dock.prompt.tools["point"].click()
    layer = viewer.layers.selection.active
    layer.add((1, 5, 5))
    dock.prompt.sign.click()
    assert dock.prompt.sign.text().startswith("-")
    layer.add((1, 9, 9))
    assert engine.replace_prompts.call_args.args == (1, 1, (PointPrompt(1, 5, 5), PointPrompt(1, 9, 9, positive=False)))
    green, red = layer.face_color[:, :3]
    assert green.argmax() == 1 and red.argmax() == 0


def test_n_goes_to_the_next_image_of_a_flow(viewer, stack, mocked, qtbot):
    dock, _, _ = mocked(viewer)
    assert dock.image.flow.isChecked() and not dock.review.next.isHidden()
    viewer.dims.set_current_step(0, 4)
    dock.review.next.click()
    assert viewer.dims.current_step[0] == 0
    dock.image.stack.click()
    assert dock.review.next.isHidden() and dock.objects.new.text() == "New object (N)"


def test_another_object_gets_its_own_number_and_colour(viewer, stack, mocked, qtbot):
    dock, engine, _ = mocked(viewer)
    dock.prompt.tools["box"].click()
    draw_box(viewer.layers.selection.active, 2, 5, 6, 20, 30)
    dock.objects.new.click()
    assert chosen_in(dock) == "Object 2"
    draw_box(viewer.layers.selection.active, 2, 5, 36, 20, 50)
    assert engine.replace_prompts.call_args.args[:2] == (2, 2)
    dock.objects.view.selectRow(0)
    assert dock.controller.state.current == 1


def test_the_user_s_layer_can_be_the_prompt_and_is_not_touched(viewer, stack, mocked, qtbot):
    points = viewer.add_points([(2, 8, 8)], ndim=3, name="mine")
    dock, engine, _ = mocked(viewer)
    dock.prompt.adopt.activated.emit(dock.prompt.adopt.findText("mine"))
    engine.replace_prompts.assert_called_once_with(1, 2, (PointPrompt(2, 8, 8),), uncover=True)
    points.add((3, 9, 9))
    assert engine.replace_prompts.call_args.args == (1, 3, (PointPrompt(3, 9, 9),))
    assert points.name == "mine" and len(points.data) == 2


def test_a_prompt_outside_the_image_is_explained(viewer, stack, mocked, qtbot):
    dock, engine, _ = mocked(viewer)
    dock.prompt.tools["point"].click()
    viewer.layers.selection.active.add((1, 500, 5))
    assert "outside the image" in dock.message.text() and not dock.message.isHidden()
    engine.replace_prompts.assert_not_called()
    dock.controller.propagate()
    assert "no prompt yet" in dock.message.text()


def test_features_that_are_no_object_numbers_are_explained(viewer, start, qtbot):
    dock, engine, _ = start()
    odd = viewer.add_points([(2, 8, 8), (2, 9, 20)], features={"object": ["cell", "2"]}, name="odd")
    dock.controller.adopt_layer(odd)
    sent = {call.args[0]: call.args[2] for call in engine.replace_prompts.call_args_list}
    assert sent == {1: (PointPrompt(2, 8, 8),), 2: (PointPrompt(2, 9, 20, object_id=2),)}
    assert "no object's number (1, 2, ...): cell" in dock.message.text()


def test_a_click_with_the_box_tool_is_explained(viewer, prompted, qtbot):
    dock, engine, _ = prompted
    draw_box(viewer.layers["scan boxes"], 1, 5, 6, 5.2, 6.2)
    assert "drag from corner to corner" in dock.message.text()
    assert engine.replace_prompts.call_count == 1


def test_removing_the_prompt_layer_removes_its_prompts(viewer, prompted, qtbot):
    dock, engine, _ = prompted
    viewer.layers.remove("scan boxes")
    assert engine.replace_prompts.call_args.args == (1, 2, ())
    dock.prompt.tools["box"].click()
    assert viewer.layers.selection.active.name == "scan boxes"


def test_the_strip_shows_confidence_and_goes_to_frames(viewer, prompted, qtbot):
    dock, _, send = prompted
    deliver(
        qtbot,
        send,
        ResultReady(1, 0, result(2, confidence=0.3, prompted=True), RequestKind.PROPAGATE),
        ResultReady(1, 0, result(3, confidence=0.8), RequestKind.PROPAGATE),
        ResultReady(1, 0, result(4, confidence=0.5), RequestKind.PROPAGATE),
        ResultReady(1, 0, result(0, confidence=0.1, where=slice(0)), RequestKind.PROPAGATE),
    )
    columns = dock.controller.state.columns
    assert columns[2].prompted and columns[0].absent and columns[1].confidence is None
    strip = dock.footer.strip
    dock.footer.frame_requested.emit(strip.frame_at(0.0))
    assert viewer.dims.current_step[0] == 0


def test_clearing_nothing_promises_nothing(viewer, stack, mocked):
    dock, engine, _ = mocked(viewer)
    dock.prompt.tools["box"].click()
    dock.controller.clear()
    assert "nothing to clear" in dock.message.text()
    engine.reset.assert_not_called()


def test_results_go_to_the_user_s_layer_and_keep_its_labels(viewer, prompted, qtbot):
    dock, _, send = prompted
    data = np.zeros(SHAPE, np.uint8)
    data[2, 12, 12] = 9
    viewer.add_labels(data, name="mine")
    dock.output.output.activated.emit(dock.output.output.findText("mine"))
    deliver(qtbot, send, ResultReady(1, 0, result(2), RequestKind.PREVIEW))
    assert data[2, 12, 12] == 9 and data[2, 12, 13] == 1
    assert "scan segmentation" not in viewer.layers
    dock.output.keep.setCurrentIndex(1)
    dock.output.keep.activated.emit(1)
    assert data[2, 12, 12] == 1


def test_the_output_list_shows_the_layer_in_use(viewer, start, qtbot):
    viewer.add_labels(np.zeros(IMAGES.shape, np.uint8), name="mine")
    viewer.add_labels(np.zeros((3, 3, 3), np.uint8), name="small")
    dock, _, _ = start()
    for number, name in ((1, "mine"), (2, "small")):
        dock.output.output.setCurrentIndex(number)
        assert dock.output.output.currentText() == name
        dock.output.output.activated.emit(number)
    assert "'small' has the shape" in dock.message.text() and dock.output.output.currentText() == "mine"


def test_clear_takes_prompts_and_labels_away_and_says_how_they_come_back(viewer, prompted, qtbot):
    dock, engine, send = prompted
    deliver(qtbot, send, ResultReady(1, 0, result(2, prompted=True), RequestKind.PREVIEW))
    assert dock.review.clear.isEnabled()
    dock.review.clear.click()
    engine.cancel.assert_called_once()
    engine.reset.assert_called_once_with()
    deliver(qtbot, send, Restored(2, 0, True, (), {}, RequestKind.RESET))
    assert dock.message.text() == "Cleared. Ctrl+Z brings it back."
    assert len(viewer.layers["scan boxes"].data) == 0 and not viewer.layers["scan segmentation"].data.any()
    assert not dock.review.clear.isEnabled() and not dock.review.commit.isEnabled()


def test_a_run_goes_the_way_that_was_chosen(viewer, prompted):
    dock, engine, _ = prompted
    dock.image.stack.click()
    for index, direction in ((1, "forward"), (2, "backward"), (0, "both")):
        dock.run.direction.setCurrentIndex(index)
        dock.run.direction.activated.emit(index)
        dock.footer.main.click()
        assert engine.propagate.call_args.kwargs["direction"] == direction and not dock.run.direction.isHidden()
    dock.controller.choose_direction("forward")
    assert dock.run.direction.currentText() == "To higher slices only"
    dock.image.flow.click()
    assert dock.run.direction.isHidden(), "images without an order have no direction"


def test_minus_with_a_box_in_hand_takes_up_the_point(viewer, prompted):
    dock, engine, _ = prompted
    assert dock.prompt.tools["box"].isChecked()
    dock.prompt.sign.click()
    assert dock.prompt.tools["point"].isChecked() and not dock.prompt.tools["box"].isChecked()
    assert viewer.layers.selection.active.name == "scan points" and dock.prompt.sign.text().startswith("-")
    viewer.layers["scan points"].add((2, 30, 40))
    box, click = engine.replace_prompts.call_args.args[2]
    assert (box, click) in [
        (BoxPrompt(2, 5, 6, 20, 30), PointPrompt(2, 30, 40, positive=False)),
        (PointPrompt(2, 30, 40, positive=False), BoxPrompt(2, 5, 6, 20, 30)),
    ]
    dock.prompt.sign.click()
    assert dock.prompt.tools["point"].isChecked() and dock.prompt.sign.text().startswith("+")


def press(viewer, key: str) -> None:
    """Press a key over the canvas."""
    actions = {str(bound): action for bound, action in viewer.keymap.items()}
    actions[key](viewer)


def test_n_in_a_stack_starts_another_object_once_the_first_one_is_there(viewer, stack, mocked):
    dock, engine, _ = mocked(viewer)
    dock.image.stack.click()
    press(viewer, "N")
    assert dock.controller.state.objects == (1,) and dock.controller.state.current == 1, "nothing was drawn yet"
    dock.prompt.tools["box"].click()
    press(viewer, "N")
    assert dock.controller.state.current == 1
    draw_box(viewer.layers["scan boxes"], 2, 5, 6, 20, 30)
    press(viewer, "N")
    press(viewer, "N")
    assert dock.controller.state.objects == (1, 2) and chosen_in(dock) == "Object 2"
    draw_box(viewer.layers["scan boxes"], 2, 5, 36, 20, 50)
    assert engine.replace_prompts.call_args.args[:2] == (2, 2)


def test_without_a_preview_the_network_waits_to_be_asked(viewer, prompted):
    dock, engine, _ = prompted
    engine.preview.reset_mock()
    dock.run.preview.click()
    draw_box(viewer.layers["scan boxes"], 3, 5, 6, 20, 30)
    engine.preview.assert_not_called()
    assert not dock.controller.state.preview
    dock.run.preview.click()
    draw_box(viewer.layers["scan boxes"], 4, 5, 6, 20, 30)
    engine.preview.assert_called_once_with(4, 1)

"""The dock as its user meets it; the engine is a double that follows the spec of the real one."""

from __future__ import annotations

import subprocess
import sys

import dask.array as da
import numpy as np
import pytest
from face import SHAPE, deliver, draw_box, result
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QApplication

from napari_medsam2._gui.dock_state import Column, DockState, worst_frame
from napari_medsam2._gui.words import next_step, time_left
from napari_medsam2.engine.events import Failed, ModelLoaded, Restored, ResultReady, RunState, RunStatus, StatusChanged
from napari_medsam2.engine.requests import RequestKind
from napari_medsam2.prompts import BoxPrompt, MaskPrompt, PointPrompt

# ---- opening ---------------------------------------------------------------------------------------------------------


def test_opening_the_dock_does_not_import_torch():
    code = (
        "import napari, sys; v = napari.Viewer(show=False)\n"
        "import numpy as np; v.add_image(np.zeros((5, 40, 60)))\n"
        "from napari_medsam2._widget import MedSamDock\n"
        "d = MedSamDock(v); v.window.add_dock_widget(d)\n"
        "assert 'torch' not in sys.modules\n"
        "d.close_dock(5); v.close()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=100)


def test_an_empty_viewer_says_how_to_begin(viewer, mocked, qtbot):
    dock, engine, _ = mocked(viewer)
    assert "Open an image" in dock.hint.text()
    dock.controller.propagate()
    assert "no image" in dock.message.text().lower()
    engine.propagate.assert_not_called()
    viewer.add_image(np.zeros(SHAPE))
    assert "drag a box" in dock.hint.text()


def test_the_axes_are_said_in_words_and_the_guess_is_shown(viewer, stack, mocked, qtbot):
    dock, _, _ = mocked(viewer)
    assert "5 images along axis 0, 40 x 60 pixels" in dock.image.words.text()
    assert "Flow: neighbours differ" in dock.image.words.text()
    assert dock.image.flow.isChecked()
    dock.image.stack.click()
    assert dock.image.stack.isChecked() and "as you chose" in dock.image.words.text()


def test_the_dock_fits_a_small_window(viewer, stack, mocked, qtbot):
    dock, _, _ = mocked(viewer)
    assert dock.sizeHint().height() < 900 and dock.minimumSizeHint().width() <= 320
    assert dock.minimumSizeHint().height() < 500  # it scrolls


def test_a_wheel_over_the_dock_scrolls_and_changes_nothing(viewer, stack, mocked, qtbot):
    dock, _, _ = mocked(viewer)
    wheel = QWheelEvent(
        QPointF(5, 5), QPointF(5, 5), QPoint(0, -120), QPoint(0, -120), Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    before = dock.model.model.currentIndex()
    QApplication.sendEvent(dock.model.model, wheel)
    assert not wheel.isAccepted() and dock.model.model.currentIndex() == before


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


# ---- prompts ---------------------------------------------------------------------------------------------------------


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
    assert dock.image.flow.isChecked() and not dock.run.next.isHidden()
    viewer.dims.set_current_step(0, 4)
    dock.run.next.click()
    assert viewer.dims.current_step[0] == 0
    dock.image.stack.click()
    assert dock.run.next.isHidden() and dock.prompt.new_object.text() == "New object (N)"


def test_another_object_gets_its_own_number_and_colour(viewer, stack, mocked, qtbot):
    dock, engine, _ = mocked(viewer)
    dock.prompt.tools["box"].click()
    draw_box(viewer.layers.selection.active, 2, 5, 6, 20, 30)
    dock.prompt.new_object.click()
    assert dock.prompt.object.currentText() == "Object 2"
    draw_box(viewer.layers.selection.active, 2, 5, 36, 20, 50)
    assert engine.replace_prompts.call_args.args[:2] == (2, 2)
    dock.prompt.object.activated.emit(0)
    assert dock.controller.state.current == 1


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


def test_the_user_s_layer_can_be_the_prompt_and_is_not_touched(viewer, stack, mocked, qtbot):
    points = viewer.add_points([(2, 8, 8)], ndim=3, name="mine")
    dock, engine, _ = mocked(viewer)
    dock.prompt.adopt.activated.emit(dock.prompt.adopt.findText("mine"))
    engine.replace_prompts.assert_called_once_with(1, 2, (PointPrompt(2, 8, 8),), uncover=True)
    points.add((3, 9, 9))
    assert engine.replace_prompts.call_args.args == (1, 3, (PointPrompt(3, 9, 9),))
    assert points.name == "mine" and len(points.data) == 2 and not points.keymap


def test_a_prompt_outside_the_image_is_explained(viewer, stack, mocked, qtbot):
    dock, engine, _ = mocked(viewer)
    dock.prompt.tools["point"].click()
    viewer.layers.selection.active.add((1, 500, 5))
    assert "outside the image" in dock.message.text() and not dock.message.isHidden()
    engine.replace_prompts.assert_not_called()
    dock.controller.propagate()
    assert "no prompt yet" in dock.message.text()


# ---- results ---------------------------------------------------------------------------------------------------------


def test_results_are_painted_and_the_selection_stays(viewer, prompted, qtbot):
    _dock, _, send = prompted
    first, second = result(2, prompted=True), result(3)
    deliver(qtbot, send, ResultReady(1, 0, first, RequestKind.PREVIEW), ResultReady(2, 0, second, RequestKind.PREVIEW))
    labels = viewer.layers["scan segmentation"]
    assert labels.data[2, 12, 12] == 1 and labels.data[3].sum() == 100 and labels.data[0].sum() == 0
    assert viewer.layers.selection.active.name == "scan boxes"
    assert [layer.name for layer in viewer.layers] == ["scan", "scan segmentation", "scan boxes"]


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
    dock.run.worst.click()
    assert viewer.dims.current_step[0] == 4, "the least sure frame with the object and without a prompt"
    strip = dock.run.strip
    dock.run.frame_requested.emit(strip.frame_at(0.0))
    assert viewer.dims.current_step[0] == 0


def test_two_objects_in_one_place_are_less_sure_of_themselves(viewer, prompted, qtbot):
    dock, _, send = prompted
    deliver(qtbot, send, ResultReady(1, 0, result(3, confidence=0.8), RequestKind.PROPAGATE))
    assert dock.controller.state.columns[3].confidence == 0.8
    deliver(qtbot, send, ResultReady(1, 0, result(3, 2, confidence=0.6, where=slice(15, 25)), RequestKind.PROPAGATE))
    assert dock.controller.state.columns[3].confidence == pytest.approx(0.8 * 0.75)
    deliver(qtbot, send, Restored(1, 0, True, (), {(3, 1): result(3, confidence=0.8)}, RequestKind.UNDO))
    assert dock.controller.state.columns[3].confidence == 0.8


def test_progress_pause_and_cancel(viewer, prompted, qtbot):
    dock, engine, send = prompted
    dock.run.propagate.click()
    engine.propagate.assert_called_once_with(direction="both")
    deliver(qtbot, send, StatusChanged(RunStatus(RunState.RUNNING, 3, 5, 12.0)))
    assert dock.run.progress.format() == "3 / 5   12 s left" and dock.run.pause.isEnabled()
    dock.run.pause.click()
    engine.pause.assert_called_once()
    deliver(qtbot, send, StatusChanged(RunStatus(RunState.PAUSED, 3, 5)))
    assert dock.run.pause.text() == "Resume (Esc)" and "Paused" in dock.hint.text()
    dock.run.pause.click()
    engine.resume.assert_called_once()
    dock.run.cancel.click()
    engine.cancel.assert_called_once()


def test_undo_brings_layers_and_labels_back(viewer, prompted, qtbot):
    dock, engine, send = prompted
    deliver(qtbot, send, ResultReady(1, 0, result(2), RequestKind.PREVIEW))
    dock.run.undo.click()
    engine.undo.assert_called_once()
    calls = engine.replace_prompts.call_count
    deliver(qtbot, send, Restored(2, 0, True, (), {}, RequestKind.UNDO))
    assert len(viewer.layers["scan boxes"].data) == 0 and viewer.layers["scan segmentation"].data.sum() == 0
    deliver(qtbot, send, Restored(3, 0, True, (BoxPrompt(2, 5, 6, 20, 30),), {(2, 1): result(2)}, RequestKind.REDO))
    assert len(viewer.layers["scan boxes"].data) == 1 and viewer.layers["scan segmentation"].data.sum() == 100
    assert engine.replace_prompts.call_count == calls, "what the engine said is not sent back to it"


@pytest.mark.parametrize("left", [(), (BoxPrompt(2, 5, 6, 20, 30),)])
def test_after_undo_clear_or_commit_the_next_box_is_the_current_object_s(viewer, prompted, qtbot, left):
    dock, engine, send = prompted
    dock.prompt.new_object.click()
    draw_box(viewer.layers["scan boxes"], 2, 21, 31, 30, 40)
    deliver(qtbot, send, Restored(2, 0, True, left, {}, RequestKind.UNDO))
    assert dock.controller.state.current == 2
    draw_box(viewer.layers["scan boxes"], 2, 22, 31, 30, 40)
    (box,) = engine.replace_prompts.call_args.args[2]
    assert box.object_id == 2 and dock.controller.state.problem == ""


@pytest.mark.parametrize("left", [(), (PointPrompt(2, 8, 8, positive=True),)])
def test_after_undo_the_next_click_has_the_sign_that_is_shown(viewer, prompted, qtbot, left):
    dock, engine, send = prompted
    dock.prompt.tools["point"].click()
    dock.prompt.sign.click()
    deliver(qtbot, send, Restored(2, 0, True, (BoxPrompt(2, 5, 6, 20, 30), *left), {}, RequestKind.UNDO))
    viewer.layers["scan points"].add((2, 9, 9))
    assert not engine.replace_prompts.call_args.args[2][-1].positive


def test_an_undone_commit_goes_on_with_the_object_that_comes_back(viewer, prompted, qtbot):
    dock, _, send = prompted
    deliver(qtbot, send, ResultReady(1, 0, result(2), RequestKind.PREVIEW))
    dock.run.commit.click()
    deliver(qtbot, send, Restored(2, 0, True, (), {}, RequestKind.RESET))
    assert dock.controller.state.current == 2
    deliver(qtbot, send, Restored(3, 0, True, (BoxPrompt(2, 5, 6, 20, 30),), {(2, 1): result(2)}, RequestKind.UNDO))
    assert dock.controller.state.current == 1 and dock.controller.state.columns[2].prompted


def test_clearing_nothing_promises_nothing(viewer, stack, mocked):
    dock, engine, _ = mocked(viewer)
    dock.prompt.tools["box"].click()
    dock.controller.clear()
    assert "nothing to clear" in dock.message.text()
    engine.reset.assert_not_called()


def test_commit_keeps_the_result_and_starts_the_next_object(viewer, prompted, qtbot):
    dock, _engine, send = prompted
    deliver(qtbot, send, ResultReady(1, 0, result(2), RequestKind.PREVIEW))
    dock.run.commit.click()
    deliver(qtbot, send, Restored(2, 0, True, (), {}, RequestKind.RESET))
    assert viewer.layers["scan kept"].data.sum() == 100 and viewer.layers["scan segmentation"].data.sum() == 0
    assert dock.controller.state.current == 2


def test_a_layer_of_the_user_that_has_the_name_of_the_kept_labels_is_not_taken_for_them(viewer, prompted, qtbot):
    dock, _engine, send = prompted
    theirs = viewer.add_labels(np.zeros(SHAPE, np.uint8), name="scan kept")
    for number in (1, 2):
        deliver(
            qtbot,
            send,
            ResultReady(1, 0, result(2, number, where=slice(10 * number, 10 * number + 5)), RequestKind.PREVIEW),
        )
        dock.run.commit.click()
        deliver(qtbot, send, Restored(2, 0, True, (), {}, RequestKind.RESET))
    (kept,) = (layer for layer in viewer.layers if layer.name.startswith("scan kept") and layer is not theirs)
    assert not theirs.data.any() and np.unique(kept.data).tolist() == [0, 1, 2]
    assert f"Kept in '{kept.name}'" in dock.message.text()


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


def test_labels_are_saved(viewer, prompted, qtbot, tmp_path):
    import tifffile

    dock, _, send = prompted
    deliver(qtbot, send, ResultReady(1, 0, result(2), RequestKind.PREVIEW))
    dock.output.save_requested.emit(str(tmp_path / "out"))
    qtbot.waitUntil(lambda: "Saved" in dock.message.text())
    assert tifffile.imread(tmp_path / "out.tif").shape == SHAPE
    dock.output.save_requested.emit(str(tmp_path / "no such folder" / "out.tif"))
    qtbot.waitUntil(lambda: "could not be saved" in dock.message.text())


def test_errors_come_in_words_with_a_report(viewer, prompted, qtbot, qapp):
    dock, _, send = prompted
    deliver(qtbot, send, Failed(3, 0, "The GPU is out of memory.", "Traceback ...", RequestKind.PROPAGATE, True))
    assert dock.message.text() == "The GPU is out of memory." and not dock.copy.isHidden()
    dock.copy.click()
    assert "Traceback" in qapp.clipboard().text()


def test_the_device_is_said(viewer, prompted, qtbot):
    dock, _, send = prompted
    deliver(qtbot, send, ModelLoaded(1, "micro", "cuda", True))
    assert dock.model.words.text() == "Micro (bundled) runs on cuda."


# ---- words -----------------------------------------------------------------------------------------------------------


def test_the_next_step_is_always_said():
    prompted = DockState(image="scan", columns=(Column(prompted=True), Column()), has_prompts=True)
    assert "Shift+S for all 2 slices" in next_step(prompted)
    seen = DockState(image="scan", columns=(Column(0.9, prompted=True), Column()), has_prompts=True)
    assert "Shift+S finds it on all 2 slices" in next_step(seen)
    second = DockState(image="scan", columns=(Column(), Column()), has_prompts=True, current=2, tool="box")
    assert next_step(second) == "Drag a box tightly around one object on any slice, then press Shift+S."
    done = DockState(image="scan", columns=(Column(0.3), Column(0.9)), has_prompts=True)
    assert "Go to the worst slice" in next_step(done)
    sure = DockState(image="scan", columns=(Column(0.8), Column(0.9)), has_prompts=True)
    assert "Scroll to check" in next_step(sure)
    assert next_step(DockState(image="scan", columns=(Column(),))) == "Press Box (B) and drag a box around one object."


def test_the_worst_frame_has_the_object_and_no_prompt():
    assert worst_frame((Column(0.1, prompted=True), Column(0.2, absent=True), Column(0.6), Column(0.9))) == 2
    assert worst_frame((Column(), Column())) is None


@pytest.mark.parametrize(("seconds", "words"), [(None, ""), (0.2, "less than 1 s left"), (45, "45 s left")])
def test_time_left_is_said_as_people_say_it(seconds, words):
    assert time_left(seconds) == words

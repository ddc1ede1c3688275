"""What the engine tells comes to the layers and into the dock: results, progress, undo, failures."""

from __future__ import annotations

import numpy as np
import pytest
from face import TRUTH, answer, deliver, draw_box, result

from napari_medsam2.engine.events import (
    Failed,
    Finished,
    FinishReason,
    Restored,
    ResultReady,
    RunState,
    RunStatus,
    Standing,
    StatusChanged,
)
from napari_medsam2.engine.requests import RequestKind
from napari_medsam2.prompts import BoxPrompt, PointPrompt


def test_results_are_painted_and_the_selection_stays(viewer, prompted, qtbot):
    _dock, _, send = prompted
    first, second = result(2, prompted=True), result(3)
    deliver(qtbot, send, ResultReady(1, 0, first, RequestKind.PREVIEW), ResultReady(2, 0, second, RequestKind.PREVIEW))
    labels = viewer.layers["scan segmentation"]
    assert labels.data[2, 12, 12] == 1 and labels.data[3].sum() == 100 and labels.data[0].sum() == 0
    assert viewer.layers.selection.active.name == "scan boxes"
    assert [layer.name for layer in viewer.layers] == ["scan", "scan segmentation", "scan boxes"]


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
    dock.footer.main.click()
    engine.propagate.assert_called_once_with(direction="both", anew=False)
    deliver(qtbot, send, Standing(1, 0, 3), StatusChanged(RunStatus(RunState.RUNNING, 7, 10, 12.0)))
    assert dock.footer.progress.format() == "3 of 5 images, 10 s left" and dock.footer.main.text().startswith("Pause")
    dock.footer.main.click()
    engine.pause.assert_called_once()
    deliver(qtbot, send, StatusChanged(RunStatus(RunState.PAUSED, 3, 5)))
    assert dock.footer.main.text() == "Resume (Esc)" and "Paused" in dock.hint.text()
    dock.footer.main.click()
    engine.resume.assert_called_once()
    dock.footer.cancel.click()
    engine.cancel.assert_called_once()


def test_undo_brings_layers_and_labels_back(viewer, prompted, qtbot):
    dock, engine, send = prompted
    deliver(qtbot, send, ResultReady(1, 0, result(2), RequestKind.PREVIEW))
    assert not dock.review.undo.isEnabled() and not dock.review.redo.isEnabled(), "nothing to undo is known yet"
    deliver(qtbot, send, Standing(1, 0, 1, undo=True))
    dock.review.undo.click()
    engine.undo.assert_called_once()
    deliver(qtbot, send, Standing(2, 0, 0, redo=True))
    assert not dock.review.undo.isEnabled() and dock.review.redo.isEnabled()
    calls = engine.replace_prompts.call_count
    deliver(qtbot, send, Restored(2, 0, True, (), {}, RequestKind.UNDO))
    assert len(viewer.layers["scan boxes"].data) == 0 and viewer.layers["scan segmentation"].data.sum() == 0
    deliver(qtbot, send, Restored(3, 0, True, (BoxPrompt(2, 5, 6, 20, 30),), {(2, 1): result(2)}, RequestKind.REDO))
    assert len(viewer.layers["scan boxes"].data) == 1 and viewer.layers["scan segmentation"].data.sum() == 100
    assert engine.replace_prompts.call_count == calls, "what the engine said is not sent back to it"


@pytest.mark.parametrize("left", [(), (BoxPrompt(2, 5, 6, 20, 30),)])
def test_after_undo_clear_or_commit_the_next_box_is_the_current_object_s(viewer, prompted, qtbot, left):
    dock, engine, send = prompted
    dock.objects.new.click()
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
    dock.review.commit.click()
    deliver(qtbot, send, Restored(2, 0, True, (), {}, RequestKind.RESET))
    assert dock.controller.state.current == 2
    deliver(qtbot, send, Restored(3, 0, True, (BoxPrompt(2, 5, 6, 20, 30),), {(2, 1): result(2)}, RequestKind.UNDO))
    assert dock.controller.state.current == 1 and dock.controller.state.columns[2].prompted


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
    qtbot.waitUntil(lambda: send.settled)
    assert labels.data.any()


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


def test_a_removed_segmentation_stays_away_until_the_next_action_and_is_whole_then(viewer, clicked, qtbot):
    dock, _, send = clicked
    deliver(qtbot, send, answer(0), answer(1), StatusChanged(RunStatus(RunState.RUNNING, 2, 5)))
    viewer.layers.remove("scan segmentation")
    deliver(qtbot, send, answer(2, prompted=True), Finished(1, 0, FinishReason.CANCELLED))
    assert "so the run was stopped" in dock.message.text() and "scan segmentation" not in viewer.layers
    dock.run.segment.click()
    deliver(qtbot, send, answer(2, prompted=True))
    np.testing.assert_array_equal(viewer.layers["scan segmentation"].data[:3] == 1, TRUTH[:3])


def test_a_run_that_has_nothing_to_do_says_so_and_the_next_one_does_all_anew(viewer, clicked, qtbot):
    dock, engine, send = clicked
    deliver(qtbot, send, Finished(1, 0, FinishReason.DONE, steps=0))
    assert "up to date" in dock.message.text()
    dock.footer.main.click()
    assert engine.propagate.call_args.kwargs["anew"]
    deliver(qtbot, send, Finished(2, 0, FinishReason.DONE, steps=5))
    dock.footer.main.click()
    assert not engine.propagate.call_args.kwargs["anew"]


def test_an_object_whose_last_prompt_is_deleted_is_gone_from_all_slices_and_others_stay(viewer, clicked, qtbot):
    dock, _, send = clicked
    dock.objects.new.click()
    points = viewer.layers["scan points"]
    points.add((4, 20, 24))
    deliver(qtbot, send, answer(2, prompted=True), answer(3), answer(4, 2, prompted=True), answer(5, 2))
    points.selected_data = {0}
    points.remove_selected()
    qtbot.waitUntil(lambda: send.settled)
    labels = viewer.layers["scan segmentation"].data
    assert not (labels == 1).any() and (labels[4:6] == 2).any(axis=(1, 2)).all()


def test_errors_come_in_words_with_a_report(viewer, prompted, qtbot, qapp):
    dock, _, send = prompted
    deliver(qtbot, send, Failed(3, 0, "The GPU is out of memory.", "Traceback ...", RequestKind.PROPAGATE, True))
    assert dock.message.text() == "The GPU is out of memory." and not dock.message.copy.isHidden()
    dock.message.copy.click()
    assert "Traceback" in qapp.clipboard().text()

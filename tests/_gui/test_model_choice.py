"""Which model: where it runs, and what becomes of prompts and labels when one fails or another is taken."""

from __future__ import annotations

import numpy as np
import pytest
from face import deliver, draw_box, running, settled
from fakes import blob_model, moving_disc

from napari_medsam2._gui.controller import Controller
from napari_medsam2._widget import MedSamDock
from napari_medsam2.engine.engine import Engine
from napari_medsam2.engine.events import Failed, FinishReason, ModelLoaded
from napari_medsam2.engine.requests import RequestKind
from napari_medsam2.prompts import BoxPrompt


def test_the_device_is_said(viewer, prompted, qtbot):
    dock, _, send = prompted
    deliver(qtbot, send, ModelLoaded(1, "micro", "cuda", True))
    assert dock.model.words.text() == "Micro (bundled) runs on cuda."


def test_after_a_model_that_fails_to_load_everything_is_sent_again(viewer, stack, mocked, qtbot):
    dock, engine, send = mocked(viewer, loads=False)
    drawn = viewer.add_shapes(ndim=3, name="mine")
    draw_box(drawn, 2, 5, 6, 20, 30)
    dock.controller.adopt_layer(drawn)
    deliver(
        qtbot,
        send,
        Failed(1, 0, "There is no such file.", "report", RequestKind.LOAD_MODEL, True),
        Failed(2, 1, "no model is loaded yet", "report", RequestKind.CHANGE_PROMPTS, True),
    )
    assert dock.message.text() == "There is no such file."
    engine.reset_mock()
    dock.model.model_requested.emit("micro", "cpu")
    dock.footer.main.click()
    engine.load_model.assert_called_once_with("micro", device="cpu")
    engine.open.assert_called_once()
    engine.replace_prompts.assert_called_once_with(1, 2, (BoxPrompt(2, 5, 6, 20, 30),))


def test_after_a_first_model_that_cannot_be_loaded_the_prompts_go_to_the_next_one(viewer, qtbot):
    viewer.add_image(moving_disc(4)[0], name="scan")
    broken = {"micro"}

    def load(name, **_):
        if name in broken:
            raise ValueError("no such device")
        return blob_model()

    dock = MedSamDock(viewer, Controller(viewer, lambda on_event: Engine(on_event, load_model=load)))
    qtbot.addWidget(dock)
    do = dock.controller
    qtbot.waitUntil(lambda: "no such device" in do.state.problem, timeout=20_000)
    do.store.say()
    do.use_tool("point")
    viewer.layers.selection.active.add((1, 32, 22))
    qtbot.waitUntil(lambda: "no such device" in do.state.problem, timeout=20_000)
    broken.clear()
    do.choose_model("micro", "cpu")
    do.propagate()
    qtbot.waitUntil(lambda: do.state.status.finish_reason is FinishReason.DONE, timeout=20_000)
    assert len(do.workspace.results.results) == 4
    dock.close_dock(timeout=10.0)


@pytest.mark.parametrize("change", ["model", "mode", "contrast"])
def test_labels_stay_through_a_change_of_model_mode_or_contrast_and_undo_after_it(make_napari_viewer, qtbot, change):
    viewer = make_napari_viewer()
    viewer.add_image(moving_disc(6)[0], name="scan")
    dock = running(viewer)
    do = dock.controller

    def wait_for(until):
        qtbot.waitUntil(lambda: until() and settled(dock), timeout=20_000)
        return viewer.layers["scan segmentation"].data.copy()

    do.choose_mode("stack")
    do.use_tool("point")
    viewer.layers.selection.active.add((1, 32, 22))
    do.propagate()
    found = wait_for(lambda: do.state.status.finish_reason is FinishReason.DONE)
    before, results = do.engine.session, do.workspace.results.results.copy()
    assert all(slice_.any() for slice_ in found)
    if change == "model":
        do.choose_model("micro", "cpu")
    elif change == "mode":
        do.choose_mode("flow")
    else:
        do.choose_contrast(True)
    np.testing.assert_array_equal(wait_for(lambda: do.engine.session not in (None, before)), found)
    do.undo()
    labels = wait_for(lambda: do.state.note == "Nothing to undo.")
    np.testing.assert_array_equal(labels, found, "there is nothing to undo yet")
    do.redo()
    do.segment_frame()
    do.propagate()
    wait_for(lambda: all(do.workspace.results.results[key] is not results[key] for key in results))
    for _ in range(9):
        do.undo()
    labels = wait_for(lambda: do.state.note == "Nothing to undo.")
    np.testing.assert_array_equal(labels, found, "as it was before the first run with the new settings")
    assert do.workspace.book.objects
    dock.close_dock(timeout=10.0)


def test_the_model_in_use_chosen_again_is_still_said_to_be_in_use(viewer, prompted, qtbot):
    dock, engine, send = prompted
    deliver(qtbot, send, ModelLoaded(1, "micro", "cpu", True))
    words = dock.model.words.text()
    dock.controller.choose_model("micro", "auto")
    assert "runs on cpu" in words and dock.model.words.text() == words
    engine.load_model.assert_called_once()

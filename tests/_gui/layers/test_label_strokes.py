"""Ctrl+Z takes back the last thing that was done, one thing, in whichever layer it was done."""

from __future__ import annotations

import numpy as np
from face import IMAGES, SQUARE, paint

from napari_medsam2.prompts import MaskPrompt


def stroke(layer, frame, where, label):
    """Paint as with the brush: one stroke, which napari can undo."""
    with layer.block_history():
        paint(layer, frame, where, label)


def test_strokes_in_a_layer_of_the_user_s_and_prompts_are_undone_in_their_order(viewer, clicked, qtbot):
    dock, engine, _ = clicked
    do = dock.controller
    notes = viewer.add_labels(np.zeros(IMAGES.shape, np.uint8), name="my notes")
    other = np.roll(SQUARE, 20, axis=1)
    assert not dock.review.undo.isEnabled()
    stroke(notes, 2, SQUARE, 5)
    assert dock.review.undo.isEnabled() and not dock.review.redo.isEnabled()
    viewer.layers["scan points"].add((3, 20, 22))
    stroke(notes, 3, other, 6)
    do.undo()
    assert not (notes.data == 6).any() and (notes.data == 5).any()
    engine.undo.assert_not_called()
    do.undo()
    engine.undo.assert_called_once()
    assert (notes.data == 5).any()
    do.undo()
    assert not notes.data.any() and engine.undo.call_count == 1
    assert not dock.review.undo.isEnabled() and dock.review.redo.isEnabled()
    do.redo()
    assert (notes.data == 5).any() and not (notes.data == 6).any()
    engine.redo.assert_not_called()
    do.redo()
    engine.redo.assert_called_once()
    do.redo()
    assert (notes.data == 6).any() and engine.redo.call_count == 1
    viewer.layers.remove(notes)
    do.undo()
    assert engine.undo.call_count == 2, "of a layer that is gone nothing can be taken back"


def test_a_stroke_in_labels_that_are_prompts_is_taken_back_as_a_prompt(viewer, start, qtbot):
    mine = viewer.add_labels(np.zeros(IMAGES.shape, np.uint8), name="mine")
    dock, engine, _ = start()
    stroke(mine, 1, SQUARE, 1)
    dock.controller.adopt_layer(mine)
    stroke(mine, 2, SQUARE, 1)
    qtbot.waitUntil(lambda: engine.replace_prompts.call_count == 2)
    assert isinstance(engine.replace_prompts.call_args.args[2][0], MaskPrompt)
    dock.controller.undo()
    assert engine.replace_prompts.call_args.args == (1, 2, ()) and not mine.data[2].any() and mine.data[1].any()
    dock.controller.redo()
    assert engine.replace_prompts.call_args.args[:2] == (1, 2) and mine.data[2].any()
    engine.undo.assert_not_called()


def test_strokes_in_the_results_are_undone_by_the_engine(viewer, clicked, qtbot):
    dock, engine, send = clicked
    dock.prompt.tools["mask"].click()
    stroke(viewer.layers["scan segmentation"], 4, SQUARE, 1)
    qtbot.waitUntil(lambda: engine.replace_prompts.call_count == 2 and send.settled)
    dock.controller.undo()
    engine.undo.assert_called_once()


def test_a_closed_dock_listens_to_no_layer(viewer, clicked, qtbot):
    dock, engine, _ = clicked
    notes = viewer.add_labels(np.zeros(IMAGES.shape, np.uint8), name="my notes")
    dock.close_dock()
    stroke(notes, 2, SQUARE, 5)
    assert not dock.controller.label_strokes.undo() or engine.undo.call_count == 0

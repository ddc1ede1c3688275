"""Touching things of one kind in separate images: shown told apart, kept with a label each, one undo."""

from __future__ import annotations

import numpy as np
import pytest
from face import Pace, settled
from fakes import disc

from napari_medsam2._gui.review_dock import ReviewDock

SHAPE = (64, 64)
CENTRES = ([(20, 20), (20, 33)], [(40, 15), (40, 29), (52, 22)], [(30, 40)])
THINGS = [np.logical_or.reduce([disc(SHAPE, y, x, 7) for y, x in centres]) for centres in CENTRES]


@pytest.fixture
def flow(make_napari_viewer, opened_dock, qtbot):
    """Discs that touch on three images, clicked on the first and found as one kind."""
    viewer = make_napari_viewer()
    viewer.add_image(np.where(THINGS, 204, 25).astype(np.uint8), name="cells")
    dock = opened_dock(viewer, Pace())
    dock.controller.choose_mode("flow")
    dock.controller.use_tool("point")
    viewer.dims.set_current_step(0, 0)
    viewer.layers["cells points"].add((0, 20, 20))
    dock.controller.propagate()
    qtbot.waitUntil(lambda: settled(dock) and len(dock.controller.workspace.results.results) == 3, timeout=20000)
    review = ReviewDock(viewer)
    viewer.window.add_dock_widget(review, name="MedSAM-2 review")
    yield viewer, dock, review
    review.close_review()


def shown(viewer, dock, qtbot):
    qtbot.waitUntil(lambda: dock.controller.state.apart is not None, timeout=10000)
    return viewer.layers["cells told apart"]


def numbers(labels):
    return [len(np.unique(frame)) - 1 for frame in labels]


def test_each_thing_is_shown_with_a_label_before_anything_is_changed(flow, qtbot):
    viewer, dock, review = flow
    output = dock.controller.workspace.output_layer
    before, active = output.data.copy(), viewer.layers.selection.active
    review.apart.show_them.click()
    layer = shown(viewer, dock, qtbot)
    assert numbers(layer.data) == [2, 3, 1] and "6 things on 3 images" in review.apart.words.text()
    assert np.array_equal(output.data, before) and np.array_equal(layer.data != 0, before != 0)
    assert viewer.layers.selection.active is active, "whoever draws goes on drawing"
    assert "cells told apart" not in [
        review.scores.reference.itemText(i) for i in range(review.scores.reference.count())
    ]
    review.apart.discard.click()
    assert "cells told apart" not in viewer.layers and output.visible
    assert np.array_equal(output.data, before) and dock.controller.state.has_results


def test_what_is_kept_has_a_label_each_and_one_undo_takes_it_back(flow, qtbot):
    viewer, dock, review = flow
    review.apart.show_them.click()
    shown(viewer, dock, qtbot)
    review.apart.keep.click()
    qtbot.waitUntil(lambda: settled(dock) and not dock.controller.state.has_results)
    kept = viewer.layers["cells kept"]
    assert numbers(kept.data) == [2, 3, 1] and "cells told apart" not in viewer.layers
    assert dock.controller.state.current == 4, "the next object is none of these numbers"
    dock.controller.undo()
    qtbot.waitUntil(lambda: settled(dock) and dock.controller.state.has_results)
    assert not kept.data.any() and dock.controller.state.current == 1
    dock.controller.redo()
    qtbot.waitUntil(lambda: settled(dock) and not dock.controller.state.has_results)
    assert numbers(kept.data) == [2, 3, 1] and dock.controller.state.current == 4


def test_another_radius_cuts_more_or_less(flow, qtbot):
    viewer, dock, review = flow
    review.apart.radius.setValue(40)
    review.apart.show_them.click()
    assert numbers(shown(viewer, dock, qtbot).data) == [1, 1, 1]
    viewer.layers.remove("cells told apart")
    assert dock.controller.state.apart is None and dock.controller.workspace.output_layer.visible


def test_in_a_stack_and_in_a_layer_of_the_user_s_it_is_said_why_not(flow, qtbot):
    viewer, dock, _ = flow
    own = viewer.add_labels(np.zeros((3, *SHAPE), np.uint8), name="mine")
    dock.controller.choose_output(own, keep=True)
    dock.controller.apart.show(None)
    assert "Choose 'New layer'" in dock.message.text()
    dock.controller.choose_mode("stack")
    dock.controller.apart.show(None)
    assert "In a stack, Split" in dock.message.text()

"""Results become labels, and strokes in them become corrections; nothing of the user's is lost."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
from face import SHAPE, stack_layout
from napari.layers import Labels

from napari_medsam2._gui.layers.coordinates import placed_like
from napari_medsam2._gui.layers.output import OutputLabels, new_labels_layer
from napari_medsam2.errors import OutputError
from napari_medsam2.results import FrameResult


def found(number: int, rows: slice, columns: slice, *, confidence: float = 0.9) -> FrameResult:
    mask = np.zeros((40, 60), bool)
    mask[rows, columns] = True
    return FrameResult(2, number, mask, confidence, confidence, 1.0, prompted=False, seconds=0.1)


LEFT = {1: found(1, slice(None), slice(30))}


def new_output(image) -> OutputLabels:
    return OutputLabels(new_labels_layer(image, stack_layout(), "out"), stack_layout(), ours=True)


@pytest.mark.parametrize(("keep", "winner"), [(True, 9), (False, 1)])
def test_labels_of_the_user_are_kept_or_overwritten_as_chosen(image, keep, winner):
    data = np.zeros(SHAPE, np.uint8)
    data[2, 0, 0] = 9
    theirs = Labels(data, **placed_like(image, stack_layout()))
    output = OutputLabels.of_user(theirs, image, stack_layout(), keep=keep)
    output.show(2, LEFT)
    assert theirs.data[2, 0, 0] == winner and theirs.data[2, 1, 1] == 1
    output.show(2, {})
    assert theirs.data[2].sum() == 9, "taking the result back brings the user's label back"


def test_a_labels_layer_that_does_not_fit_is_refused(image):
    layout = stack_layout()
    read_only = np.zeros(SHAPE, np.uint8)
    read_only.flags.writeable = False
    for wrong, words in [
        (Labels(np.zeros((5, 40, 61), np.uint8)), "shape"),
        (Labels(np.zeros(SHAPE, np.uint8)), "position, scale or unit"),
        (Labels(da.zeros(SHAPE, dtype=np.uint8)), "not in memory"),
        (Labels(read_only), "read-only"),
    ]:
        with pytest.raises(OutputError, match=words):
            OutputLabels.of_user(wrong, image, layout, keep=True)


def test_a_stroke_is_found_and_a_foreign_label_survives(image):
    output = new_output(image)
    output.show(2, LEFT)
    view = output.frame(2)
    view[0, 40:45] = 1
    (stroke,) = output.strokes([2], {2: LEFT}, {1})
    assert (stroke.frame, stroke.object_id) == (2, 1)
    np.testing.assert_array_equal(stroke.mask, view == 1)
    view[0, 40:45] = 0
    view[5, 50] = 77
    assert output.strokes([2], {2: LEFT}, {1}) == []
    output.show(2, LEFT)
    assert output.frame(2)[5, 50] == 77


CELL, NUCLEUS = found(1, slice(5, 35), slice(5, 35), confidence=0.99), found(2, slice(10, 20), slice(10, 20))


NEIGHBOUR = found(3, slice(5, 35), slice(30, 50), confidence=0.95)


TOGETHER = {1: CELL, 2: NUCLEUS, 3: NEIGHBOUR}


def test_a_nucleus_lies_on_its_cell_and_of_neighbours_the_surer_one_wins(image):
    output = new_output(image)
    output.show(2, TOGETHER)
    view = output.frame(2)
    assert (view[10:20, 10:20] == 2).all() and (view[5:35, 30:35] == 1).all() and (view[5:35, 36:50] == 3).all()


@pytest.mark.parametrize(
    ("where", "label", "changes"),
    [
        ((slice(0, 8), slice(0, 8)), 1, {1: CELL.area + 55}),  # the cell keeps what lies below its nucleus
        ((slice(10, 20), slice(20, 24)), 2, {2: NUCLEUS.area + 40}),  # the nucleus lies on its cell anyway
        ((slice(10, 14), slice(10, 20)), 1, {1: CELL.area, 2: NUCLEUS.area - 40}),  # what was painted is what is seen
        ((slice(10, 12), slice(10, 12)), 0, {1: CELL.area - 4, 2: NUCLEUS.area - 4}),
        ((slice(5, 10), slice(31, 35)), 3, {3: NEIGHBOUR.area - 130}),  # drawn, it is what is seen of it
        ((slice(5, 10), slice(36, 40)), 1, {1: CELL.area + 20}),
        ((slice(5, 35), slice(30, 50)), 0, {1: CELL.area - 150, 3: 0}),
    ],
)
def test_after_a_stroke_the_frame_is_as_it_was_painted(image, where, label, changes):
    output = new_output(image)
    output.show(2, TOGETHER)
    view = output.frame(2)
    view[where] = label
    painted = view.copy()
    strokes = output.strokes([2], {2: TOGETHER}, {1, 2, 3})
    assert {stroke.object_id: stroke.area for stroke in strokes} == changes
    output.show(2, TOGETHER | {stroke.object_id: stroke for stroke in strokes})
    np.testing.assert_array_equal(output.frame(2), painted)


def test_whatever_is_painted_over_whatever_overlaps_stays_as_painted(image):
    rng = np.random.default_rng(1)

    def some() -> tuple[slice, slice]:
        y, x = rng.integers(0, (30, 45))
        return slice(y, y + rng.integers(2, 25)), slice(x, x + rng.integers(2, 30))

    for _ in range(60):
        output = new_output(image)
        there = {number: found(number, *some(), confidence=rng.random()) for number in (1, 2, 3, 4)}
        output.show(2, there)
        view = output.frame(2)
        for _ in range(3):
            view[some()] = rng.choice([0, 1, 2, 3, 4, 77])
        painted = view.copy()
        strokes = output.strokes([2], {2: there}, {1, 2, 3, 4})
        output.show(2, there | {stroke.object_id: stroke for stroke in strokes})
        odd = output.frame(2)[output.frame(2) != painted]
        assert not set(odd.tolist()) & set(painted.ravel().tolist()), "only what was wholly painted over stays"


def test_a_cell_that_is_painted_over_its_nucleus_leaves_the_nucleus_whole(image):
    output = new_output(image)
    output.show(2, {2: NUCLEUS})
    output.frame(2)[5:35, 5:35] = 1
    (stroke,) = output.strokes([2], {2: {2: NUCLEUS}}, {1, 2})
    assert (stroke.object_id, stroke.area) == (1, 900)
    output.show(2, {1: stroke, 2: NUCLEUS})
    assert np.count_nonzero(output.frame(2) == 2) == NUCLEUS.area
    output.frame(2)[10:20, 10:20] = 1  # of the cell's anyway: so there is no nucleus
    strokes = output.strokes([2], {2: {1: stroke, 2: NUCLEUS}}, {1, 2})
    assert {stroke.object_id: stroke.area for stroke in strokes} == {1: 900, 2: 0}


def test_labels_of_the_user_are_touched_up_as_wholes_and_uncover_what_lies_below(image):
    data = np.zeros(SHAPE, np.uint8)
    data[2, 10:20, 10:20], data[2, 30:35, :20] = 1, 9
    theirs = Labels(data, **placed_like(image, stack_layout()))
    output = OutputLabels.of_user(theirs, image, stack_layout(), keep=True)
    below = {2: found(2, slice(28, 38), slice(0, 25))}
    output.show(2, below)
    data[2, 20:22, 10:12] = 1
    (stroke,) = output.strokes([2], {2: below}, {1, 2})
    assert (stroke.object_id, stroke.area) == (1, 104), "not the last dab alone"
    shown = {1: stroke, **below}
    output.show(2, shown)
    data[2, 30:35, :20] = 0
    assert output.strokes([2], {2: shown}, {1, 2}) == []
    output.show(2, shown)
    assert np.count_nonzero(data[2] == 2) == below[2].area

"""Which object a label image shows where several are."""

from __future__ import annotations

import numpy as np
import pytest

from napari_medsam2.geometry.compact_mask import shared_area
from napari_medsam2.results import FrameResult
from napari_medsam2.session.label_image import paint_labels


def result(
    number: int,
    rows: slice,
    columns: slice,
    *,
    confidence: float = 0.9,
    prompted: bool = False,
    drawn: bool = False,
    boxed: bool = False,
    logits: np.ndarray | None = None,
) -> FrameResult:
    mask = np.zeros((20, 30), bool)
    mask[rows, columns] = True
    asked = prompted or drawn or boxed
    return FrameResult(
        0, number, mask, confidence, confidence, 1.0, asked, seconds=0.1, drawn=drawn, logits=logits, boxed=boxed
    )


def shown(*results: FrameResult) -> np.ndarray:
    return paint_labels((20, 30), np.uint8, results).labels


CELL = result(3, slice(2, 18), slice(2, 18), confidence=0.99)


@pytest.mark.parametrize("nucleus", [result(1, slice(6, 12), slice(6, 12), confidence=0.4)])
@pytest.mark.parametrize("cell", [CELL, result(3, slice(2, 18), slice(2, 18), drawn=True)])
def test_a_nucleus_is_seen_on_its_cell_however_sure_that_is(nucleus, cell):
    for labels in (shown(nucleus, cell), shown(cell, nucleus)):
        assert np.count_nonzero(labels == 1) == nucleus.area
        assert np.count_nonzero(labels == 3) == cell.area - nucleus.area


def test_what_lies_in_what_lies_in_something_is_on_top():
    speck = result(2, slice(7, 9), slice(7, 9), confidence=0.1)
    labels = shown(speck, result(9, slice(6, 12), slice(6, 12), confidence=0.5), CELL)
    assert [int(np.count_nonzero(labels == number)) for number in (2, 9, 3)] == [4, 32, 256 - 36]
    half_out = result(2, slice(7, 9), slice(16, 20), confidence=0.1)
    labels = shown(half_out, result(9, slice(6, 12), slice(15, 20), confidence=0.5), CELL)
    assert np.count_nonzero(labels == 2) == 8, "what holds it need not lie wholly in the next one"


def test_of_neighbours_the_surer_one_wins_and_the_drawn_one_before_it():
    sure, unsure = result(1, slice(0, 10), slice(0, 12)), result(2, slice(0, 10), slice(10, 25), confidence=0.5)
    assert (shown(sure, unsure)[:10, 10:12] == 1).all()
    drawn = result(2, slice(0, 10), slice(10, 25), confidence=0.5, drawn=True)
    assert (shown(sure, drawn)[:10, 10:12] == 2).all()


def logits_from(column: int, *, high: float = 8.0) -> np.ndarray:
    """Highest on one column of the frame, and lower with every pixel away from it."""
    return np.broadcast_to(high - 0.25 * np.abs(np.arange(30) - column), (20, 30)).astype(np.float32)


def test_of_two_that_found_the_same_pixels_each_keeps_what_it_is_clearer_about():
    left = result(1, slice(0, 10), slice(0, 20), logits=logits_from(5))
    right = result(2, slice(0, 10), slice(5, 25), logits=logits_from(20))
    for labels in (shown(left, right), shown(right, left)):
        assert (labels[:10, :12] == 1).all() and (labels[:10, 13:25] == 2).all()
    unsure = result(2, slice(0, 10), slice(5, 25), logits=logits_from(20), confidence=0.6)
    assert np.count_nonzero(shown(left, unsure) == 1) > np.count_nonzero(shown(left, right) == 1)


def test_what_was_shown_on_a_frame_goes_before_what_was_only_found_there():
    boxed = result(1, slice(0, 10), slice(0, 12), confidence=0.5, prompted=True)
    spilt = result(2, slice(0, 10), slice(6, 25), confidence=0.99)
    assert (shown(boxed, spilt)[:10, :12] == 1).all()


def test_what_a_box_was_drawn_around_is_not_hidden_by_what_lies_around_it():
    cell = result(1, slice(0, 20), slice(0, 20), confidence=0.99, boxed=True)
    half = slice(3, 17), slice(3, 18)  # more than a part has
    assert np.count_nonzero(shown(cell, result(2, *half, confidence=0.5, prompted=True)) == 2) == 0
    nucleus = result(2, *half, confidence=0.5, boxed=True)
    labels = shown(cell, nucleus)
    assert np.count_nonzero(labels == 2) == nucleus.area
    assert np.count_nonzero(labels == 1) == cell.area - nucleus.area
    assert confidences(cell, nucleus) == pytest.approx({1: 0.99 * (1 - 210 / 400 / 2), 2: 0.5})


def test_what_was_drawn_is_not_covered_by_a_box_that_lies_in_it():
    drawn = result(1, slice(0, 20), slice(0, 20), drawn=True)
    assert np.count_nonzero(shown(drawn, result(2, slice(3, 17), slice(3, 18), boxed=True)) == 1) == 400


def test_a_part_of_what_was_hidden_stays_on_top_of_it():
    cell = result(1, slice(0, 20), slice(0, 20), confidence=0.99, boxed=True)
    nucleus = result(2, slice(2, 18), slice(2, 18), boxed=True)
    nucleolus = result(3, slice(6, 12), slice(6, 12), confidence=0.5, boxed=True)
    labels = shown(cell, nucleus, nucleolus)
    assert [int(np.count_nonzero(labels == k)) for k in (1, 2, 3)] == [144, 220, 36]


def test_two_answers_about_one_thing_do_not_hide_each_other_by_their_boxes():
    one = result(1, slice(0, 20), slice(0, 20), confidence=0.99, boxed=True)
    same = result(2, slice(0, 19), slice(0, 20), confidence=0.5, boxed=True)
    assert np.count_nonzero(shown(one, same) == 1) == 400


def test_a_box_beside_it_may_take_more_than_half_of_it():
    one = result(1, slice(0, 10), slice(0, 10), confidence=0.5, boxed=True)
    surer = result(2, slice(0, 10), slice(2, 30), boxed=True)
    assert np.count_nonzero(shown(one, surer) == 1) == 20


def test_a_part_is_much_smaller_than_its_whole():
    whole = result(1, slice(0, 10), slice(0, 20), confidence=0.9)
    for columns, seen in ((slice(5, 11), 60), (slice(5, 12), 0)):
        assert np.count_nonzero(shown(whole, result(2, slice(0, 10), columns, confidence=0.5)) == 2) == seen


def confidences(*results: FrameResult) -> dict[int, float]:
    return paint_labels((20, 30), np.uint8, results).confidences


def test_of_two_objects_on_the_same_pixels_each_is_half_right():
    left, right = result(1, slice(0, 10), slice(0, 10), confidence=0.5), result(2, slice(0, 10), slice(6, 26))
    gone = result(3, slice(0, 0), slice(0, 0), confidence=0.3)
    assert confidences(left, right, gone) == pytest.approx({1: 0.5 * 0.8, 2: 0.9 * 0.9, 3: 0.3})
    third = result(4, slice(0, 10), slice(4, 8), confidence=1.0)
    assert confidences(left, right, third) == pytest.approx({1: 0.5 * 0.7, 2: 0.9 * 0.9, 4: 0.5}), "pixels count once"
    assert confidences(left, gone) == {1: 0.5, 3: 0.3}


def test_what_was_drawn_is_not_doubted():
    drawn = result(1, slice(0, 10), slice(0, 20), confidence=1.0, drawn=True)
    part = result(2, slice(2, 6), slice(4, 8))
    assert confidences(drawn, part) == {1: 1.0, 2: 0.9}


def test_what_goes_before_another_object_is_not_doubted_for_it():
    shown_here = result(1, slice(0, 10), slice(0, 10), prompted=True)
    spilt = result(2, slice(0, 10), slice(6, 26))
    assert confidences(shown_here, spilt) == pytest.approx({1: 0.9, 2: 0.9 * 0.9})
    part = result(3, slice(2, 4), slice(12, 22))
    assert confidences(spilt, part) == pytest.approx({2: 0.9 * 0.95, 3: 0.9})


@pytest.mark.parametrize("logit", [-1.2, 0.0, 5.0, 30.0])
def test_a_mask_is_whole_however_clear_its_pixels_are(logit):
    one = result(1, slice(2, 9), slice(3, 8), logits=np.full((20, 30), logit, np.float32))
    assert one.mask.sum() == one.area == 35 and one.mask[2:9, 3:8].all()


def test_a_number_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="object 300 does not fit into labels of type uint8"):
        shown(result(300, slice(0, 2), slice(0, 2)))


def test_shared_area_is_that_of_the_masks():
    rng = np.random.default_rng(0)
    for _ in range(50):
        a, b = (
            result(k, slice(*sorted(rng.integers(0, 21, 2))), slice(*sorted(rng.integers(0, 31, 2)))) for k in (1, 2)
        )
        assert shared_area(a.pixels, b.pixels) == np.count_nonzero(a.mask & b.mask) == shared_area(b.pixels, a.pixels)

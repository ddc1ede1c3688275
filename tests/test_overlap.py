"""Which object a label image shows where several are."""

from __future__ import annotations

import numpy as np
import pytest

from napari_medsam2.overlap import label_image
from napari_medsam2.results import FrameResult, shared_area


def result(number: int, rows: slice, columns: slice, *, confidence: float = 0.9, drawn: bool = False) -> FrameResult:
    mask = np.zeros((20, 30), bool)
    mask[rows, columns] = True
    return FrameResult(0, number, mask, confidence, confidence, 1.0, prompted=drawn, seconds=0.1, drawn=drawn)


def shown(*results: FrameResult) -> np.ndarray:
    return label_image((20, 30), np.uint8, results)


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


def test_a_number_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="object 300 does not fit into labels of type uint8"):
        shown(result(300, slice(0, 2), slice(0, 2)))


def test_shared_area_is_that_of_the_masks():
    rng = np.random.default_rng(0)
    for _ in range(50):
        a, b = (
            result(k, slice(*sorted(rng.integers(0, 21, 2))), slice(*sorted(rng.integers(0, 31, 2)))) for k in (1, 2)
        )
        assert shared_area(a, b) == np.count_nonzero(a.mask & b.mask) == shared_area(b, a)

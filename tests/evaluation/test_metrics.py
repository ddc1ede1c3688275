"""Scores of hand-made masks, and their properties."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_medsam2.evaluation.metrics import expected_calibration_error, hd95, pearson_correlation
from napari_medsam2.geometry.overlap import dice, iou, volumetric_dice, volumetric_iou

masks = arrays(bool, (6, 7))
quick = settings(max_examples=50, deadline=None, derandomize=True)


def square(y: int, x: int, side: int, shape: tuple[int, int] = (20, 20)) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[y : y + side, x : x + side] = True
    return mask


def test_half_overlapping_squares() -> None:
    first, second = square(4, 4, 4), square(4, 6, 4)
    assert dice(first, second) == pytest.approx(0.5)
    assert iou(first, second) == pytest.approx(1 / 3)


def test_empty_masks() -> None:
    nothing, something = np.zeros((20, 20), bool), square(4, 4, 4)
    assert (dice(nothing, nothing), iou(nothing, nothing), hd95(nothing, nothing)) == (1, 1, 0)
    assert (dice(nothing, something), iou(something, nothing)) == (0, 0)
    assert hd95(nothing, something) == math.inf
    assert volumetric_dice([]) == 1


@quick
@given(first=masks, second=masks)
def test_overlap_is_symmetric_bounded_and_dice_follows_from_iou(first: np.ndarray, second: np.ndarray) -> None:
    d, j = dice(first, second), iou(first, second)
    assert 0 <= j <= d <= 1
    assert d == pytest.approx(2 * j / (1 + j))
    assert (d, hd95(first, second)) == (dice(second, first), hd95(second, first))
    assert dice(first, first) == 1
    assert hd95(first, first) == 0


def test_spilling_into_an_empty_slice_costs_volume() -> None:
    truth = [square(4, 4, 4), np.zeros((20, 20), bool)]
    spilled = [truth[0], square(4, 4, 4)]
    pairs = list(zip(spilled, truth, strict=True))
    assert volumetric_dice(iter(pairs)) == pytest.approx(2 / 3)
    assert volumetric_iou(iter(pairs)) == pytest.approx(1 / 2)
    assert volumetric_dice(pairs) == dice(np.stack(spilled), np.stack(truth))


def test_surface_distance_of_a_shifted_square_in_its_spacing() -> None:
    first, second = square(4, 4, 6), square(4, 7, 6)
    assert hd95(first, second) == 3
    assert hd95(first, second, spacing=(1, 0.5)) == 1.5
    assert hd95(first, square(7, 4, 6), spacing=(2, 0.5)) == 6
    assert hd95(np.stack([first] * 3), np.stack([second] * 3)) == 3


def test_surface_distance_forgives_a_few_far_pixels() -> None:
    first = square(2, 2, 40, (60, 60))
    second = first.copy()
    second[55, 55] = True
    assert hd95(first, second) == 0


def test_surface_distance_counts_only_the_slices_asked_for() -> None:
    first = np.stack([square(4, 4, 6), square(4, 4, 6), square(4, 4, 6)])
    second = np.stack([square(4, 4, 6), square(4, 4, 6), square(4, 9, 6)])
    counted = np.array([True, False, False])[:, None, None]
    assert hd95(first, second) > 1
    assert hd95(first, second, counted=counted) == 0  # that slice agrees
    assert math.isnan(hd95(first, second, counted=np.zeros(3, bool)[:, None, None]))


def test_calibration() -> None:
    assert expected_calibration_error([0.95, 0.95], [0.9, 1.0]) == pytest.approx(0)
    assert expected_calibration_error([0.9, 0.1], [0.5, 0.5]) == pytest.approx(0.4)
    assert expected_calibration_error([1.0, 0.0], [0.0, 0.0]) == pytest.approx(0.5)
    assert math.isnan(expected_calibration_error([], []))


@quick
@given(rows=st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=9))
def test_correlation_agrees_with_numpy_or_is_undefined(rows: list[tuple[float, float]]) -> None:
    x, y = np.round(np.array(rows), 3).T
    r = pearson_correlation(x, y)
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        assert math.isnan(r)
    else:
        assert r == pytest.approx(np.corrcoef(x, y)[0, 1], abs=1e-9)


def test_correlation_of_one_value_is_undefined() -> None:
    assert math.isnan(pearson_correlation([0.5], [0.5]))


def test_wrong_input_is_named() -> None:
    with pytest.raises(ValueError, match=r"\(20, 20\) and \(3, 3\)"):
        dice(square(1, 1, 2), np.zeros((3, 3)))
    with pytest.raises(ValueError, match="each of 2 axes"):
        hd95(square(1, 1, 2), square(1, 1, 2), spacing=(1, 1, 1))
    with pytest.raises(ValueError, match="2 and 1"):
        pearson_correlation([1, 2], [1])

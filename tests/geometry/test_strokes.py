"""An outline is the pixels in it, a line is clicks along it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_medsam2.geometry.strokes import MOST_CLICKS, clicks_along, filled

SHAPE = (20, 30)
corner = st.tuples(st.floats(-10, 30), st.floats(-10, 40))


def is_inside(y: float, x: float, outline: np.ndarray) -> bool:
    """Whether an outline turns around a point, by the sum of the angles that its corners are seen at."""
    corners = outline - (y, x)
    angles = np.arctan2(corners[:, 0], corners[:, 1])
    turned = np.diff(np.append(angles, angles[0]))
    return abs(np.sum((turned + np.pi) % (2 * np.pi) - np.pi)) > np.pi


@settings(max_examples=60, deadline=None)
@given(st.lists(corner, min_size=3, max_size=9))
def test_a_pixel_is_inside_if_the_outline_goes_around_its_centre(corners):
    outline = np.array(corners) + 1e-4 * np.array([1, np.sqrt(2)])  # no corner on the centre of a pixel
    mask = filled(outline, SHAPE)
    near = np.array([[_distance(y, x, outline) < 1e-3 for x in range(SHAPE[1])] for y in range(SHAPE[0])])
    expected = np.array([[is_inside(y, x, outline) for x in range(SHAPE[1])] for y in range(SHAPE[0])])
    np.testing.assert_array_equal(mask | near, expected | near)


def _distance(y: float, x: float, outline: np.ndarray) -> float:
    """From a point to the nearest edge."""
    start, way = outline - (y, x), np.roll(outline, -1, axis=0) - outline
    length = np.maximum((way**2).sum(axis=1), 1e-12)
    along = np.clip(-(start * way).sum(axis=1) / length, 0, 1)
    return float(np.hypot(*(start + along[:, None] * way).T).min())


def test_a_square_covers_the_pixels_whose_centres_are_in_it():
    mask = filled([(2.5, 3.5), (2.5, 8.5), (6.5, 8.5), (6.5, 3.5)], SHAPE)
    expected = np.zeros(SHAPE, bool)
    expected[3:7, 4:9] = True
    np.testing.assert_array_equal(mask, expected)


def test_a_lasso_whose_end_overlaps_its_beginning_has_no_hole():
    turn = np.linspace(0, 2.4 * np.pi, 80)
    circle = np.column_stack([10 + 6 * np.sin(turn), 15 + 6 * np.cos(turn)])
    np.testing.assert_array_equal(filled(circle, SHAPE), filled(circle[: 80 * 10 // 12], SHAPE))


def test_both_halves_of_an_eight_are_inside():
    mask = filled([(2, 2), (12, 22), (2, 22), (12, 2)], SHAPE)
    assert mask[7, 4] and mask[7, 20] and not mask[3, 12] and not mask[11, 12]


def test_what_lies_beyond_the_frame_does_not_count():
    around = filled([(-50, -50), (-50, 90), (80, 90), (80, -50)], SHAPE)
    assert around.all()
    assert not filled([(-9, -9), (-9, -2), (-2, -2)], SHAPE).any()
    assert not filled([(3, 3), (3, 9), (3, 20)], SHAPE).any(), "a line goes around nothing"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ([(4, 5)], [(4, 5)]),
        ([(4, 5), (4, 5)], [(4, 5)]),
        ([(4, 5), (4, 7)], [(4, 6)]),
        ([(0, 0), (0, 6)], [(0, 1.5), (0, 4.5)]),
        ([(0, 0), (0, 3), (3, 3)], [(0, 1.5), (1.5, 3)]),
    ],
)
def test_clicks_lie_evenly_along_a_line(line, expected):
    np.testing.assert_allclose(clicks_along(line), expected)


def test_a_long_line_is_a_few_clicks():
    assert len(clicks_along([(0, 0), (0, 400), (300, 400)])) == MOST_CLICKS

"""A canvas of a giant frame: places and windows there and back, means of pixels, masks that come back smooth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_medsam2.geometry import canvas as module
from napari_medsam2.geometry.canvas import Canvas
from napari_medsam2.geometry.overlap import dice
from napari_medsam2.geometry.window import Window

SHAPE = (437, 600)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Frames of these tests are giant ones."""
    monkeypatch.setattr(module, "_LONGEST", 64)
    monkeypatch.setattr(module, "_AT_A_TIME", 5000)


def disc(shape, y, x, radius):
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return (rows - y) ** 2 + (columns - x) ** 2 <= radius**2


@settings(max_examples=50, deadline=None)
@given(y=st.floats(0, 436), x=st.floats(0, 599), side=st.floats(1, 300))
def test_places_and_windows_come_back(y, x, side):
    window = Window(y - side / 2, x - side / 2, side, side)
    for canvas in (Canvas.whole(SHAPE), Canvas.around(window, SHAPE)):
        assert max(canvas.shape) <= 64 and canvas.shows(y, x)
        np.testing.assert_allclose(canvas.place_of(*canvas.place_on(y, x)), (y, x), atol=1e-9)
        back = canvas.window_of(canvas.window_on(window))
        np.testing.assert_allclose(
            (back.y0, back.x0, back.size_y, back.size_x), (window.y0, window.x0, side, side), atol=1e-9
        )


def test_all_of_a_frame_is_all_of_its_canvas_though_the_last_pixels_are_of_fewer():
    canvas = Canvas.whole(SHAPE)
    assert canvas.shape == (44, 60) and canvas.step == 10
    assert canvas.window_on(Window.whole(SHAPE)) == Window.whole(canvas.shape)
    assert canvas.window_of(Window.whole(canvas.shape)) == Window.whole(SHAPE)


def test_a_pixel_is_the_mean_of_those_under_it_at_the_edge_too():
    image = np.random.default_rng(0).random(SHAPE).astype(np.float32)
    canvas = Canvas.whole(SHAPE)
    done = np.concatenate([canvas.mean(image[under]) for _, under in canvas.bands()])
    expected = [[image[y : y + 10, x : x + 10].mean() for x in range(0, 600, 10)] for y in range(0, 437, 10)]
    np.testing.assert_allclose(done, expected, rtol=1e-5)


@pytest.mark.parametrize("where", [(200, 300, 90), (2, 3, 40), (436, 599, 60)])
def test_a_mask_comes_back_with_a_smooth_border(where):
    mask, canvas = disc(SHAPE, *where), Canvas.whole(SHAPE)
    coarse = canvas.mask_on(mask)
    back = canvas.mask_of(coarse, np.where(coarse, 8, -8).astype(np.float32))
    blocks = np.kron(coarse, np.ones((10, 10), bool))[: SHAPE[0], : SHAPE[1]]
    assert back.shape == SHAPE and dice(back.mask, mask) > max(dice(blocks, mask), 0.95)


def test_a_mask_on_a_canvas_of_single_pixels_is_the_same():
    mask, window = disc(SHAPE, 50, 560, 9), Window(38, 550, 24, 24)
    canvas = Canvas.around(window, SHAPE)
    assert canvas.step == 1
    on = canvas.mask_on(mask)
    np.testing.assert_array_equal(canvas.mask_of(on, np.ones(on.shape, np.float32)).mask, mask)


def test_what_is_smaller_than_a_pixel_of_the_canvas_is_not_lost():
    mask = np.zeros(SHAPE, bool)
    mask[101, 202] = True
    assert Canvas.whole(SHAPE).mask_on(mask).sum() == 1


def test_nothing_comes_back_as_nothing():
    canvas = Canvas.whole(SHAPE)
    nothing = np.zeros(canvas.shape, bool)
    found = canvas.mask_of(nothing, np.zeros(canvas.shape, np.float32))
    assert found.empty and found.shape == SHAPE and not found.mask.any()

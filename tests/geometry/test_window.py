"""Crop and paste are one linear map and its inverse."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_medsam2.geometry.window import OUTSIDE_LOGIT, Window, crop, crop_mask, from_window, paste, to_window

edges = st.floats(-40, 60, allow_nan=False)
extents = st.floats(3, 150, allow_nan=False)
windows = st.builds(Window, edges, edges, extents, extents)
quick = settings(max_examples=40, deadline=None, derandomize=True)


def ramp(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width].astype(np.float32)
    return np.stack([y, x, y + 2 * x], axis=-1)


@pytest.mark.parametrize(("shape", "size"), [((64, 64), 32), ((37, 91), 48), ((40, 30), 64), ((100, 70), 17)])
def test_the_whole_frame_is_resized_as_sam2_does(shape: tuple[int, int], size: int) -> None:
    image = np.random.default_rng(0).random((*shape, 3), dtype=np.float32)
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(image).permute(2, 0, 1)[None],
        size=(size, size),
        mode="bilinear",
        antialias=True,
        align_corners=False,
    )
    torch.testing.assert_close(crop(image, Window.whole(shape), size), expected, atol=1e-5, rtol=0)


def test_a_grey_frame_seen_three_times_is_resized_as_its_copy() -> None:
    plane = np.random.default_rng(0).random((30, 41, 1), dtype=np.float32)
    window = Window(-3.2, 4.1, 28, 40)
    view, copy = np.broadcast_to(plane, (30, 41, 3)), np.repeat(plane, 3, axis=-1)
    assert torch.equal(crop(view, window, 16), crop(copy, window, 16))


def test_whole_frame_logits_are_pasted_as_sam2_does() -> None:
    logits = torch.randn(1, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    expected = torch.nn.functional.interpolate(logits, size=(50, 37), mode="bilinear", align_corners=False)[0, 0]
    np.testing.assert_allclose(paste(logits, Window.whole((50, 37)), (50, 37)), expected.numpy(), atol=1e-5)


@quick
@given(points=st.lists(st.tuples(edges, edges), min_size=1, max_size=5), window=windows, size=st.integers(1, 1024))
def test_points_round_trip(points: list[tuple[float, float]], window: Window, size: int) -> None:
    np.testing.assert_allclose(from_window(to_window(points, window, size), window, size), points, atol=1e-9)


def test_points_are_xy_with_whole_pixel_centres() -> None:
    window = Window(9.5, 19.5, 8, 4)
    np.testing.assert_allclose(to_window([[10, 20]], window, 8), [[0.5, 0]])
    np.testing.assert_allclose(to_window([[9.5, 19.5], [17.5, 23.5]], window, 8), [[-0.5, -0.5], [7.5, 7.5]])


@quick
@given(window=windows, size=st.integers(8, 96))
def test_a_crop_shows_what_the_points_say(window: Window, size: int) -> None:
    """The colour of a cropped coordinate ramp is the coordinate that ``from_window`` gives."""
    cropped = crop(ramp(50, 70), window, size)[0].numpy()
    x, y = np.meshgrid(np.arange(size), np.arange(size))
    yx = from_window(np.stack([x, y], axis=-1), window, size)
    step = np.array([window.size_y, window.size_x]) / size
    reach = np.maximum(step, 1)
    inner = np.all((yx >= reach) & (yx <= np.array([49, 69]) - reach), axis=-1)
    # A triangle filter of a width that is no whole number samples a ramp to a fraction of a pixel only.
    tolerance = 1e-3 if step.max() <= 1 else 0.13 * step.max()
    np.testing.assert_allclose(cropped[0][inner], yx[..., 0][inner], atol=tolerance)
    np.testing.assert_allclose(cropped[1][inner], yx[..., 1][inner], atol=tolerance)


@quick
@given(window=windows, size=st.integers(4, 64))
def test_pasted_coordinates_are_the_pixels_own(window: Window, size: int) -> None:
    """Logits that hold their own y coordinate land where that coordinate is, and nowhere else."""
    y = from_window(np.stack([np.zeros(size), np.arange(size)], axis=-1), window, size)[:, 0]
    logits = torch.from_numpy(np.repeat(y[:, None], size, axis=1).astype(np.float32))[None, None]
    pasted = paste(logits, window, (50, 70))
    rows, columns = np.mgrid[:50, :70]
    covered = (rows >= window.y0) & (rows <= window.y1) & (columns >= window.x0) & (columns <= window.x1)
    assert np.all(pasted[~covered] == OUTSIDE_LOGIT)
    half = window.size_y / size / 2
    inner = covered & (rows >= window.y0 + half) & (rows <= window.y1 - half)
    np.testing.assert_allclose(pasted[inner], rows[inner], atol=1e-3)


@quick
@given(y0=st.floats(-5, 12), x0=st.floats(-5, 12), side=st.floats(16, 30))
def test_a_smooth_image_survives_crop_and_paste(y0: float, x0: float, side: float) -> None:
    y, x = np.mgrid[:48, :48]
    smooth = (np.sin(y / 8) + np.cos(x / 9)).astype(np.float32)
    window = Window(y0, x0, side, side)
    cropped = crop(np.repeat(smooth[..., None], 3, axis=-1), window, 96)[:, :1]
    pasted = paste(cropped, window, smooth.shape)
    covered = pasted != OUTSIDE_LOGIT
    np.testing.assert_allclose(pasted[covered], smooth[covered], atol=0.03)


def test_beyond_the_frame_the_edge_is_repeated_and_masks_are_empty() -> None:
    image = np.full((10, 10, 3), 0.25, np.float32)
    image[0] = 0.75
    window = Window(-10.5, -0.5, 10, 10)
    assert torch.all(crop(image, window, 20) == 0.75)
    assert torch.all(crop_mask(np.ones((10, 10), bool), window, 20) == 0)


def test_a_mask_survives_crop_and_paste() -> None:
    mask = np.zeros((60, 80), bool)
    mask[20:33, 41:57] = True
    window = Window.square_around((19.5, 40.5, 32.5, 56.5), scale=2, minimum=8)
    cropped = crop_mask(mask, window, 128)
    assert cropped.shape == (1, 1, 128, 128)
    assert float(cropped.min()) >= 0
    assert float(cropped.max()) <= 1 + 1e-6
    np.testing.assert_array_equal(paste(cropped - 0.5, window, mask.shape) > 0, mask)


def test_a_mask_that_touches_the_border_of_the_frame_stays_whole() -> None:
    whole = crop_mask(np.ones((30, 50), bool), Window.whole((30, 50)), 16)
    torch.testing.assert_close(whole, torch.ones_like(whole))


def test_square_around_a_box() -> None:
    assert Window.square_around((10, 20, 20, 24), scale=2, minimum=8) == Window(5, 12, 20, 20)
    assert Window.square_around((10, 20, 12, 22), scale=2, minimum=32).size_x == 32


@pytest.mark.parametrize("values", [(0, 0, 0, 5), (0, 0, 5, -1), (float("nan"), 0, 5, 5), (0, 0, float("inf"), 5)])
def test_an_impossible_window_is_refused(values: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="positive size"):
        Window(*values)


def test_wrong_shapes_are_named() -> None:
    window = Window.whole((8, 8))
    with pytest.raises(ValueError, match=r"\(8, 8\)"):
        crop(np.zeros((8, 8), np.float32), window, 8)
    with pytest.raises(ValueError, match=r"\(8, 8, 3\)"):
        crop_mask(np.zeros((8, 8, 3), np.float32), window, 8)

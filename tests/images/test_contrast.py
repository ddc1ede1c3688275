"""Pixels of any depth become what the network sees, and limits that mean nothing are refused."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

from napari_medsam2.errors import FrameError
from napari_medsam2.images.contrast import Contrast, PerFrameContrast, estimate, estimate_contrast
from napari_medsam2.images.formats import as_frames
from napari_medsam2.images.frames import FrameSource


def seen(frames: FrameSource) -> np.ndarray:
    contrast = estimate(frames).contrast
    return np.stack([contrast.apply(frame) for frame in frames])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.int32, np.float32, np.float64])
def test_any_depth_fills_zero_to_one(dtype: Any) -> None:
    values = np.random.default_rng(0).integers(0, 120, (3, 64, 64)).astype(dtype)
    if np.issubdtype(dtype, np.signedinteger):
        values -= 60
    rgb = seen(as_frames(values))
    assert rgb.shape == (3, 64, 64, 3)
    assert rgb.dtype == np.float32
    assert rgb.min() == 0
    assert rgb.max() == 1
    assert 0.4 < rgb.mean() < 0.6


def test_twelve_bit_data_is_not_dark_and_one_bright_dead_cell_does_not_blacken_the_stack() -> None:
    stack = np.random.default_rng(0).integers(0, 4096, (6, 100, 100)).astype(np.uint16)
    stack[3, 4:8, 4:8] = 65535
    assert 0.45 < seen(as_frames(stack)).mean() < 0.55


def test_bool_frames_are_black_and_white() -> None:
    mask = np.zeros((2, 8, 8), bool)
    mask[:, 3, 3] = True
    np.testing.assert_array_equal(seen(as_frames(mask))[..., 0], mask)


@pytest.mark.parametrize("scale", [1, 1 / 255, 257])
def test_dim_colours_are_seen_as_the_dim_grey_image_is(scale: float) -> None:
    dim = np.random.default_rng(0).integers(10, 40, (2, 30, 40))
    dim = (dim * scale).astype(np.uint16 if scale == 257 else np.float32 if scale < 1 else np.uint8)
    colours = np.stack([dim] * 3, axis=-1)
    opaque = np.concatenate([colours, np.full((*dim.shape, 1), dim.max())], axis=-1)
    for others in (colours, opaque):
        np.testing.assert_array_equal(seen(as_frames(others)), seen(as_frames(dim)))
        for grey, colour in zip(dim, others, strict=True):
            np.testing.assert_array_equal(PerFrameContrast().apply(colour), PerFrameContrast().apply(grey))


def test_photographs_that_use_their_range_keep_their_colours() -> None:
    photograph = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    photograph[1] = photograph[1] // 2 + 90  # hazy: no shadow is black
    assert estimate(photograph[:1]).contrast == Contrast(0, 255)
    np.testing.assert_allclose(seen(as_frames(photograph / 255)), photograph / 255, atol=1e-6)
    hues = [PerFrameContrast().apply(image).mean((0, 1)) for image in photograph]
    assert all(np.ptp(hue) < 0.02 for hue in hues), "the colours share their limits"


def test_transparent_pixels_are_black_and_their_colours_do_not_count() -> None:
    image = np.random.default_rng(0).integers(40, 60, (64, 64, 4), dtype=np.uint8)
    image[..., 3] = 255
    clean = PerFrameContrast().apply(image)
    image[:20] = np.random.default_rng(1).integers(0, 256, (20, 64, 4))
    image[:20, :, 3] = 0
    covered = PerFrameContrast().apply(image)
    assert not covered[:20].any()
    np.testing.assert_allclose(covered[20:], clean[20:], atol=0.05)
    image[..., 3] = 0  # written by a program that knows no transparency
    assert PerFrameContrast().apply(image).any()


@pytest.mark.parametrize("value", [0, 7, -3.5, 1e30])
def test_a_constant_image_is_black_without_a_warning(value: float) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.all(seen(as_frames(np.full((2, 8, 8), value))) == 0)


def test_missing_values_are_black_and_do_not_shift_the_rest() -> None:
    clean = np.random.default_rng(0).random((2, 64, 64))
    holes = clean.copy()
    holes[0, :5] = np.nan
    holes[1, :5] = np.inf
    holes[1, 5:9] = -np.inf
    rgb = seen(as_frames(holes))
    assert np.all(rgb[0, :5] == 0)
    assert np.all(rgb[1, :9] == 0)
    np.testing.assert_allclose(rgb[:, 9:], seen(as_frames(clean))[:, 9:], atol=0.02)
    assert np.all(seen(as_frames(np.full((1, 4, 4), np.nan))) == 0)


def test_a_small_bright_object_on_nothing_is_seen() -> None:
    stack = np.zeros((1, 100, 100))
    stack[0, 50, 50] = 9
    assert seen(as_frames(stack)).max() == 1


def test_the_limits_of_a_layer() -> None:
    frame = np.array([[0, 50, 100, 200]])
    np.testing.assert_allclose(Contrast(50, 150).apply(frame)[0, :, 0], [0, 0, 0.5, 1])
    np.testing.assert_allclose(Contrast(0, 100, gamma=2).apply(frame)[0, :, 0], [0, 0.25, 1, 1])
    colours = Contrast((0, 50, 100), (50, 100, 150)).apply(np.full((1, 1, 3), 75))
    np.testing.assert_allclose(colours[0, 0], [1, 0.5, 0])


def test_large_numbers_keep_their_differences() -> None:
    frame = 16_777_216_000 + np.arange(4)[None]
    np.testing.assert_allclose(Contrast(frame.min(), frame.max()).apply(frame)[0, :, 0], np.arange(4) / 3, atol=1e-6)


def test_each_image_of_a_flow_can_have_its_own_contrast() -> None:
    rng = np.random.default_rng(0)
    dark, bright = rng.random((64, 64)), 1000 * rng.random((64, 64))
    for frame in (dark, bright):
        assert 0.4 < PerFrameContrast().apply(frame).mean() < 0.6


@pytest.mark.parametrize("limits", [(np.nan, 1), ((0, 0), 1), (0, np.inf), ("a", 1), (0, 1j)])
def test_limits_that_mean_nothing_are_refused(limits: Any) -> None:
    with pytest.raises(FrameError, match="finite"):
        Contrast(*limits)
    with pytest.raises(FrameError, match="gamma"):
        Contrast(0, 1, gamma=0)
    with pytest.raises(FrameError, match=r"gamma .* got 'x'"):
        Contrast(0, 1, gamma="x")  # type: ignore[arg-type]
    with pytest.raises(FrameError, match="percentiles"):
        estimate([np.zeros((2, 2))], percentiles=(90, 10))


def test_the_limits_of_one_sequence_can_be_given_to_another():
    dark, bright = (np.full((2, 8, 8), level) + np.arange(8) for level in (10, 90))
    limits = estimate_contrast(list(dark))
    assert limits == estimate(list(dark)).contrast and limits.apply(bright[0]).min() == 1

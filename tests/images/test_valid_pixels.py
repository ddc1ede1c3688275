"""Padding, missing values and empty frames do not set the contrast, which is told; what only looks like that does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from napari_medsam2.images.contrast import PerFrameContrast, estimate
from napari_medsam2.images.contrast_words import nothing_to_see, remarks_on_flow, remarks_on_stack

RNG = np.random.default_rng(0)
Y, X = np.mgrid[:96, :96]
OUTSIDE = (Y - 47.5) ** 2 + (X - 47.5) ** 2 > 48**2  # of a round field of view
CT = np.where(X < 30, RNG.normal(-1000, 12, Y.shape), RNG.normal(40, 60, Y.shape)).round().astype(np.int16)
CELLS = RNG.normal(1100, 40, Y.shape).round().astype(np.uint16)
SCAN = np.clip(RNG.gamma(2, 20, Y.shape), 0, 255).astype(np.uint8)
CORNER = (Y < 30) & (X < 50)


def limits(*frames: Any) -> tuple[float, float]:
    contrast = estimate(frames).contrast
    return contrast.low[0], contrast.high[0]  # type: ignore[index]


@pytest.mark.parametrize(
    ("image", "value", "where"),
    [
        (CT, -32768, OUTSIDE),
        (CT, -3024, OUTSIDE),
        (CT, -2000, OUTSIDE),
        (CT, -2000, Y < 8),
        (CT.astype(np.float32), -3.4e38, ~OUTSIDE),
        (CT, 32767, OUTSIDE),
        (CELLS, 0, CORNER),
        (CELLS, 65535, Y > 60),
        (np.dstack([CELLS] * 3), 0, X > 70),
        (np.dstack([CELLS] * 3), 65535, CORNER),
    ],
    ids=lambda given: given if isinstance(given, int | float) else "",
)
def test_padding_is_left_out_and_told(image: Any, value: float, where: Any) -> None:
    padded = image.copy()
    padded[where] = value
    padded[50, 50] = image.max() * 2 if value != 32767 else 0  # a hot pixel
    low, high = limits(image)
    np.testing.assert_allclose(limits(padded), (low, high), atol=0.05 * (high - low))
    told = remarks_on_stack(estimate([padded]), str)
    assert len(told) == 1 and f"padding ({value:.6g}, " in told[0]
    assert remarks_on_stack(estimate([image]), str) == ()


def test_two_kinds_of_padding() -> None:
    padded = CT.copy()
    padded[OUTSIDE] = -2000
    padded[:6] = -32768
    np.testing.assert_allclose(limits(padded), limits(CT), rtol=0.05)
    assert "padding (-32768, " in (told := remarks_on_stack(estimate([padded]), str)[0]) and "(-2000, " in told


@pytest.mark.parametrize(
    "image",
    [
        np.where(OUTSIDE, 0, SCAN).astype(np.uint8),  # the black around an ultrasound fan
        np.where((Y - 48) ** 2 + (X - 48) ** 2 < 900, CELLS, 0),  # a cell on nothing
        np.where((abs(Y - 48) < 12) & (abs(X - 48) < 12), 60000, CELLS),  # a bright thing amid the others
        (Y // 24).astype(np.uint8),  # labels
        np.where(OUTSIDE, 0, 500 + Y // 24).astype(np.uint16),
        np.where(OUTSIDE, 0, 255).astype(np.uint8),
        np.minimum(RNG.normal(3000, 800, Y.shape), 4095).astype(np.uint16),  # overexposed
        RNG.normal(0, 500, Y.shape).astype(np.int16),
        RNG.random(Y.shape),
        RNG.random(Y.shape) * 255,
        OUTSIDE,
    ],
    ids=range(11),
)
def test_what_is_part_of_the_image_counts(image: Any) -> None:
    assert estimate([image]).left_out == ()
    shown = PerFrameContrast().apply(image)
    assert np.unique(shown).size > 1
    if image.dtype != np.uint8:  # those may stay as they are
        assert shown[image == image.min()].max() < 0.03
        assert shown[image == image.max()].min() > 0.97


def test_empty_frames_do_not_count_and_are_named() -> None:
    empty = np.zeros_like(CELLS)
    assert limits(*[empty] * 20, *[CELLS] * 20) == limits(CELLS)
    found = estimate([empty, CELLS, np.full(Y.shape, np.nan)])
    assert found.alike == (0, 2)
    assert remarks_on_stack(found, "slice {}".format) == (
        "No pixel differs from the others, so nothing can be found: slice 0, slice 2.",
    )
    late = [empty] * 100 + [CELLS]  # between the frames that are looked at first
    assert limits(*late, *[empty] * 50) == limits(CELLS)


def test_missing_values_are_told_and_a_flow_names_its_images() -> None:
    holes = CT.astype(np.float32)
    holes[:9] = np.nan
    holes[9:12] = -np.inf
    single = PerFrameContrast()
    told = remarks_on_flow({t: single.estimate(image) for t, image in enumerate([holes, CT, CT * 0])}, "{}.png".format)
    assert told == (
        "Left out of the contrast: 0.png: values that are NaN or infinite.",
        "No pixel differs from the others, so nothing can be found: 2.png.",
    )
    many = {t: single.estimate(CT * 0) for t in range(9)}
    assert remarks_on_flow(many, str)[0].endswith("0, 1, 2, and 6 more.")


def test_a_speck_between_the_pixels_that_are_looked_at_is_seen() -> None:
    large = np.zeros((1000, 1000), np.uint16)
    large[501, 503] = 900
    assert nothing_to_see([large]) == ""
    assert PerFrameContrast().apply(large).max() == 1


@pytest.mark.parametrize(
    ("frames", "words"),
    [
        ([np.full((8, 8), np.nan)] * 3, "none of their pixels is a finite number"),
        ([np.full((8, 8), np.inf), np.full((8, 8), np.nan)], "none of their pixels is a finite number"),
        ([np.zeros((8, 8), np.uint8)] * 3, "all their pixels are 0"),
        ([np.full((8, 8, 3), 7)], "all their pixels are 7"),
        ([np.zeros((8, 8), bool), np.ones((8, 8), bool)], "no pixel differs from those beside it"),
        ([np.zeros((8, 8))] * 30 + [np.eye(8)] + [np.zeros((8, 8))], ""),
    ],
)
def test_images_that_show_nothing(frames: Any, words: str) -> None:
    assert nothing_to_see(frames) == words


def test_one_look_is_enough_where_something_can_be_seen() -> None:
    class Counted(list[Any]):
        read = 0

        def __getitem__(self, t: Any) -> Any:
            Counted.read += 1
            return super().__getitem__(t)

    assert nothing_to_see(Counted([CT * 0] * 500 + [CT] * 500)) == "" and Counted.read == 1

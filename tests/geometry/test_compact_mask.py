"""Masks that are kept small."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from napari_medsam2.geometry.compact_mask import CompactMask, logits_of

LOGITS = arrays.arrays(np.float32, (9, 12), elements=st.floats(-20, 20, width=32))


@given(LOGITS)
def test_the_mask_comes_back_pixel_for_pixel_and_clearness_to_a_step(logits: np.ndarray) -> None:
    mask = logits > 0
    kept = CompactMask.of(mask, logits)
    np.testing.assert_array_equal(kept.mask, mask)
    assert kept.area == mask.sum() and kept.empty == (not mask.any())
    clear = np.clip(logits[kept.part], 0, 14) / 14
    off = np.abs(np.sqrt(np.maximum(kept.clearness.astype(float) - 1, 0) / 254) - np.sqrt(clear))
    assert (off[mask[kept.part]] <= 0.5 / 14 + 0.02).all()


@given(LOGITS)
def test_what_was_kept_is_kept_as_the_same_again(logits: np.ndarray) -> None:
    """As of a session file that is read and written."""
    kept = CompactMask.of(logits > 0, logits)
    whole = np.full(logits.shape, -1.0, np.float32)
    whole[kept.part] = np.where(kept.clearness > 0, logits_of(kept.clearness), -1)
    again = CompactMask.of(kept.mask, whole)
    assert again.packed == kept.packed and again.part == kept.part


def test_a_drawn_mask_is_as_clear_as_can_be() -> None:
    mask = np.zeros((20, 30), bool)
    mask[3:9, 4:20] = True
    kept = CompactMask.of(mask, None)
    assert (kept.clearness == 255).all() and kept.clearness.shape == (6, 16)


@pytest.mark.parametrize("radius", [40, 100])
def test_a_plain_shape_takes_at_most_two_kilobytes(radius: int) -> None:
    y, x = np.mgrid[:512, :512]
    logits = (2 * (radius - np.hypot(y - 256, x - 256))).astype(np.float32)
    kept = CompactMask.of(logits > 0, logits)
    assert len(kept.packed) <= 2048, len(kept.packed)


def test_the_clearer_of_two_objects_has_the_pixel() -> None:
    labels, claims = np.zeros((4, 8), np.uint8), np.zeros((4, 8), np.float32)
    falling = np.tile(np.linspace(6, -2, 8, dtype=np.float32), (4, 1))
    for number, logits in ((1, falling), (2, falling[:, ::-1])):
        CompactMask.of(logits > 0, logits).claim(labels, number, claims, 0, 0.9)
    assert (labels == [1, 1, 1, 1, 2, 2, 2, 2]).all()

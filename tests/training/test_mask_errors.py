"""Masks with errors, as clicks correct them."""

from __future__ import annotations

import numpy as np
from fakes import disc

from napari_medsam2.geometry.parts import largest_error
from napari_medsam2.training.mask_errors import with_large_error


def test_a_spoilt_mask_has_one_large_error() -> None:
    mask = disc((64, 64), 30, 34, 12)
    kinds = set()
    for seed in range(30):
        wrong = with_large_error(mask, np.random.default_rng(seed))
        kinds.add(("missing" if (mask & ~wrong).any() else "") + ("too much" if (wrong & ~mask).any() else ""))
        if (error := largest_error(mask, wrong)) is not None:
            assert error[0].sum() > 0.4 * (mask ^ wrong).sum()
    assert kinds >= {"missing", "too much", "missingtoo much"}
    sizes = [
        np.count_nonzero(with_large_error(mask, np.random.default_rng(seed)) ^ mask) / mask.sum() for seed in range(30)
    ]
    assert np.median(sizes) > 0.2
    assert any(with_large_error(np.zeros_like(mask), np.random.default_rng(seed)).any() for seed in range(9)), (
        "too much of nothing"
    )

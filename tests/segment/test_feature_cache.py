"""Image features are kept within a budget, which shrinks when memory is short."""

from __future__ import annotations

import pytest
import torch

from napari_medsam2.geometry.window import Window
from napari_medsam2.network.interface import ImageFeatures
from napari_medsam2.segment.feature_cache import FeatureCache


def test_a_cache_that_shrinks_keeps_the_latest_in_half_the_room():
    cache, window = FeatureCache(10_000), Window.whole((8, 8))
    for frame in range(4):
        cache.get(frame, window, 8, lambda: ImageFeatures((torch.ones(1, 1, 16, 16),), torch.ones(4)))
    held = cache.nbytes
    cache.shrink()
    assert len(cache) == 2 and cache.max_bytes == cache.nbytes == held // 2
    assert cache.get(3, window, 8, lambda: pytest.fail("it was kept")) is not None
    cache.clear()
    cache.shrink()
    assert cache.max_bytes == held // 4

"""The six maps of EfficientNet-Lite0."""

from __future__ import annotations

import pytest
import torch

from napari_medsam2.network.pretrained.efficientnet import CHANNELS, EfficientNetLite


@pytest.mark.parametrize("side", [64, 80])
def test_each_stage_gives_a_map_at_its_stride(side: int) -> None:
    with torch.no_grad():
        maps = EfficientNetLite().eval()(torch.rand(2, 3, side, side))
    assert [tuple(one.shape[:2]) for one in maps] == [(2, dim) for dim in (16, 24, 40, 80, 112, 192)]
    assert [one.shape[-1] for one in maps] == [-(-side // stride) for stride in (2, 4, 8, 16, 16, 32)]
    assert sum(one.shape[1] for one in maps) == CHANNELS

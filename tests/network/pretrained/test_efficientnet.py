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


def test_its_edges_are_padded_as_tensorflow_does() -> None:
    """Whose weights they are: on an even side a stride of two pads on the right and below only."""
    network = EfficientNetLite().eval().requires_grad_(False)
    network.stem.weight.zero_()
    network.stem.weight[0, 0, 0, 0] = 1  # the upper left of the kernel
    assert network.stem.bias is not None
    network.stem.bias.zero_()
    seen: list[torch.Tensor] = []
    network.stages[0].register_forward_pre_hook(lambda _module, given: seen.append(given[0]))
    image = torch.zeros(1, 3, 64, 64)
    image[0, 0, 10, 20] = 1
    network(image)
    lit = (seen[0][0, 0] > 0).nonzero().tolist()
    assert seen[0].shape[-2:] == (32, 32) and lit == [[5, 10]]

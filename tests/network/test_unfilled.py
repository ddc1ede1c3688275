"""Networks built for weights that are there."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from napari_medsam2.models.loading import load_model
from napari_medsam2.network.unfilled import unfilled


def test_nothing_is_drawn_for_layers_that_get_weights() -> None:
    torch.manual_seed(7)
    before = torch.get_rng_state()
    layers = unfilled(lambda: nn.Sequential(nn.Conv2d(3, 8, 3), nn.Linear(8, 2), nn.LayerNorm(8), nn.Embedding(4, 8)))
    assert torch.equal(torch.get_rng_state(), before)
    assert {p.device.type for p in layers.parameters()} == {"cpu"}
    nn.Linear(8, 2)
    assert not torch.equal(torch.get_rng_state(), before), "drawn as ever once it is built"


def test_an_error_while_building_leaves_layers_drawn_as_ever() -> None:
    def fails() -> nn.Module:
        raise ValueError("no such sizes")

    with pytest.raises(ValueError, match="no such sizes"):
        unfilled(fails)
    assert 0 < float(nn.Linear(64, 64).weight.detach().std()) < 1


def test_a_loaded_model_has_the_numbers_of_its_file_only() -> None:
    """Whatever the memory held before: twice the same, and finite."""
    one, other = (load_model("micro", device="cpu").network.state_dict() for _ in range(2))
    assert all(torch.equal(one[name], other[name]) and one[name].isfinite().all() for name in one)

"""The tool that gives micro weights the pretrained features."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors import safe_open

from napari_medsam2.models.loading import load_model
from napari_medsam2.network.micro.network import MicroNetwork
from napari_medsam2.network.pretrained.efficientnet import STAGES
from napari_medsam2.network.pretrained.mobile_sam import MobileSam

TOOL = Path(__file__).parents[3] / "tools" / "graft_prior.py"


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A file with the names and shapes of EfficientNet-Lite0's, and random numbers."""
    generator = torch.Generator().manual_seed(0)
    state: dict[str, torch.Tensor] = {}

    def layer(conv: str, norm: str, *shape: int) -> None:
        state[f"{conv}.weight"] = torch.randn(shape, generator=generator) / (shape[1] * shape[2] * shape[3]) ** 0.5
        for name in ("weight", "bias", "running_mean", "running_var"):
            state[f"{norm}.{name}"] = torch.rand(shape[0], generator=generator) + 0.5

    layer("_conv_stem", "_bn0", 32, 3, 3, 3)
    number = 0
    for repeats, kernel, _, expansion, first, outputs in STAGES:
        for inputs in (first, *[outputs] * (repeats - 1)):
            own, inner = f"_blocks.{number}", inputs * expansion
            if expansion > 1:
                layer(f"{own}._expand_conv", f"{own}._bn0", inner, inputs, 1, 1)
            layer(f"{own}._depthwise_conv", f"{own}._bn1", inner, 1, kernel, kernel)
            layer(f"{own}._project_conv", f"{own}._bn2", outputs, inner, 1, 1)
            number += 1
    torch.save(state, tmp_path / "lite0.pth")
    return tmp_path / "lite0.pth"


def test_batch_normalisation_is_folded_in_and_the_file_names_no_place(published: Path, tmp_path: Path) -> None:
    tool = runpy.run_path(str(TOOL))
    sam = MobileSam().eval().requires_grad_(False)
    tool["main"].__globals__.update(PHOTOGRAPHS=("coins",), VIEWS=1, read_mobile_sam=lambda _: sam)
    out = tmp_path / "out.safetensors"
    assert tool["main"]([str(out), str(published), "mobile_sam.pt"]) == 0
    assert out.stat().st_size <= 14e6
    network = load_model(out, device="cpu").network
    assert isinstance(network, MicroNetwork) and network.prior is not None and network.config.prior_dim == 96
    assert network.prior.lite_components.directions.abs().max() > 0
    assert network.prior.sam_components.directions.abs().max() > 0

    state, image = torch.load(published, weights_only=True), torch.rand(1, 3, 32, 32)
    given = F.pad((image * 255 - 127) / 128, (0, 1, 0, 1))
    norm = [state[f"_bn0.{name}"] for name in ("running_mean", "running_var", "weight", "bias")]
    expected = F.batch_norm(F.conv2d(given, state["_conv_stem.weight"], stride=2), *norm, eps=1e-3)
    folded = tool["read_lite"](published).stem(given)
    torch.testing.assert_close(folded, expected, atol=1e-4, rtol=1e-4)

    with safe_open(out, "pt") as file:
        told = json.loads(file.metadata()["training"])
    assert told["steps"] and not {"model", "data"} & set(told)
    assert tool["main"]([]) == 2

"""MobileSAM: against outputs of the original for weights re-made from names, at any size, for any kind of prompt."""

from __future__ import annotations

import json
import runpy
from functools import cache
from pathlib import Path

import pytest
import torch
from torch import Tensor

from golden.recipe import ellipse, frame, weight
from napari_medsam2.network.pretrained.mobile_sam import MobileSam, MobileSamConfig
from napari_medsam2.network.pretrained.tiny_vit import TinyVitConfig

ROOT = Path(__file__).parents[3]
GOLDEN = json.loads((ROOT / "tests" / "golden" / "mobile_sam.json").read_text())
ENCODER = TinyVitConfig(dims=(8, 16, 24, 320), depths=(1, 1, 2, 1), heads=(2, 3, 4))
SMALL = MobileSamConfig(encoder=ENCODER, feedforward=64, iou_hidden=32)
BOX = torch.tensor([2, 3])


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> MobileSam:
    """From a file with the published names."""
    path = tmp_path_factory.mktemp("published") / "mobile_sam.pt"
    shapes = GOLDEN["parameters"].items()
    torch.save({k: torch.from_numpy(weight(k, tuple(s))) if s else torch.tensor(0) for k, s in shapes}, path)
    return runpy.run_path(str(ROOT / "tools" / "graft_prior.py"))["read_mobile_sam"](path, SMALL)


@cache
def picture(side: int) -> Tensor:
    """What is frame 0 of the recipe after SAM's normalisation, ``[1, 3, side, side]``."""
    mean, std = torch.tensor([123.675, 116.28, 103.53]) / 255, torch.tensor([58.395, 57.12, 57.375]) / 255
    return torch.from_numpy(frame(0, side))[None] * std[:, None, None] + mean[:, None, None]


def clicks(side: int) -> tuple[Tensor, Tensor]:
    """Two clicks on each of two objects."""
    return torch.tensor([[[0.3, 0.4], [0.7, 0.2]], [[0.9, 0.1], [0.5, 0.5]]]) * side, torch.tensor([[1, 0], [1, 1]])


def boxes(side: int) -> tuple[Tensor, Tensor]:
    return torch.tensor([[[0.2, 0.1], [0.6, 0.5]], [[0.1, 0.5], [0.9, 0.8]]]) * side, BOX.expand(2, -1)


def check(key: str, found: Tensor) -> None:
    expected = GOLDEN["outputs"][key]
    assert list(found.shape) == expected["shape"]
    sample = found.flatten()[:: expected["stride"]]
    torch.testing.assert_close(sample, torch.tensor(expected["sample"]), atol=1e-4, rtol=1e-4)
    assert float(found.mean()) == pytest.approx(expected["mean"], abs=1e-4)
    assert float(found.std(correction=0)) == pytest.approx(expected["std"], abs=1e-4)


@pytest.mark.parametrize("side", [128, 320])
def test_it_agrees_with_the_original(network: MobileSam, side: int) -> None:
    _, embedding = network.encode(picture(side))
    check(f"{side}/embedding", embedding)
    mask = torch.from_numpy(ellipse(side // 4))[None, None] * 20 - 10
    alone = torch.zeros(2, 0, 2), torch.zeros(2, 0, dtype=torch.int64), mask
    asked = {"points": clicks(side), "box": boxes(side), "mask": (*clicks(side), mask), "mask alone": alone}
    for case, told in asked.items():
        found = network.ask(embedding, *told)
        check(f"{side}/{case}/logits", found.logits)
        check(f"{side}/{case}/iou", found.iou)
        assert found.score.shape == (2, 0)


@pytest.mark.parametrize("side", [64, 192, 256])
def test_any_multiple_of_64_can_be_encoded(network: MobileSam, side: int) -> None:
    maps, embedding = network.encode(torch.rand(2, 3, side, side))
    sides = [side // stride for stride in (4, 8, 16, 16)]
    shapes = [(2, dim, n, n) for dim, n in zip(ENCODER.dims, sides, strict=True)]
    assert [tuple(one.shape) for one in maps] == shapes
    assert embedding.shape == (2, 256, side // 16, side // 16)


@pytest.mark.parametrize("shape", [(1, 3, 100, 100), (1, 3, 64, 128), (1, 1, 64, 64), (3, 64, 64), (1, 3, 0, 0)])
def test_other_shapes_are_refused_by_name(network: MobileSam, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"side is a multiple of 64; got \[" + ", ".join(map(str, shape))):
        network.encode(torch.zeros(shape))


def test_images_are_encoded_alike_alone_and_together(network: MobileSam) -> None:
    """Together they are more than is computed at once; and twice the same is the same to the bit."""
    images = torch.rand(3, 3, 192, 192, generator=torch.Generator().manual_seed(0))
    maps, embedding = network.encode(images)
    again = network.encode(images)
    assert all(torch.equal(*pair) for pair in zip((*maps, embedding), (*again[0], again[1]), strict=True))
    for i in range(3):
        alone = network.encode(images[i : i + 1])
        for one, all_of_them in zip((*alone[0], alone[1]), (*maps, embedding), strict=True):
            torch.testing.assert_close(one, all_of_them[i : i + 1], atol=1e-4, rtol=1e-4)


def test_objects_are_asked_alike_alone_and_together(network: MobileSam) -> None:
    _, embedding = network.encode(picture(128))
    for points, labels in (clicks(128), boxes(128)):
        together = network.ask(embedding, points, labels)
        for i in range(2):
            alone = network.ask(embedding, points[i : i + 1], labels[i : i + 1])
            torch.testing.assert_close(alone.logits[0], together.logits[i], atol=1e-4, rtol=1e-4)


def test_a_mask_may_be_the_only_prompt_and_have_any_size(network: MobileSam) -> None:
    _, embedding = network.encode(picture(128))
    nothing = torch.zeros(1, 0, 2), torch.zeros(1, 0, dtype=torch.int64)
    small, large = (torch.from_numpy(ellipse(side))[None, None] * 20 - 10 for side in (32, 64))
    answers = [network.ask(embedding, *nothing, mask).logits for mask in (None, small, large)]
    assert [tuple(one.shape) for one in answers] == [(1, 4, 32, 32)] * 3
    assert (answers[1] - answers[2]).abs().mean() < 0.5 * (answers[1] - answers[0]).abs().mean()


def test_a_batch_normalisation_is_folded_into_the_convolution_before_it() -> None:
    torch.manual_seed(0)
    conv, norm = torch.nn.Conv2d(4, 6, 3, bias=False), torch.nn.BatchNorm2d(6).eval()
    for value in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
        torch.nn.init.uniform_(value, 0.5, 1.5)
    state = {f"{name}.{key}": v for name, part in (("c", conv), ("bn", norm)) for key, v in part.state_dict().items()}
    fold = runpy.run_path(str(ROOT / "tools" / "graft_prior.py"))["fold"]
    x = torch.randn(2, 4, 8, 8)
    torch.testing.assert_close(torch.nn.functional.conv2d(x, *fold(state, "c", "bn", norm.eps)), norm(conv(x)))

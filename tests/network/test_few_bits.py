"""Matrices in few bits: close to what they were, exact once they are rounded, and damaged files told in words."""

from __future__ import annotations

import json
import runpy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from napari_medsam2.cli.model_info import about_file
from napari_medsam2.errors import CheckpointError
from napari_medsam2.models.loading import load_model
from napari_medsam2.models.registry import MODELS, local_file
from napari_medsam2.network.checkpoints import load_checkpoint
from napari_medsam2.network.few_bits import BITS, pack, pack_state, unpack, unpack_state
from napari_medsam2.network.interface import PromptTensors, no_prompts

TOOLS = Path(__file__).parents[2] / "tools"
SHAPES = [(96, 200), (48, 40, 3, 3), (480, 1, 3, 3), (1, 70, 64), (33, 1, 5, 7), (5, 64)]


def _noise(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0)) * 0.02


def _there_and_back(tensor: Tensor, bits: int) -> Tensor:
    return unpack(*pack(tensor, bits), tensor.shape, bits)


@pytest.mark.parametrize(("bits", "most"), [(4, 0.11), (5, 0.055), (6, 0.03), (7, 0.015), (8, 0.01)])
def test_a_matrix_comes_back_nearly_as_it_was(bits: int, most: float) -> None:
    matrix = _noise(256, 320)
    codes, scales = pack(matrix, bits)
    assert (codes.dtype, scales.dtype) == (torch.uint8, torch.float16)
    assert (list(codes.shape), list(scales.shape)) == ([256 * 320 * bits // 8], [256, 5])
    assert (unpack(codes, scales, matrix.shape, bits) - matrix).norm() < most * matrix.norm()


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size", [1.0, 1e-4, 1e-6])
def test_what_was_rounded_once_is_packed_again_without_loss(shape: tuple[int, ...], bits: int, size: float) -> None:
    once = _there_and_back(_noise(*shape) * size, bits)
    assert (once.shape, once.dtype) == (shape, torch.float32)
    assert torch.equal(_there_and_back(once, bits), once)


def test_the_stream_of_bits_is_as_documented() -> None:
    codes, scales = pack(torch.tensor([[1.0, -2.0, 15.0], [0.0, 0.0, 0.0]]), 5)
    assert scales.tolist() == [[1.0], [0.0]]
    stream = sum(code << 5 * place for place, code in enumerate([16, 13, 30, 15, 15, 15]))
    assert bytes(codes.tolist()) == stream.to_bytes(4, "little")


def test_an_output_of_zeros_stays_one_and_does_not_touch_its_neighbours() -> None:
    matrix = _noise(4, 100)
    matrix[1] = 0
    back = _there_and_back(matrix, 8)
    assert not back[1].any()
    assert torch.equal(back[2:3], _there_and_back(matrix[2:3], 8))


def test_cutting_off_the_largest_numbers_serves_the_others() -> None:
    matrix = _noise(256, 64)
    width = matrix.abs().amax(1, keepdim=True) / 7
    whole = (matrix / width).round() * width
    assert (_there_and_back(matrix, 4) - matrix).norm() < 0.95 * (whole - matrix).norm()


@pytest.mark.parametrize(
    ("tensor", "bits", "told"),
    [
        (torch.ones(2, 2), 3, "4 to 8 bits; got 3"),
        (torch.ones(4), 8, r"two axes or more; this one's shape is \[4\]"),
        (torch.tensor([[1.0, float("nan")]]), 8, "finite and at most 8.319e"),
        (torch.tensor([[1.0, 1e8]]), 8, "finite and at most 8.319e"),
    ],
)
def test_what_cannot_be_packed_is_told(tensor: Tensor, bits: int, told: str) -> None:
    with pytest.raises(CheckpointError, match=told):
        pack(tensor, bits)


def _state() -> dict[str, Tensor]:
    return {"a.weight": _noise(64, 80), "b.weight": _noise(64, 80), "a.bias": _noise(5000), "c.weight": _noise(8, 8)}


def test_only_large_matrices_are_packed_and_the_rest_is_half_precision() -> None:
    state, asked = _state(), []

    def bits_of(name: str, value: Tensor) -> int | None:
        asked.append(name)
        return 6 if name == "a.weight" else None

    tensors, metadata = pack_state(state, bits_of)
    assert asked == ["a.weight", "b.weight"]
    assert list(tensors) == ["a.weight:codes", "a.weight:scales", "b.weight", "a.bias", "c.weight"]
    assert json.loads(metadata["few_bits"]) == {"a.weight": {"bits": 6, "shape": [64, 80]}}
    back = unpack_state(tensors, metadata)
    assert torch.equal(back.pop("a.weight"), _there_and_back(state["a.weight"], 6))
    assert back.keys() == state.keys() - {"a.weight"}
    assert all(torch.equal(value, state[name].half()) for name, value in back.items())
    assert pack_state(state, lambda name, value: None)[1] == {}
    with pytest.raises(CheckpointError, match=r"a\.weight: .* got 9"):
        pack_state(state, lambda name, value: 9)


Damage = Callable[[dict[str, Tensor], dict[str, str]], object]


def _described(**changes: object) -> Damage:
    told = {"a.weight": {"bits": 6, "shape": [64, 80], **changes}}
    return lambda tensors, metadata: metadata.update(few_bits=json.dumps(told))


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda t, m: t.pop("a.weight:scales"), "a.weight is kept in few bits, and a.weight:scales is missing"),
        (lambda t, m: t.pop("a.weight:codes"), "a.weight:codes is missing"),
        (lambda t, m: t.update({"a.weight": torch.ones(1)}), "a.weight is there twice"),
        (lambda t, m: t.update({"a.weight:codes": torch.ones(7, dtype=torch.uint8)}), r"has codes .* \[3840\], not "),
        (
            lambda t, m: t.update({"a.weight:codes": t["a.weight:codes"].view(torch.int8)}),
            "has codes uint8 .* not int8",
        ),
        (lambda t, m: t.update({"a.weight:scales": torch.ones(64, 2)}), "has scales float16 .* not float32"),
        (lambda t, m: t["a.weight:scales"].fill_(torch.inf), "some of its scales are not finite"),
        (lambda t, m: m.clear(), "belongs to a matrix in few bits, of which the file's metadata says nothing"),
        (lambda t, m: m.update(few_bits="{"), "should be a JSON object with bits and shape by name; it is '{'"),
        (lambda t, m: m.update(few_bits="[" * 10**5), "should be a JSON object"),
        (lambda t, m: m.update(few_bits="[1]"), "should be a JSON object"),
        (lambda t, m: m.update(few_bits='{"a.weight": 6}'), "should be a JSON object"),
        (_described(shape=None), "should be a JSON object"),
        (_described(bits=3), "4 to 8 bits; got 3"),
        (_described(bits=6.0), "4 to 8 bits; got 6.0"),
        (_described(bits="6"), "4 to 8 bits; got '6'"),
        (_described(shape=[5120]), r"two to eight whole numbers above zero; it is \[5120\]"),
        (_described(shape=[64, -80]), "whole numbers above zero"),
        (_described(shape=[64, 10**400]), "with bits and shape by name"),
        (_described(shape=[2**30] * 8), "has codes uint8"),
    ],
)
def test_a_damaged_file_is_told_in_words(tmp_path: Path, damage: Damage, told: str) -> None:
    tensors, metadata = pack_state(_state(), lambda name, value: 6 if name == "a.weight" else None)
    damage(tensors, metadata)
    save_file(tensors, tmp_path / "bad.safetensors", metadata)
    with pytest.raises(CheckpointError, match=f"bad.safetensors is damaged: .*{told}"):
        load_checkpoint(tmp_path / "bad.safetensors")


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled weights in four bits."""
    out = tmp_path_factory.mktemp("packed") / "packed.safetensors"
    pack_weights = runpy.run_path(str(TOOLS / "pack_weights.py"))["main"]
    assert pack_weights([str(out), str(local_file(MODELS["micro"])), "4"]) == 0
    return out


def test_the_bundled_network_in_four_bits_sees_about_the_same(packed: Path) -> None:
    assert packed.stat().st_size < 0.65 * local_file(MODELS["micro"]).stat().st_size
    image = torch.rand(1, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    image[..., 40:80, 30:90] *= 0.3
    point = {"points": torch.tensor([[60.0, 60.0]]), "point_labels": torch.tensor([1])}
    answers = []
    for name in ("micro", packed):
        network = load_model(name, device="cpu").network
        prompts = PromptTensors(**{**no_prompts(), **point})
        answers.append(network.segment(network.encode_image(image), prompts, [], mode="stack").logits.sigmoid())
    assert answers[0].max() > 0.9
    assert (answers[1] - answers[0]).abs().mean() < 0.03
    assert ", 4 bits, float16 " in " ".join(about_file(packed).split())


def test_packed_weights_can_be_averaged_and_packed_again(
    packed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    average, again = (runpy.run_path(str(TOOLS / f"{name}_weights.py"))["main"] for name in ("average", "pack"))
    out = tmp_path / "out.safetensors"
    assert average([str(out), str(local_file(MODELS["micro"])), f"{packed}=3"]) == 0
    assert {value.dtype for value in load_file(out).values()} == {torch.float16}
    load_model(out, device="cpu")

    assert again([str(out), str(packed), "6", "trunk.stage2."]) == 0
    assert "million numbers in 6 bits, " in capsys.readouterr().out
    assert all(name.startswith("trunk.stage2.") for name in load_file(out) if ":" in name)
    load_model(out, device="cpu")
    assert again([str(out), str(packed), "12"]) == 1
    assert "4 to 8 bits; got 12" in capsys.readouterr().err
    assert again([str(out), str(packed)]) == 2

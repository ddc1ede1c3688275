"""Every published layout: built with made weights, saved in each format, recognised, and loaded to the same output."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from layouts import GOLDEN_NAMES, efficienttam_shapes, made_weights, shapes_of, transformers_names
from napari_medsam2.models import load_model
from napari_medsam2.network.checkpoints import CheckpointError, read_checkpoint, recognise
from napari_medsam2.network.config import LAYOUTS, ConfigError, architecture, layout
from napari_medsam2.network.interface import PromptTensors, Recall, no_prompts
from napari_medsam2.network.names import from_transformers, meta_names
from napari_medsam2.network.sam2 import Sam2, empty_sam2
from napari_medsam2.registry import MODELS

_SIZE = 64


def _answer(network: nn.Module) -> tuple[Tensor, ...]:
    """A click on one image, remembered, and the next image from memory."""
    assert isinstance(network, Sam2)
    first, second = torch.rand(2, 1, 3, _SIZE, _SIZE, generator=torch.Generator().manual_seed(1))
    features = network.encode_image(first)
    click = PromptTensors(**{**no_prompts(), "points": torch.tensor([[30.0, 20.0]]), "point_labels": torch.tensor([1])})
    found = network.segment(features, click, [], ordered=True, n_frames=2)
    memory = network.encode_memory(features, found, found.logits.repeat(1, 1, 4, 4), prompted=True)
    recalls = [Recall(memory, offset=1, pinned=True)]
    then = network.segment(network.encode_image(second), None, recalls, ordered=True, n_frames=2)
    return found.logits, then.logits, torch.tensor([found.iou, then.iou, found.objectness, then.objectness])


def _files(name: str, weights: dict[str, Tensor], folder: Path) -> Iterator[Path]:
    """The weights in each format, one file at a time; version 2.0 in those two that have names of their own."""
    path = folder / "weights.pt"
    torch.save({"model": weights, "epoch": 3}, path)
    yield path
    if "2.0" not in name:
        torch.save(weights, path)
        yield path
    path.unlink()
    path = folder / "weights.safetensors"
    whole = {key: value.clone(memory_format=torch.contiguous_format) for key, value in weights.items()}
    if "2.0" not in name:
        save_file(whole, path)
        yield path
    if name in GOLDEN_NAMES:
        theirs = {
            key: torch.cat([whole[part] for part in ours]) if isinstance(ours, list) else whole[ours].clone()
            for key, ours in transformers_names(name).items()
        }
        save_file(theirs, path)
        yield path
    path.unlink()


_ALL = [*GOLDEN_NAMES, "efficienttam tiny", "efficienttam small"]


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name.endswith("large") else name for name in _ALL]
)
def test_a_published_layout_comes_back_from_every_format_to_the_same_output(name: str, tmp_path: Path) -> None:
    weights = made_weights(shapes_of(name))
    network = empty_sam2(replace(layout(name), image_size=_SIZE))
    network.load_state_dict(weights)
    expected = _answer(network.eval())
    assert all(part.isfinite().all() for part in expected)
    assert expected[0].std() > 0
    for path in _files(name, weights, tmp_path):
        model = load_model(path, device="cpu", image_size=_SIZE)
        assert architecture(model.network.config) == name  # type: ignore[union-attr]
        for found, wanted in zip(_answer(model.network), expected, strict=True):
            assert torch.equal(found, wanted), path


@pytest.mark.parametrize("name", _ALL)
def test_names_and_shapes_are_the_published_ones(name: str) -> None:
    with torch.device("meta"):
        own = Sam2(layout(name)).state_dict()
    assert {key: list(value.shape) for key, value in own.items()} == shapes_of(name)


@pytest.mark.parametrize("name", GOLDEN_NAMES)
def test_names_of_transformers_become_those_of_meta(name: str) -> None:
    known = transformers_names(name)
    assert meta_names(known) == {key: tuple(ours) if isinstance(ours, list) else (ours,) for key, ours in known.items()}


def _parameters(name: str) -> int:
    return sum(torch.Size(shape).numel() for shape in shapes_of(name).values())


def test_each_entry_of_the_table_is_a_layout_that_we_build() -> None:
    published = [entry for entry in MODELS.values() if not entry.bundled]
    assert all(architecture(layout(entry.architecture)) == entry.architecture for entry in published)
    # A file holds its weights in single precision and, for each of them, a few hundred bytes of bookkeeping.
    spare = {entry.name: entry.size_bytes - 4 * _parameters(entry.architecture) for entry in published}
    assert all(0 <= size < 300_000 for size in spare.values()), spare


def test_efficienttam_files_are_as_large_as_our_networks() -> None:
    """The published sizes leave the same few hundred bytes a weight as those of SAM 2: no weight is missing in ours."""
    spare = {}
    for name in ("sam2.1-tiny", "efficienttam-small", "efficienttam-tiny"):
        entry = MODELS[name]
        spare[name] = (entry.size_bytes - 4 * _parameters(entry.architecture)) / len(shapes_of(entry.architecture))
    assert all(250 < each < 400 for each in spare.values()), spare


def test_an_architecture_that_is_unknown_is_refused() -> None:
    assert architecture(replace(LAYOUTS["tiny"], dim=128)) == "unknown"
    for name in ("sam2.1 giant", "sam2.7 tiny", "vit"):
        with pytest.raises(ConfigError):
            layout(name)


def test_a_plain_trunk_of_another_width_is_refused() -> None:
    with torch.device("meta"):
        weights = {name: torch.empty(shape) for name, shape in efficienttam_shapes(256).items()}
    with pytest.raises(CheckpointError, match=r"EfficientTAM with 256 channels and 12 blocks .* small: 384 channels"):
        recognise(weights)


def test_the_two_copies_of_the_point_code_may_be_stored_once(tmp_path: Path) -> None:
    """Tied weights are one in a safetensors file, under either name."""
    for kept in ("shared_image_embedding", "prompt_encoder.shared_embedding"):
        theirs = {"vision_encoder.backbone.patch_embed.projection.weight": torch.zeros(1)}
        theirs[f"{kept}.positional_embedding"] = torch.ones(2, 128)
        ours = from_transformers(theirs)
        assert "sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix" in ours
        save_file(theirs, tmp_path / "a.safetensors")
        assert read_checkpoint(tmp_path / "a.safetensors").names == "transformers"

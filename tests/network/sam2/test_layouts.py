"""Every model of the table: built with made weights, saved in each format, recognised, loaded to the same output."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from layouts import GOLDEN_NAMES, efficienttam_shapes, made_weights, shapes_of, transformers_names
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

from napari_medsam2.errors import CheckpointError, ConfigError
from napari_medsam2.models import registry
from napari_medsam2.models.loading import load_model
from napari_medsam2.models.registry import MODELS, ModelEntry, local_file, own_file
from napari_medsam2.network.checkpoints import load_checkpoint, read_checkpoint, recognise
from napari_medsam2.network.interface import PromptTensors, Recall, SegmentationNetwork, no_prompts
from napari_medsam2.network.micro.config import MicroConfig
from napari_medsam2.network.micro.network import MicroNetwork
from napari_medsam2.network.sam2.config import BEHAVIOURS, LAYOUTS, architecture, layout
from napari_medsam2.network.sam2.names import from_transformers, meta_names
from napari_medsam2.network.sam2.network import Sam2
from napari_medsam2.network.unfilled import unfilled

_SIZE = 64
_ALL = [*GOLDEN_NAMES, "efficienttam tiny", "efficienttam small"]
#: The entry of each architecture whose file is written in every format; the others of it hold the same names.
_IN_EVERY_FORMAT = {entry.architecture: entry.name for entry in MODELS.values()}


def _answer(network: SegmentationNetwork) -> tuple[Tensor, ...]:
    """A click on one image, remembered, and the next image from memory."""
    side = network.image_size
    first, second = torch.rand(2, 1, 3, side, side, generator=torch.Generator().manual_seed(1))
    features = network.encode_image(first)
    click = PromptTensors(**{**no_prompts(), "points": torch.tensor([[30.0, 20.0]]), "point_labels": torch.tensor([1])})
    found = network.segment(features, click, [], mode="stack", n_frames=2)
    mask = functional.interpolate(found.logits, size=(side, side))
    memory = network.encode_memory(features, found, mask, prompted=True)
    recalls = [Recall(memory, offset=1, pinned=True)]
    then = network.segment(network.encode_image(second), None, recalls, mode="stack", n_frames=2)
    return found.logits, then.logits, torch.tensor([found.iou, then.iou, found.objectness, then.objectness])


def _weights_of(entry: ModelEntry) -> dict[str, Tensor]:
    """Made weights, or those that are bundled."""
    return load_checkpoint(local_file(entry)) if entry.bundled else made_weights(shapes_of(entry.architecture))


def _reference(entry: ModelEntry, weights: dict[str, Tensor]) -> SegmentationNetwork:
    """What the table says, built without reading a file."""
    network: SegmentationNetwork
    if entry.bundled:
        network = MicroNetwork(MicroConfig(prior_dim=96))
    else:
        behaviour = BEHAVIOURS[entry.behaviour]
        config = replace(layout(entry.architecture), image_size=_SIZE, behaviour=behaviour)
        network = unfilled(lambda: Sam2(config))
    network.load_state_dict(weights)
    return network.eval().requires_grad_(False)


def _sizes(network: SegmentationNetwork) -> object:
    assert isinstance(network, Sam2 | MicroNetwork)
    return network.config


def _files(entry: ModelEntry, weights: dict[str, Tensor], path: Path) -> Iterator[tuple[str, Path]]:
    """The weights in one format after the other, where the file of the model is looked for if its name allows that."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pickled = path.with_suffix(".pt") if path.suffix == ".safetensors" else path
    beside = {"optimizer": {"state": {}, "param_groups": [{"lr": 1e-4}]}, "epoch": 3, "best_tol": 0.5}
    torch.save({"model": weights, **(beside if entry.behaviour == "zhu-2d" else {})}, pickled)
    yield "under model", pickled
    if _IN_EVERY_FORMAT[entry.architecture] != entry.name:
        return
    torch.save(weights, pickled)
    yield "bare", pickled
    pickled.unlink()
    whole = {key: value.clone(memory_format=torch.contiguous_format) for key, value in weights.items()}
    save_file(whole, path)
    yield "safetensors", path
    if entry.architecture in GOLDEN_NAMES:
        theirs = {
            key: torch.cat([whole[part] for part in ours]) if isinstance(ours, list) else whole[ours].clone()
            for key, ours in transformers_names(entry.architecture).items()
        }
        path.unlink()
        save_file(theirs, path)
        yield "names of transformers", path


def _larger(entry: ModelEntry) -> bool:
    """Larger than tiny, and written in every format; what is special about its layout is tested without its weights."""
    return not entry.architecture.endswith(("tiny", "micro")) and _IN_EVERY_FORMAT[entry.architecture] == entry.name


@pytest.mark.parametrize(
    "entry",
    [pytest.param(e, id=e.name, marks=[pytest.mark.slow] * _larger(e)) for e in MODELS.values()],
)
def test_each_model_comes_back_from_its_file_to_the_same_output(
    entry: ModelEntry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = _weights_of(entry)
    reference = _reference(entry, weights)
    expected = _answer(reference)
    assert all(part.isfinite().all() for part in expected)
    assert expected[0].std() > 0
    monkeypatch.setenv("NAPARI_MEDSAM2_MODELS", str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(registry, "BUNDLED", tmp_path / "weights")  # where the bundled file is looked for
    size = None if entry.bundled else _SIZE
    path = own_file(entry)
    wanted = reference.state_dict()
    seen = []
    for kind, file in _files(entry, weights, path):
        network = load_model(
            entry.name if file == path else file, device="cpu", image_size=size, precision="float32"
        ).network
        assert _sizes(network) == _sizes(reference), kind
        found = network.state_dict()
        assert found.keys() == wanted.keys(), kind
        assert all(torch.equal(found[name], wanted[name]) for name in wanted), kind
        # Equal sizes and weights give equal output: of the largest network, it is computed from one format only.
        if not (seen and entry.architecture.endswith("large")):
            assert all(map(torch.equal, _answer(network), expected)), kind
        seen.append(kind)
        del network, found  # before the next one is built
    path.unlink(missing_ok=True)  # up to 450 MB
    in_all = ["under model", "bare", "safetensors", *["names of transformers"] * (entry.architecture in GOLDEN_NAMES)]
    assert seen == (in_all if _IN_EVERY_FORMAT[entry.architecture] == entry.name else in_all[:1])


@pytest.mark.parametrize("name", _ALL)
def test_names_and_shapes_are_the_published_ones(name: str) -> None:
    with torch.device("meta"):
        own = Sam2(layout(name)).state_dict()
    assert {key: list(value.shape) for key, value in own.items()} == shapes_of(name)
    assert architecture(recognise(own)) == name


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

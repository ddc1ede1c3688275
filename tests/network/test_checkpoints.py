"""Checkpoint files: all released layouts are known, and whatever cannot be used is refused in words."""

from __future__ import annotations

import pickle
import random
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from golden.cases import SMALL, build
from golden.recipe import layouts
from napari_medsam2.errors import CheckpointError
from napari_medsam2.network.checkpoints import fit, load_checkpoint, load_config, read_checkpoint, recognise
from napari_medsam2.network.few_bits import pack_state
from napari_medsam2.network.sam2.config import LAYOUTS
from napari_medsam2.network.sam2.network import Sam2

RELEASED = {
    f"{prefix}_hiera_{short}": (version, size)
    for prefix, version in (("sam2", "2.0"), ("sam2.1", "2.1"))
    for short, size in (("t", "tiny"), ("s", "small"), ("b+", "base+"), ("l", "large"))
}


@pytest.fixture(scope="module")
def weights() -> dict[str, Tensor]:
    return build("small_128").state_dict()


@pytest.mark.parametrize("layout", RELEASED)
def test_every_released_layout_is_recognised_and_has_our_names_and_shapes(layout: str) -> None:
    version, size = RELEASED[layout]
    with torch.device("meta"):
        published = {name: torch.empty(shape) for name, shape in layouts()[layout].items()}
        config = recognise(published)
        own = Sam2(config).state_dict()
    assert config == replace(LAYOUTS[size], version=version)
    assert {name: value.shape for name, value in own.items()} == {name: v.shape for name, v in published.items()}


@pytest.mark.parametrize("wrap", ["model", "bare", "several devices", "safetensors"])
def test_weights_are_found_however_they_were_saved(tmp_path: Path, weights: dict[str, Tensor], wrap: str) -> None:
    path = tmp_path / "weights.pt"
    if wrap == "safetensors":
        save_file(weights, path)  # told by content: the name says otherwise
    elif wrap == "model":
        torch.save({"model": weights, "epoch": 7, "optimizer": {"lr": 0.1}}, path)
    elif wrap == "several devices":
        torch.save({f"module.{name}": value for name, value in weights.items()}, path)
    else:
        torch.save(weights, path)
    loaded = load_checkpoint(path)
    assert loaded.keys() == weights.keys()
    network = Sam2(recognise(loaded, {"small": SMALL}))
    fit(network, loaded)
    assert all(torch.equal(value, weights[name]) for name, value in network.state_dict().items())


def test_weights_of_medsam2_of_zhu_are_found_beside_its_parameters(tmp_path: Path, weights: dict[str, Tensor]) -> None:
    """Its training saves the state beside the parameters that belong to no layer."""
    alone = {"no_mem_embed": torch.nn.Parameter(torch.zeros(3))}
    torch.save({"model": weights, "parameter": alone}, tmp_path / "MedSAM2_pretrain.pth")
    found = read_checkpoint(tmp_path / "MedSAM2_pretrain.pth")
    assert found.weights.keys() == weights.keys()
    assert (found.container, found.beside, found.names) == ("model", ("parameter",), "Meta")


@pytest.mark.parametrize("wrapper", ["_orig_mod.", "model.", "module._orig_mod."])
def test_names_lose_what_training_put_before_them(tmp_path: Path, weights: dict[str, Tensor], wrapper: str) -> None:
    torch.save({"state_dict": {f"{wrapper}{name}": value for name, value in weights.items()}}, tmp_path / "a.pt")
    assert read_checkpoint(tmp_path / "a.pt", mapped=True).weights.keys() == weights.keys()


@pytest.mark.parametrize(
    ("names", "what"),
    [
        (["image_encoder.patch_embed.proj.weight", "mask_decoder.iou_token.weight"], "the first SAM or MedSAM"),
        (["vision_encoder.patch_embed.projection.weight"], "the first SAM or MedSAM"),
        (["image_encoder.layers.0.blocks.0.weight"], "MobileSAM"),
        (["detector.backbone.vision_backbone.trunk.pos_embed"], "SAM 3"),
        (["spatial_perceiver.latents", "image_encoder.trunk.body.stem.weight"], "EdgeTAM"),
        (["encoder.stages.0.0.convs.0.conv.weight"], "nnU-Net"),
        (["blocks.0.attn.qkv.weight", "patch_embed.proj.weight"], "an image trunk alone"),
        (["sam_mask_decoder.iou_token.weight"], "without the image encoder"),
        (["image_encoder.trunk.blocks.0.attn.qkv.lora_A.weight"], "an adapter"),
    ],
)
def test_the_error_guesses_what_a_file_is(names: list[str], what: str) -> None:
    with pytest.raises(CheckpointError, match=what) as error:
        recognise({name: torch.zeros(1) for name in names})
    assert names[0] in str(error.value)


def test_half_precision_weights_become_full_precision(weights: dict[str, Tensor]) -> None:
    network = Sam2(SMALL)
    fit(network, {name: value.bfloat16() for name, value in weights.items()})
    assert {p.dtype for p in network.parameters()} == {torch.float32}


class _Code:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (Path("ran.txt"),)  # type: ignore[return-value]


def test_a_file_that_would_run_code_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"model": _Code()}, tmp_path / "bad.pt")
    (tmp_path / "worse.pt").write_bytes(pickle.dumps(_Code()))
    for name in ("bad.pt", "worse.pt"):
        with pytest.raises(CheckpointError, match=f"{name} was not opened: it holds more than weights"):
            load_checkpoint(tmp_path / name)
    assert not (tmp_path / "ran.txt").exists()


def test_a_file_that_unpacks_to_far_more_than_it_is_is_not_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weights: dict[str, Tensor]
) -> None:
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("it was unpacked"))
    with zipfile.ZipFile(tmp_path / "bomb.pt", "w", zipfile.ZIP_DEFLATED) as parts:
        parts.writestr("archive/data.pkl", bytes(20_000_000))
    with pytest.raises(CheckpointError, match=r"0\.0\d+ MB that unpacks to 20 MB holds no weights"):
        load_checkpoint(tmp_path / "bomb.pt")


@pytest.mark.parametrize("keep", [0, 3, 20, 5000, -100])
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_a_file_that_is_cut_short_is_refused(
    tmp_path: Path, weights: dict[str, Tensor], suffix: str, keep: int
) -> None:
    path = tmp_path / f"weights{suffix}"
    few = dict(list(weights.items())[:40])
    if suffix == ".pt":
        torch.save({"model": few}, path)
    else:
        save_file(few, path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match=f"weights{suffix} (cannot be read|is no checkpoint|was not opened)"):
        load_checkpoint(path)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ([1, 2], "holds a list, not a table"),
        ({"epoch": 3}, "holds no weights; its entries are epoch"),
        ({"model": {}}, "holds no weights; its entries are nothing"),
    ],
)
def test_a_file_without_weights_is_refused(tmp_path: Path, content: object, told: str) -> None:
    torch.save(content, tmp_path / "odd.pt")
    with pytest.raises(CheckpointError, match=told):
        load_checkpoint(tmp_path / "odd.pt")


def test_text_and_missing_files_and_folders_are_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.pt").write_text("these are notes\n" * 20)
    (tmp_path / "empty.pt").touch()
    (tmp_path / "page.pt").write_text("\n<!DOCTYPE html><title>Please log in</title>")
    (tmp_path / "pointer.pt").write_text("version https://git-lfs.github.com/spec/v1\n")
    for name, told in (
        ("notes.pt", "no checkpoint: it is neither"),
        ("empty.pt", "it is empty"),
        ("page.pt", "it is a web page"),
        ("pointer.pt", "`git lfs pull` fetches"),
        ("absent.pt", "No such file"),
        (".", "directory"),
    ):
        with pytest.raises(CheckpointError, match=told):
            load_checkpoint(tmp_path / name)


def test_another_network_is_refused(weights: dict[str, Tensor]) -> None:
    with pytest.raises(CheckpointError, match=r"not weights of a SAM 2.*there are head\.weight"):
        recognise({"head.weight": torch.zeros(1)})
    with pytest.raises(CheckpointError, match=r"16 channels and blocks \(1, 1, 3, 1\) is not known; known are tiny"):
        recognise(weights)


def test_a_network_with_odd_names_or_shapes_is_refused() -> None:
    patches = "image_encoder.trunk.patch_embed.proj.weight"
    with pytest.raises(CheckpointError, match=r"has four axes; here its shape is \[3\]"):
        recognise({patches: torch.zeros(3)})
    with pytest.raises(CheckpointError, match=r"96 channels and blocks \(0,\) is not known"):
        recognise({patches: torch.zeros(96, 3, 7, 7), "image_encoder.trunk.blocks.first.weight": torch.zeros(1)})


def test_what_does_not_fit_is_listed(weights: dict[str, Tensor]) -> None:
    changed = dict(weights)
    del changed["no_mem_embed"]
    changed["extra.weight"] = torch.zeros(1)
    changed["no_obj_ptr"] = torch.zeros(1, 3)
    with pytest.raises(CheckpointError) as error:
        fit(Sam2(SMALL), changed)
    assert "1 missing: no_mem_embed; 1 unexpected: extra.weight" in str(error.value)
    assert "1 of another shape: no_obj_ptr [1, 3] instead of [1, 64]" in str(error.value)


def test_a_file_carries_its_configuration(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file({"x": torch.zeros(1)}, path, {"config": '{"image_size": 64}'})
    assert load_config(path) == {"image_size": 64}
    save_file({"x": torch.zeros(1)}, path)
    assert load_config(path) is None
    for text in ("[1]", "{"):
        save_file({"x": torch.zeros(1)}, path, {"config": text})
        with pytest.raises(CheckpointError):
            load_config(path)


@pytest.mark.parametrize("kind", ["zip", "older", "safetensors", "few bits"])
def test_a_file_that_is_damaged_anywhere_is_refused_or_read(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "weights"
    weights = {f"layer{number}.weight": torch.ones(3, 4) for number in range(6)}
    if kind == "safetensors":
        save_file(weights, path)
    elif kind == "few bits":
        tensors, metadata = pack_state({"layer.weight": torch.ones(64, 64)}, lambda name, value: 6)
        save_file(tensors, path, metadata)
    else:
        torch.save(weights, path, _use_new_zipfile_serialization=kind == "zip")
    whole, rng = path.read_bytes(), random.Random(0)
    refused = 0
    for _ in range(200):
        damaged = bytearray(whole)
        for _ in range(rng.choice([1, 3, 20])):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        path.write_bytes(damaged)
        for mapped in (False, True):
            try:
                read_checkpoint(path, mapped=mapped)
            except CheckpointError:
                refused += 1
    assert refused > 50

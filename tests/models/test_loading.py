"""The list of models, devices, and loading by name or from a file."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import napari_medsam2
from golden.cases import build
from golden.recipe import frame
from napari_medsam2.cli.model_info import about_file
from napari_medsam2.errors import ConfigError, ModelError
from napari_medsam2.models.device import choose_device
from napari_medsam2.models.loading import load_model
from napari_medsam2.models.registry import MODELS, local_file
from napari_medsam2.network import checkpoints
from napari_medsam2.network.interface import PromptTensors, Recall, no_prompts
from napari_medsam2.network.micro.config import MicroConfig
from napari_medsam2.network.micro.network import MicroNetwork
from napari_medsam2.network.sam2.config import LAYOUTS
from napari_medsam2.network.sam2.network import Sam2
from napari_medsam2.network.sam2.precision import working_dtype


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of models instead of the user's."""
    monkeypatch.setenv("NAPARI_MEDSAM2_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


def test_listing_the_models_needs_no_torch() -> None:
    code = (
        "import sys, napari_medsam2.models.registry as m; assert len(m.MODELS) > 10; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_bundled_model_comes_first_and_every_entry_is_complete() -> None:
    assert next(iter(MODELS)) == "micro"
    assert [entry.name for entry in MODELS.values() if entry.bundled] == ["micro"]
    for name, entry in MODELS.items():
        assert entry.name == name == name.lower()
        assert all((entry.title, entry.purpose, entry.trained_for, entry.licence_words, entry.citation, entry.file)), (
            name
        )
        assert entry.bundled or (entry.repo and entry.page.startswith("https://"))
        assert entry.sha256 is None or re.fullmatch("[0-9a-f]{64}", entry.sha256)
        assert not any("{" in url for url in entry.alternatives)
        assert entry.bundled or entry.source.startswith("https://")
        assert entry.image_size % 32 == 0
        assert entry.size_bytes >= 1_000_000
    assert len({entry.file for entry in MODELS.values()}) == len(MODELS)


def test_a_published_model_that_is_not_here_says_where_to_get_it(folder: Path) -> None:
    with pytest.raises(ModelError) as error:
        load_model("medsam2")
    told = str(error.value)
    assert MODELS["medsam2"].source in told
    assert str(folder / "MedSAM2_latest.pt") in told
    assert "--model FILE" in told


def test_an_unknown_model_says_what_there_is() -> None:
    with pytest.raises(ModelError, match=r"no model and no file named 'medsm2' \(did you mean medsam2\?\); .* micro, "):
        load_model("medsm2")


def test_the_cpu_is_always_there() -> None:
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device().type in ("cuda", "mps", "cpu")


@pytest.mark.parametrize("name", ["gpu", "cuda:x", "cuda:²", ""])
def test_an_unknown_device_is_refused(name: str) -> None:
    with pytest.raises(ModelError, match="must be auto, cuda, mps or cpu; got"):
        choose_device(name)


def test_a_device_that_is_absent_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(ModelError, match=r"cuda is not available: .*; available: cpu"):
        choose_device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ModelError, match="cuda:3 is not available: there are 1 GPUs"):
        choose_device("cuda:3")
    assert choose_device() == torch.device("cuda")


SMALL_MICRO = MicroConfig(image_size=64, widths=(8, 8, 16, 16), match_dim=8, heads=2, head_dim=8)


def _save_micro(path: Path, **changes: object) -> MicroNetwork:
    torch.manual_seed(0)
    network = MicroNetwork(SMALL_MICRO)
    weights = {name: value.half().contiguous() for name, value in network.state_dict().items()}
    save_file(weights, path, {"config": json.dumps({**asdict(SMALL_MICRO), **changes})})
    return network


def test_a_micro_file_brings_its_sizes(tmp_path: Path) -> None:
    _save_micro(tmp_path / "mine.safetensors")
    model = load_model(tmp_path / "mine.safetensors", device="cpu")
    assert isinstance(model.network, MicroNetwork)
    assert model.network.config == SMALL_MICRO
    assert (model.name, model.region, model.image_size) == ("mine", True, 64)
    assert not model.network.training
    assert not any(p.requires_grad for p in model.network.parameters())
    assert model.network.encode_image(torch.rand(1, 3, 64, 64)).descriptor.isfinite().all()


@pytest.mark.parametrize("wrap", ["model", "bare", "safetensors"])
def test_the_bundled_network_is_told_from_its_weights_alone(tmp_path: Path, wrap: str) -> None:
    """Without the configuration that its own file carries, and in every format."""
    torch.manual_seed(0)
    network = MicroNetwork(MicroConfig())
    path = tmp_path / "weights"
    weights = {name: value.contiguous() for name, value in network.state_dict().items()}
    if wrap == "safetensors":
        save_file(weights, path)
    else:
        torch.save({"model": weights} if wrap == "model" else weights, path)
    loaded = load_model(path, device="cpu").network
    assert isinstance(loaded, MicroNetwork)
    assert all(torch.equal(value, weights[name]) for name, value in loaded.state_dict().items())
    with pytest.raises(ModelError, match="float32 only"):
        load_model(path, device="cpu", precision="bfloat16")


def test_half_precision_on_request_gives_nearly_the_same_masks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = build("small_128")
    monkeypatch.setattr(checkpoints, "recognise", lambda weights: small.config)
    torch.save(small.state_dict(), tmp_path / "own.pt")
    masks, checksums = [], set()
    for precision in ("float32", "bfloat16"):
        model = load_model(tmp_path / "own.pt", device="cpu", precision=precision)
        checksums.add(model.checksum)
        network = model.network
        features = network.encode_image(torch.from_numpy(frame(0, 128))[None])
        point = {"points": torch.tensor([[65.0, 50.0]]), "point_labels": torch.tensor([1])}
        first = network.segment(features, PromptTensors(**{**no_prompts(), **point}), [], mode="stack")
        logits = torch.nn.functional.interpolate(first.logits, size=(128, 128))
        memory = network.encode_memory(features, first, logits, prompted=True)
        second = network.encode_image(torch.from_numpy(frame(1, 128))[None])
        found = network.segment(second, None, [Recall(memory, offset=1, pinned=True)], mode="stack", n_frames=2)
        assert found.logits.dtype == torch.float32
        masks.append(torch.cat([first.logits, found.logits]))
    assert not torch.equal(masks[0], masks[1])
    assert len(checksums) == 1  # a task file that one of them made is for the other, too
    overlap = (masks[0] > 0) & (masks[1] > 0)
    assert overlap.sum() / ((masks[0] > 0) | (masks[1] > 0)).sum() >= 0.98
    with pytest.raises(ModelError, match="precision must be auto, float32 or bfloat16; got 'half'"):
        load_model(tmp_path / "own.pt", precision="half")


@pytest.mark.parametrize(("able", "chosen"), [({"avx512_bf16": True}, "bfloat16"), ({"avx2": True}, "float32")])
def test_a_cpu_that_multiplies_in_bfloat16_does_so_unless_told_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, able: dict[str, bool], chosen: str
) -> None:
    small = build("small_128")
    monkeypatch.setattr(checkpoints, "recognise", lambda weights: small.config)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able, raising=False)
    torch.save(small.state_dict(), tmp_path / "own.pt")
    network = load_model(tmp_path / "own.pt", device="cpu").network
    assert isinstance(network, Sam2)
    assert str(working_dtype(network)) == f"torch.{chosen}"


def test_a_micro_file_of_another_version_is_refused(tmp_path: Path) -> None:
    _save_micro(tmp_path / "newer.safetensors", colour="blue")
    with pytest.raises(checkpoints.CheckpointError, match=r"not one of this version: .*colour"):
        load_model(tmp_path / "newer.safetensors")


@pytest.mark.parametrize(
    "change",
    [{"widths": 8}, {"widths": [8, 8, 16]}, {"match_dim": -1}, {"heads": None}, {"image_size": 33}, {"head_dim": "x"}],
)
def test_sizes_that_no_micro_network_has_are_refused(change: dict[str, object], tmp_path: Path) -> None:
    _save_micro(tmp_path / "odd.safetensors", **change)
    told = rf"odd\.safetensors is not one of this version: {next(iter(change))} of the micro network must be"
    with pytest.raises(checkpoints.CheckpointError, match=told):
        load_model(tmp_path / "odd.safetensors", device="cpu")


def test_sizes_that_do_not_fit_each_other_are_refused(tmp_path: Path) -> None:
    _save_micro(tmp_path / "odd.safetensors", widths=[8, 8, 16, 26])
    for use in (load_model, about_file):
        with pytest.raises(
            checkpoints.CheckpointError, match=r"odd\.safetensors is not one of this version: .*divisible"
        ):
            use(tmp_path / "odd.safetensors")


@pytest.mark.parametrize("told", [{"vit": 5}, {"stages": [1]}, {"image_size": "x"}, {"behaviour": []}])
def test_settings_that_no_sam2_has_are_refused(told: dict[str, object], tmp_path: Path) -> None:
    save_file({"weight": torch.ones(2)}, tmp_path / "odd.safetensors", {"sam2": json.dumps(told)})
    with pytest.raises(checkpoints.CheckpointError, match=r"odd\.safetensors is not one of this version"):
        load_model(tmp_path / "odd.safetensors", device="cpu")


def test_an_input_that_the_bundled_network_cannot_take_is_refused() -> None:
    with pytest.raises(ConfigError, match="image_size of the micro network must be a multiple of 16; got 100"):
        load_model("micro", device="cpu", image_size=100)


def test_a_home_folder_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelError, match=r"no home folder for ~nobody-of-this-name/own\.pt"):
        load_model("~nobody-of-this-name/own.pt")
    monkeypatch.setenv("NAPARI_MEDSAM2_MODELS", "~nobody-of-this-name/models")
    with pytest.raises(ModelError, match="no home folder for ~nobody-of-this-name/models"):
        load_model("medsam2")


def test_a_file_of_a_published_model_gets_its_settings(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a small network in place of the released one."""
    small = build("small_128")
    monkeypatch.setattr(checkpoints, "recognise", lambda weights: small.config)
    torch.save({"model": small.state_dict()}, tmp_path / "MedSAM2_pretrain.pth")
    model = load_model(tmp_path / "MedSAM2_pretrain.pth", device="cpu", image_size=128)
    assert (model.name, model.image_size, model.region) == ("medsam-2-zhu", 128, None)
    assert not model.network.config.behaviour.pointers

    torch.save({"model": small.state_dict()}, tmp_path / "own.pt")
    assert load_model(str(tmp_path / "own.pt"), device="cpu").image_size == small.config.image_size

    folder.mkdir()
    torch.save(small.state_dict(), folder / "MedSAM2_latest.pt")
    assert load_model("MedSAM2", device="cpu").image_size == 512


def test_the_bundled_file_would_be_inside_the_package() -> None:
    assert local_file(MODELS["micro"]).parent == Path(napari_medsam2.__file__).parent / "weights"
    assert LAYOUTS["tiny"].image_size == 1024

"""The list of models, devices, and loading by name or from a file."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from golden.cases import build
from napari_medsam2 import models
from napari_medsam2.model_files import download_model, import_model
from napari_medsam2.models import MODELS, ModelError, choose_device, load_model, local_file
from napari_medsam2.network import checkpoints
from napari_medsam2.network.config import LAYOUTS
from napari_medsam2.network.micro import MicroConfig, MicroNetwork


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of models instead of the user's."""
    monkeypatch.setenv("NAPARI_MEDSAM2_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


def test_listing_the_models_needs_no_torch() -> None:
    code = "import sys, napari_medsam2.models as m; assert len(m.MODELS) > 10; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_bundled_model_comes_first_and_every_entry_is_complete() -> None:
    assert next(iter(MODELS)) == "micro"
    assert [entry.name for entry in MODELS.values() if entry.bundled] == ["micro"]
    for name, entry in MODELS.items():
        assert entry.name == name == name.lower()
        assert all((entry.title, entry.purpose, entry.licence, entry.citation, entry.file)), name
        assert entry.bundled or entry.source.startswith("https://")
        assert entry.image_size % 32 == 0
        assert entry.size_mb > 0
    assert len({entry.file for entry in MODELS.values()}) == len(MODELS)


def test_a_published_model_that_is_not_here_says_where_to_get_it(folder: Path) -> None:
    with pytest.raises(ModelError) as error:
        load_model("medsam2")
    told = str(error.value)
    assert MODELS["medsam2"].source in told
    assert str(folder / "MedSAM2_latest.pt") in told
    assert "--model FILE" in told


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file as the authors of MedSAM2 publish it, of a small network; the table points at it in place of the web."""
    small = build("small_128")
    monkeypatch.setattr(checkpoints, "recognise", lambda weights: small.config)
    path = tmp_path / "server" / "MedSAM2_latest.pt"
    path.parent.mkdir()
    torch.save({"model": small.state_dict()}, path)
    entry = replace(MODELS["medsam2"], source=path.as_uri())
    monkeypatch.setattr(models, "MODELS", {**MODELS, "medsam2": entry})
    return path


def test_a_published_model_is_fetched_once_and_found_by_its_name(folder: Path, published: Path) -> None:
    told: list[tuple[int, int]] = []
    path = download_model("MedSAM2", progress=lambda done, total: told.append((done, total)))
    assert path == folder / "MedSAM2_latest.pt"
    assert told[-1] == (published.stat().st_size,) * 2
    assert load_model("medsam2", device="cpu").name == "medsam2"
    published.unlink()
    assert download_model("medsam2") == path
    assert download_model("micro") == local_file(MODELS["micro"])


def test_what_cannot_be_fetched_or_loaded_leaves_nothing_behind(folder: Path, published: Path) -> None:
    published.write_bytes(b"<html>not found</html>")
    with pytest.raises(checkpoints.CheckpointError, match="no checkpoint"):
        download_model("medsam2")
    published.unlink()
    with pytest.raises(ModelError, match="could not be fetched"):
        download_model("medsam2")
    with pytest.raises(ModelError, match=r"no model named 'medsm2' \(did you mean medsam2\?\)"):
        download_model("medsm2")
    assert list(folder.iterdir()) == []


def test_a_file_at_hand_is_taken_in_under_the_name_of_its_model(folder: Path, published: Path) -> None:
    assert import_model(published) == import_model(folder / published.name) == folder / published.name
    other = published.rename(published.with_name("mine.pt"))
    with pytest.raises(ModelError, match="--as"):
        import_model(other)
    assert import_model(other, "medsam2-2411") == folder / "MedSAM2_2411.pt"
    assert other.is_file()
    with pytest.raises(ModelError, match="inside the package"):
        import_model(other, "micro")
    with pytest.raises(ModelError, match="no file"):
        import_model(other.with_name("gone.pt"))


def test_an_unknown_model_says_what_there_is() -> None:
    with pytest.raises(ModelError, match=r"no model and no file named 'medsm2' \(did you mean medsam2\?\); .* micro, "):
        load_model("medsm2")


def test_the_cpu_is_always_there() -> None:
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device().type in ("cuda", "mps", "cpu")


@pytest.mark.parametrize("name", ["gpu", "cuda:x", ""])
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


def test_a_micro_file_of_another_version_is_refused(tmp_path: Path) -> None:
    _save_micro(tmp_path / "newer.safetensors", colour="blue")
    with pytest.raises(checkpoints.CheckpointError, match=r"not one of this version: .*colour"):
        load_model(tmp_path / "newer.safetensors")


def test_a_file_of_a_published_model_gets_its_settings(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a small network in place of the released one."""
    small = build("small_128")
    monkeypatch.setattr(checkpoints, "recognise", lambda weights: small.config)
    torch.save({"model": small.state_dict()}, tmp_path / "MedSAM2_pretrain.pth")
    model = load_model(tmp_path / "MedSAM2_pretrain.pth", device="cpu", image_size=128)
    assert (model.name, model.image_size, model.region) == ("medsam-2-zhu", 128, False)
    assert not model.network.config.behaviour.pointers

    torch.save({"model": small.state_dict()}, tmp_path / "own.pt")
    assert load_model(str(tmp_path / "own.pt"), device="cpu").image_size == small.config.image_size

    folder.mkdir()
    torch.save(small.state_dict(), folder / "MedSAM2_latest.pt")
    assert load_model("MedSAM2", device="cpu").image_size == 512


def test_the_bundled_file_would_be_inside_the_package() -> None:
    assert local_file(MODELS["micro"]).parent == Path(models.__file__).parent / "weights"
    assert LAYOUTS["tiny"].image_size == 1024

"""With which settings a file is run whose content does not tell."""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from layouts import made_weights, shapes_of

from napari_medsam2.cli.main import main
from napari_medsam2.cli.model_info import about_file
from napari_medsam2.errors import CheckpointError, ModelError
from napari_medsam2.models.files import import_model
from napari_medsam2.models.loading import load_model
from napari_medsam2.models.registry import MODELS
from napari_medsam2.models.settings import entry_for, remember, unclear


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of models instead of the user's."""
    monkeypatch.setenv("NAPARI_MEDSAM2_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


def _saved(path: Path, layout: str) -> Path:
    torch.save({"model": made_weights(shapes_of(layout))}, path)
    return path


@pytest.mark.parametrize(
    ("layout", "choices"),
    [
        ("sam2.1 tiny", ["sam2.1-tiny", "medsam2"]),
        ("sam2.0 small", ["sam2.0-small", "medsam-2-zhu"]),
        ("sam2.0 tiny", []),
        ("efficienttam tiny", []),
    ],
)
def test_a_file_that_was_renamed_may_be_several_models(layout: str, choices: list[str], tmp_path: Path) -> None:
    assert [entry.name for entry in unclear(_saved(tmp_path / "renamed.pt", layout))] == choices


def test_what_the_user_said_once_is_remembered_wherever_the_file_goes(tmp_path: Path) -> None:
    path = _saved(tmp_path / "renamed.pt", "sam2.1 tiny")
    assert entry_for(path) is None and load_model(path, device="cpu").image_size == 1024
    remember(path, "medsam2")
    moved = path.rename(tmp_path / "again.pt")
    assert not unclear(moved) and load_model(moved, device="cpu").image_size == 512
    other = tmp_path / "other.pt"
    torch.save({"model": made_weights(shapes_of("sam2.1 tiny")), "epoch": 2}, other)
    assert entry_for(other) is None  # not a word was said of this one
    assert load_model(other, device="cpu", settings="medsam2").image_size == 512


def test_a_damaged_memory_is_asked_again(tmp_path: Path, folder: Path) -> None:
    path = _saved(tmp_path / "renamed.pt", "sam2.1 tiny")
    remember(path, "medsam2")
    for content in ("[" * 10_000, "[]", '{"a": 1}'):
        (folder / "settings.json").write_text(content)
        assert entry_for(path) is None
    remember(path, "medsam2")
    assert entry_for(path) == MODELS["medsam2"]


def test_a_published_file_under_another_name_is_known_by_its_checksum(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _saved(tmp_path / "renamed.pt", "sam2.0 small")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    published = replace(MODELS["medsam-2-zhu"], size_bytes=path.stat().st_size, sha256=digest)
    monkeypatch.setitem(MODELS, "medsam-2-zhu", published)  # type: ignore[arg-type]
    assert entry_for(path) == published and not unclear(path)
    assert not load_model(path, device="cpu").network.config.behaviour.pointers
    assert "told by its checksum" in " ".join(about_file(path).split())


def test_a_file_that_a_browser_fetched_twice_keeps_its_name(tmp_path: Path) -> None:
    assert entry_for(_saved(tmp_path / "MedSAM2_latest (1).pt", "sam2.1 tiny")) == MODELS["medsam2"]


@pytest.mark.parametrize(
    "name",
    [
        "efficienttam_s_1.pt",
        "efficienttam_s_2.pt",
        "efficienttam_ti_1.pt",
        "efficienttam_ti_2 (3).pt",
        "EfficientTAM_ti_2_512x512.pt",
    ],
)
def test_files_that_would_compute_something_else_are_refused(name: str, tmp_path: Path) -> None:
    path = _saved(tmp_path / name, "efficienttam tiny")
    for use in (load_model, about_file, import_model, unclear):
        with pytest.raises(CheckpointError, match="averages its memory"):
            use(path)
    with pytest.raises(CheckpointError, match="averages its memory"):
        import_model(path, "efficienttam-tiny")
    renamed = path.rename(tmp_path / "renamed.pt")
    assert "nothing in a renamed file tells them apart" in " ".join(about_file(renamed).split())


def test_the_command_asks_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path, frames = _saved(tmp_path / "renamed.pt", "sam2.1 tiny"), tmp_path / "none.tif"
    asked: list[str] = []

    class Terminal:
        def isatty(self) -> bool:
            return True

        def readline(self) -> str:
            asked.append("medsam2")
            return "medsam2\n"

    monkeypatch.setattr("sys.stdin", Terminal())
    for _ in range(2):
        _settle(["segment", str(frames), "-o", str(tmp_path / "o.tif"), "--model", str(path), "--box", "0,1,1,9,9"])
    assert asked == ["medsam2"] and entry_for(path) == MODELS["medsam2"]
    assert "sam2.1-tiny (1024 pixels); medsam2 (512 pixels)" in capsys.readouterr().err


def test_without_a_terminal_the_command_says_what_it_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = _saved(tmp_path / "renamed.pt", "sam2.0 small")
    monkeypatch.setattr("sys.stdin", io.StringIO())
    _settle(["segment", "none.tif", "-o", "o.tif", "--model", str(path)])
    assert "It is run as sam2.0-small; --settings NAME says otherwise" in capsys.readouterr().err
    _settle(["segment", "none.tif", "-o", "o.tif", "--model", str(path), "--settings", "medsam-2-zhu"])
    assert entry_for(path) == MODELS["medsam-2-zhu"]


@pytest.mark.parametrize("arguments", [["--settings", "medsam2"], ["--model", "medsam2", "--settings", "medsam2"]])
def test_settings_without_a_file_are_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:

    assert main(["bench", *arguments]) == 2
    assert "--settings is for a file of weights" in capsys.readouterr().err


def test_a_wrong_answer_is_told(tmp_path: Path) -> None:
    path = _saved(tmp_path / "renamed.pt", "sam2.1 tiny")
    with pytest.raises(ModelError, match="no model named 'medsam3'"):
        remember(path, "medsam3")
    with pytest.raises(ModelError, match="micro has its settings in its file"):
        remember(path, "micro")


def _settle(arguments: list[str]) -> Any:
    """Only as far as the question goes: the networks of these layouts are large."""
    from napari_medsam2.cli.console import settle_model
    from napari_medsam2.cli.main import build_parser

    return settle_model(build_parser().parse_args(arguments))

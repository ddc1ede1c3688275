"""What `models list` and `models info` print, about models and about files."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from layouts import made_weights, shapes_of, transformers_names
from safetensors.torch import save_file

from napari_medsam2.cli.main import main
from napari_medsam2.cli.model_info import about_file, about_model, listing
from napari_medsam2.errors import CheckpointError
from napari_medsam2.models import speed
from napari_medsam2.models.registry import MODELS, groups
from napari_medsam2.models.speed import estimate_seconds


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Empty folders instead of the user's."""
    monkeypatch.setenv("NAPARI_MEDSAM2_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "models"


def test_the_list_has_a_heading_for_each_purpose_and_a_line_for_each_model() -> None:
    lines = listing().splitlines()
    assert (
        [line for line in lines if line in groups()]
        == list(groups())
        == ["Works at once", "Medical", "General", "Light"]
    )
    for entry in MODELS.values():
        (line,) = (line for line in lines if line.split()[:1] == [entry.name])
        assert entry.licence_label in line
        assert line.split()[1] == ("yes" if entry.bundled else "-")
        below = (other.strip() for other in lines[lines.index(line) :] if other.startswith(" " * 6))
        assert next(below) == entry.purpose


@pytest.mark.parametrize("columns", [60, 80, 100, 140])
def test_the_list_fits_the_terminal(
    columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    assert main(["models", "list"]) == 0
    told = capsys.readouterr().out
    models = [line for line in told.splitlines() if line.split()[:1] and line.split()[0] in MODELS]
    assert len(models) == len(MODELS)
    assert max(map(len, models)) <= 80
    assert max(len(line) for line in told.splitlines() if line not in models and "licence" not in line) <= columns
    assert all(entry.purpose in " ".join(told.split()) for entry in MODELS.values())


def test_a_file_that_is_here_is_marked(folder: Path) -> None:
    folder.mkdir()
    (folder / MODELS["medsam2"].file).touch()
    (line,) = (line for line in listing().splitlines() if line.startswith("  medsam2 "))
    assert line.split()[1] == "yes"
    assert "(here)" in about_model(MODELS["medsam2"])
    assert "models download" not in about_model(MODELS["medsam2"])


@pytest.mark.parametrize("entry", MODELS.values(), ids=lambda entry: entry.name)
def test_the_page_of_a_model_says_what_a_user_needs(entry: Any) -> None:
    told = " ".join(about_model(entry).split())
    for fact in (entry.title, entry.purpose, entry.trained_for, entry.licence_words, entry.citation, entry.page):
        assert fact in told
    assert ("non-commercial" in told) is entry.non_commercial
    assert entry.size_label in told and f"{entry.image_size} x {entry.image_size} pixels" in told
    assert f"--model {entry.name}" in told
    assert (f"models download {entry.name}" in told) is not entry.bundled
    assert all(url in told for url in entry.alternatives)
    assert all(
        len(line) <= 100 or "/" in line or line.startswith("  napari") for line in about_model(entry).splitlines()
    )


def test_only_the_licences_that_forbid_it_are_called_non_commercial() -> None:
    assert {entry.name for entry in MODELS.values() if entry.non_commercial} == {
        name for name in MODELS if name.startswith("medsam2")
    }


def test_a_file_is_told_by_its_content(tmp_path: Path) -> None:
    weights = made_weights(shapes_of("sam2.1 tiny"))
    torch.save({"model": weights, "epoch": 3}, tmp_path / "mine.pt")
    told = " ".join(about_file(tmp_path / "mine.pt").split())
    assert "PyTorch checkpoint" in told and "471 weights, 38.96 million numbers, bfloat16, float32" in told
    assert 'under "model", beside epoch' in told
    assert "network sam2.1 tiny, as medsam2, " in told
    assert "fits yes" in told and "--settings NAME" in told


def test_a_file_with_the_name_of_a_published_one_is_told_to_get_its_settings(tmp_path: Path) -> None:
    torch.save(made_weights(shapes_of("efficienttam tiny")), tmp_path / "efficienttam_ti_512x512.pt")
    told = " ".join(about_file(tmp_path / "efficienttam_ti_512x512.pt").split())
    assert "network efficienttam tiny, as efficienttam-tiny" in told
    assert "settings those of efficienttam-tiny, told by the name" in told


def test_a_file_that_does_not_fit_is_told_with_what_is_wrong(tmp_path: Path, capsys: Any) -> None:
    weights = made_weights(shapes_of("sam2.0 tiny"))
    few = {name: value for name, value in weights.items() if not name.startswith("memory_")}
    torch.save(few, tmp_path / "part.pt")
    assert main(["models", "info", str(tmp_path / "part.pt")]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "fits no: " in told and "missing: memory_attention." in told
    assert "This may be a SAM 2 without its memory" in told
    assert "Use it" not in told


def test_a_file_of_transformers_and_an_exact_copy_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.safetensors"
    theirs = {name: torch.zeros(1, dtype=torch.float16) for name in transformers_names("sam2.1 tiny")}
    theirs["vision_encoder.backbone.patch_embed.projection.weight"] = torch.zeros(96, 3, 7, 7)
    save_file(theirs, path)
    told = " ".join(about_file(path).split())
    assert "names those of Hugging Face's transformers" in told and "float16, float32" in told
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    copy = replace(MODELS["sam2.1-tiny"], size_bytes=path.stat().st_size, sha256=digest)
    monkeypatch.setitem(MODELS, "sam2.1-tiny", copy)  # type: ignore[arg-type]
    assert "exactly the file of sam2.1-tiny" in about_file(path)


def test_what_is_no_checkpoint_or_no_model_is_refused(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "notes.pt").write_text("notes " * 20)
    with pytest.raises(CheckpointError, match="no checkpoint"):
        about_file(tmp_path / "notes.pt")
    assert main(["models", "info", str(tmp_path / "none.pt")]) == 2
    assert "no model and no file named" in capsys.readouterr().err


def test_the_estimate_grows_with_the_work_and_shrinks_with_the_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "_gflop_a_second", lambda: 100.0)
    seconds = {name: estimate_seconds(entry, "cpu") for name, entry in MODELS.items()}
    assert all(value is not None for value in seconds.values())
    assert seconds["micro"] < seconds["efficienttam-tiny"] < seconds["medsam2"] < seconds["sam2.1-tiny"]  # type: ignore[operator]
    assert seconds["sam2.1-large"] == pytest.approx(1.5 * MODELS["sam2.1-large"].gflop / 100)
    assert estimate_seconds(MODELS["sam2.1-large"], "cuda") is None


def test_the_speed_of_this_computer_is_measured() -> None:
    assert 0.01 < speed._gflop_a_second() < 1e6


@pytest.mark.parametrize("name", ["medsam2", "efficienttam-tiny", "micro"])
def test_the_work_of_a_frame_is_as_the_table_says(name: str) -> None:
    from torch.utils.flop_counter import FlopCounterMode

    from napari_medsam2.network.micro.config import MicroConfig
    from napari_medsam2.network.micro.network import MicroNetwork
    from napari_medsam2.network.sam2.config import layout
    from napari_medsam2.network.sam2.memory import MemoryTokens
    from napari_medsam2.network.sam2.network import Sam2

    entry = MODELS[name]
    side = entry.image_size
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        if name == "micro":
            micro = MicroNetwork(MicroConfig(image_size=side, prior_dim=96)).eval()
            features = micro.encode_image(torch.rand(1, 3, side, side), "flow")
            found = micro.segment(features, None, [], mode="flow")
            micro.encode_memory(features, found, torch.rand(1, 1, side, side), prompted=False)
        else:
            with torch.device("meta"):
                network = Sam2(replace(layout(entry.architecture), image_size=side)).eval()
                grid = side // 16
                *fine, coarse = network.encode(torch.rand(1, 3, side, side))
                maps, pointers = torch.rand(1, 7, grid**2, 64), torch.rand(1, 28, 64)
                coarse = network.attend(coarse, MemoryTokens(maps, maps, pointers, pointers))
                tokens, dense = torch.rand(1, 2, 256), torch.rand(1, 256, 1, 1)
                code = network.sam_prompt_encoder.pe_layer.grid(grid)
                network.sam_mask_decoder(coarse, code, tuple(fine), tokens, dense)
                network.memory_encoder(coarse, torch.rand(1, 1, side, side))
    tolerance = 0.3 if name == "micro" else 0.02  # the bundled network may learn new tricks
    assert counter.get_total_flops() / 1e9 == pytest.approx(entry.gflop, rel=tolerance)

"""Fine-tuning from the command line: scores before and after, and the best weights are kept."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors import safe_open
from training_helpers import (
    discs,
    small_micro,
    steps_in,
    write_pairs,
    write_small_micro,
)

from napari_medsam2.cli.main import main
from napari_medsam2.models.loading import load_model
from napari_medsam2.training.config import CONFIG, from_json
from napari_medsam2.training.data.pairs import read_labelled
from napari_medsam2.training.run.files import PICTURE, WEIGHTS


def tuned(folder: Path, data: Path, *changes: str) -> list[str]:
    small = ["--steps", "4", "--validations", "2", "--pixels", "25000", "--first-length", "2", "--length", "3"]
    return ["train", str(folder), "--data", str(data), *small, "--workers", "0", "--device", "cpu", *changes]


def test_fine_tuning_scores_before_and_after_and_its_weights_load(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_pairs(tmp_path / "cells", *discs(8))
    start = str(write_small_micro(tmp_path / "small.safetensors"))
    assert main(tuned(tmp_path / "run", data, "--model", start, "--learning-rate", "3e-3", "--ema", "0")) == 0
    said = capsys.readouterr()
    before, after = map(float, re.search(r"before (\d\.\d+), after (\d\.\d+)", said.out).groups())
    assert after >= before
    assert "held out: 2 of 8 images of cells" in said.err
    run = tmp_path / "run"
    assert load_model(run / WEIGHTS, device="cpu").network.config == small_micro().config
    assert steps_in(run) == [1, 2, 3, 4]
    assert from_json(json.loads((run / CONFIG).read_text())).model == start
    with safe_open(run / WEIGHTS, "pt") as file:
        told = json.loads(file.metadata()["training"])
    assert (told["model"], told["data"]) == ("small.safetensors", ["cells"]), (
        "weights travel; folders are nobody's business"
    )
    with Image.open(run / PICTURE) as picture:
        assert picture.size == (960, 640)
        assert len(picture.getcolors(1 << 20)) > 20


def test_weights_that_got_worse_are_not_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = write_pairs(tmp_path / "cells", *discs(8))
    run, small = tmp_path / "run", write_small_micro(tmp_path / "small.safetensors")
    assert main(tuned(run, data, "--model", str(small), "--learning-rate", "3", "--ema", "0")) == 0
    assert "no better, so the weights are the ones that it started from" in capsys.readouterr().out
    start, kept = (load_model(what, device="cpu").network.state_dict() for what in (small, run / WEIGHTS))
    assert all(torch.equal(start[name], kept[name]) for name in start)


def documented(page: str) -> list[list[str]]:
    """The `train` commands of a page that make or use the example."""
    lines = (Path(__file__).parents[3] / page).read_text().splitlines()
    calls = [shlex.split(line) for line in lines if line.startswith("napari-medsam2 train ")]
    return [call[1:] for call in calls if "cells-example" in call]


def test_the_commands_of_the_readme_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a smaller network and a single step; `make test-slow` runs them as they are."""
    monkeypatch.chdir(tmp_path)
    write_small_micro(Path("small.safetensors"))
    shorter = [
        "--steps",
        "1",
        "--validations",
        "0",
        "--pixels",
        "9000",
        "--model",
        "small.safetensors",
        "--workers",
        "0",
    ]
    example, train = documented("README.md")
    assert main(example) == 0
    (found,) = read_labelled([Path(example[1])]).datasets
    assert (found.mode, len(found.frames), list(found.objects)) == ("flow", 32, [1])
    assert main(example) == 2
    assert "already" in capsys.readouterr().err
    assert main([*train, *shorter, "--device", "cpu"]) == 0
    assert Path("runs/cells", WEIGHTS).is_file() and Path("runs/cells", PICTURE).is_file()


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_smoke_training_of_the_readme_improves_the_score(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for command in documented("README.md"):
        assert main(command) == 0
    before, after = map(float, re.search(r"before (\d\.\d+), after (\d\.\d+)", capsys.readouterr().out).groups())
    assert after > before + 0.1

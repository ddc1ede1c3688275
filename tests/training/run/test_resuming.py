"""Runs that were killed or stopped go on as if nothing had happened."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from training_helpers import (
    TINY,
    TINY_OPTIONS,
    same_weights,
    steps_in,
    trainer_in,
    write_small_micro,
)

from napari_medsam2.cli.main import main
from napari_medsam2.models.loading import load_model
from napari_medsam2.training.config import CONFIG, make_config
from napari_medsam2.training.run.files import CURVE, STATE, WEIGHTS


def test_the_command_trains_resumes_and_never_overwrites_a_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(tmp_path / "run")
    tiny = ["--pixels", "9000", "--size", "64", "--length", "2", "--first-length", "2", "--workers", "0"]
    assert main(["train", folder, "--steps", "1", *tiny]) == 0
    assert main(["train", folder]) == 2
    assert "--resume" in capsys.readouterr().err
    assert main(["train", folder, "--resume", "--steps", "2"]) == 0
    lines = (tmp_path / "run" / "curve.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["step", "1", "2"]
    model = load_model(tmp_path / "run" / WEIGHTS, device="cpu")
    assert model.region and model.image_size == 256


def _until(stream: io.BufferedReader, pattern: bytes) -> bytes:
    """Read what a process writes until it matches, or ends."""
    said = b""
    while not re.search(pattern, said):
        more = stream.read1(4096)
        if not more:
            break
        said += more
    return said


def test_a_run_killed_with_kill_9_goes_on_as_if_nothing_had_happened(tmp_path: Path) -> None:
    start = ["--model", str(write_small_micro(tmp_path / "small.safetensors")), "--steps", "5", "--save-every", "0"]
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert main(["train", str(whole), *start, *TINY_OPTIONS]) == 0

    command = [sys.executable, "-m", "napari_medsam2", "train", str(broken), *start, *TINY_OPTIONS]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        said = _until(process.stderr, rb"\b[2-4]/5")
        process.kill()
    assert process.returncode == -9, said.decode()
    assert main(["train", str(broken), "--resume", "--device", "cpu"]) == 0
    assert {file.name for file in broken.iterdir()} == {file.name for file in whole.iterdir()}, "no draft is left"

    assert steps_in(broken) == list(range(1, 6))
    assert same_weights(whole, broken)
    exported, expected = load_file(broken / WEIGHTS), load_file(whole / WEIGHTS)
    assert all(torch.equal(exported[name], expected[name]) for name in expected)


def test_the_curve_loses_what_came_after_the_saved_state(tmp_path: Path) -> None:
    trainer = trainer_in(tmp_path, replace(TINY, steps=2))
    trainer.run(lambda *_: None)
    with (tmp_path / CURVE).open("a") as file:
        file.write("3,0.5,0.1,1,0.2,0.3,0.4,0,0,0\n4,0.5,0.")
    again = trainer_in(tmp_path, replace(TINY, steps=3))
    again.resume()
    again.run(lambda *_: None)
    assert steps_in(tmp_path) == [1, 2, 3]


def test_a_run_that_ended_before_its_first_save_starts_again(tmp_path: Path) -> None:
    trainer = trainer_in(tmp_path)
    trainer.resume()
    assert trainer.step == 0


def test_stopping_saves_the_step_in_progress(tmp_path: Path) -> None:
    trainer = trainer_in(tmp_path)

    def stop(step: int, _: dict[str, float]) -> None:
        trainer.stop = True

    trainer.run(stop)
    assert torch.load(tmp_path / STATE, weights_only=True)["step"] == trainer.step == 2


def test_what_a_run_is_about_cannot_change_on_resuming(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / CONFIG).write_text(json.dumps(make_config({"data": ("/a",)}).as_json()))
    assert main(["train", str(tmp_path), "--resume", "--data", "/b"]) == 2
    assert "data belongs to the run from its start and was ('/a',)" in capsys.readouterr().err

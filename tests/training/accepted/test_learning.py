"""Training on accepted frames, and the simulation of a user who does that."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from fakes import command, moving_disc

from napari_medsam2.errors import DatasetError
from napari_medsam2.images.datasets import Dataset
from napari_medsam2.images.formats import as_frames
from napari_medsam2.models.loading import load_model
from napari_medsam2.training.accepted.learning import LeftOut, learn
from napari_medsam2.training.accepted.lesson import Lesson
from napari_medsam2.training.accepted.loop import simulate, thirds

CPU = torch.device("cpu")


def discs(n_frames: int, mode: str = "flow") -> Dataset:
    frames, masks = moving_disc(n_frames, (48, 64))
    return Dataset("discs", mode, as_frames(frames), masks.astype(np.uint8), {1: "disc"})


def test_weights_are_offered_only_if_they_are_better_on_what_was_left_out(tmp_path: Path) -> None:
    lesson, steps = Lesson(discs(4), (0, 1, 2, 3)), []
    learned = learn(
        tmp_path, lesson, steps=2, pixels=1, adapt=False, device=CPU, on_step=lambda trainer: steps.append(trainer.step)
    )
    assert steps == [1, 2]
    assert (learned.weights is None) == (learned.after <= learned.before)
    assert 0 <= learned.before <= learned.after <= 1
    weights = tmp_path / "weights.safetensors"
    again = load_model(str(weights), device="cpu")
    score = LeftOut(lesson, again.name, again.region, adapt=False).score(again.network, CPU)
    assert score.dice == pytest.approx(learned.after, abs=0.02), "the file has what was scored, in half precision"


def test_thirds_go_outwards_from_the_prompt_in_a_stack_and_need_enough_frames() -> None:
    assert thirds(discs(9)) == ((0, 1, 2), (3, 4, 5))
    first, second = thirds(discs(9, "stack"))
    assert 0 in first and len(first) == len(second) == 3 and not set(first) & set(second)
    with pytest.raises(DatasetError, match="8 frames with objects: thirds of it are too few"):
        thirds(discs(8))


@pytest.mark.slow
def test_the_loop_counts_the_same_frames_with_and_without(tmp_path: Path) -> None:
    said: list[str] = []
    row = simulate(load_model("micro", device="cpu"), discs(9), tmp_path, steps=1, adapt=False, told=said.append)
    assert row.first.frames == row.without.frames == row.with_learning.frames == 3
    assert row.without.drawn <= row.without.clicks and len(said) >= 3
    if row.learned.weights is None:
        assert row.with_learning == row.without


def test_the_loop_is_refused_in_words_before_anything_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frames, masks = moving_disc(5)
    path = tmp_path / "few.npz"
    np.savez(path, images=frames, masks=masks.astype(np.uint8))
    path.with_suffix(".json").write_text('{"kind": "flow"}')
    assert command("evaluate", path, "--loop") != 0 and "too few to learn from" in capsys.readouterr().err
    assert command("evaluate", path, "--steps", 5) != 0 and "--loop" in capsys.readouterr().err

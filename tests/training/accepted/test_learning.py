"""Training on accepted frames, and the simulation of a user who does that."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from fakes import command, moving_disc

from napari_medsam2.errors import DatasetError
from napari_medsam2.images.datasets import Dataset
from napari_medsam2.images.formats import as_frames
from napari_medsam2.models.loading import load_model
from napari_medsam2.training.accepted.learning import Progress, learn
from napari_medsam2.training.accepted.lesson import Lesson
from napari_medsam2.training.accepted.loop import simulate, thirds

CPU = torch.device("cpu")


def discs(n_frames: int, mode: str = "flow") -> Dataset:
    frames, masks = moving_disc(n_frames, (48, 64))
    return Dataset("discs", mode, as_frames(frames), masks.astype(np.uint8), {1: "disc"})


def lesson_of(shown: float, mode: str = "flow") -> Lesson:
    """Discs that people draw larger or smaller than they look, by a factor: the network has to learn that."""
    rows, columns = np.mgrid[:64, :64]
    away = [np.hypot(rows - 20 - 3 * t, columns - 24 - 2 * t) for t in range(6)]
    images = np.stack([np.where(d < 8, 190, 40) for d in away]).astype(np.uint8)
    images += np.random.default_rng(0).integers(0, 20, images.shape, np.uint8)
    masks = np.stack([d < 8 * shown for d in away]).astype(np.uint8)
    return Lesson(Dataset("discs", mode, as_frames(images), masks, {1: "disc"}), tuple(range(6)))


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["flow", "stack"])
def test_what_frames_have_in_common_is_learned_and_finds_others_better(tmp_path: Path, mode: str) -> None:
    told: list[Progress] = []
    learned = learn(tmp_path, lesson_of(1.5, mode), steps=20, device=CPU, on_progress=told.append)
    assert learned.weights is not None and learned.after > learned.before and learned.judged == 6
    assert load_model(str(learned.weights), device="cpu").network.adapts
    assert told[-1].seconds_left == 0 and told[-1].step == told[-1].steps


def test_what_differs_from_frame_to_frame_is_not_offered(tmp_path: Path) -> None:
    lesson = lesson_of(1.0, "stack")
    drawn = [np.roll(mask, 9 * (-1) ** t, axis=t % 2) for t, mask in enumerate(lesson.dataset.masks)]
    lesson = replace(lesson, dataset=replace(lesson.dataset, masks=np.stack(drawn)))
    told: list[Progress] = []
    learned = learn(tmp_path, lesson, steps=1, device=CPU, on_progress=told.append)
    assert told[0].seconds_left is None and told[-1].step <= told[-1].steps
    assert all(0 <= progress.seconds_left < 3600 for progress in told[1:])
    assert learned.weights is None and not (tmp_path / "weights.safetensors").exists()


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

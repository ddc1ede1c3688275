"""What goes wrong in a run: full disks, damaged files, losses without a value, bad arguments."""

from __future__ import annotations

import errno
import io
import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from training_helpers import (
    CPU,
    TINY,
    trainer_in,
)

from napari_medsam2.cli.main import main
from napari_medsam2.errors import TrainingError
from napari_medsam2.training.config import CONFIG
from napari_medsam2.training.data.batches import Batch, batches
from napari_medsam2.training.run.files import STATE
from napari_medsam2.training.run.trainer import Trainer


class FullDisk(io.FileIO):
    """A file on a disk with no room left."""

    def write(self, _: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_keeps_the_last_good_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = trainer_in(tmp_path)
    trainer.save()
    before = (tmp_path / STATE).read_bytes()
    plain_open = Path.open

    def full(path: Path, mode: str = "r", **options: object) -> object:
        return FullDisk(path, "w") if path.name == STATE + ".part" else plain_open(path, mode, **options)

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(TrainingError, match=r"cannot write .*state\.pt: the disk is full; .*untouched.*--resume"):
        trainer.run(lambda *_: None)
    assert (tmp_path / STATE).read_bytes() == before
    assert not (tmp_path / (STATE + ".part")).exists()
    monkeypatch.undo()
    again = trainer_in(tmp_path)
    again.resume()
    assert again.step == 0


def test_damaged_and_foreign_states_are_told_apart(tmp_path: Path) -> None:
    trainer = trainer_in(tmp_path)
    trainer.save()
    whole = (tmp_path / STATE).read_bytes()
    (tmp_path / STATE).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(TrainingError, match="is damaged and cannot be read; the weights in"):
        trainer_in(tmp_path).resume()
    torch.save({"model": {}}, tmp_path / STATE)
    with pytest.raises(TrainingError, match="is not the state of a run"):
        trainer_in(tmp_path).resume()
    (tmp_path / STATE).write_bytes(whole)
    other = Trainer(tmp_path, TINY, CPU)
    with pytest.raises(TrainingError, match="of another network"):
        other.resume()


def test_a_loss_that_stays_without_a_value_ends_the_run_and_keeps_the_state(tmp_path: Path) -> None:
    trainer = trainer_in(tmp_path)
    trainer.save()
    good = (tmp_path / STATE).read_bytes()
    with torch.no_grad():
        trainer.network.match.weight.fill_(float("nan"))
    with pytest.raises(TrainingError, match=r"loss became nan in 3 steps in a row, up to step 2; .*lower"):
        trainer.run(lambda *_: None)
    assert (tmp_path / STATE).read_bytes() == good


def test_one_bad_step_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = trainer_in(tmp_path)
    learner, seen = trainer.setup.learner, []
    plain = learner.loss

    def sometimes(batch: object, step: int) -> object:
        seen.append([p.detach().clone() for p in trainer.parameters])
        loss, figures = plain(batch, step)
        return (loss * float("inf") if step == 1 else loss), figures

    monkeypatch.setattr(learner, "loss", sometimes)
    skipped = []
    trainer.run(lambda _, figures: skipped.append(figures["skipped"]))
    assert skipped == [0, 1, 0, 0]
    assert all(map(torch.equal, seen[1], seen[2])) and not all(map(torch.equal, seen[2], seen[3]))


class DiesInItsProcess:
    """Makes no batch: its process is gone, as after a shortage of memory."""

    def __call__(self, number: int, step: int) -> Batch:
        os._exit(1)


def test_a_process_that_makes_data_and_dies_is_told(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"ended unexpectedly.*--workers 0"):
        next(batches(replace(TINY, workers=1), 0, DiesInItsProcess()))


def test_a_folder_that_cannot_be_written_to_is_told_before_anything_runs(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TrainingError, match="cannot write to the folder"):
        trainer_in(tmp_path / "file" / "run")


def test_bad_arguments_end_with_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def complaint(*arguments: str) -> str:
        assert main(["train", str(tmp_path / "run"), "--device", "cpu", *arguments]) == 2
        return capsys.readouterr().err

    assert "there is no file or folder" in complaint("--data", str(tmp_path / "nowhere"))
    (tmp_path / "bad.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{")
    assert "cut short" in complaint("--model", str(tmp_path / "bad.safetensors"))
    assert "no model and no file named 'mikro'" in complaint("--model", "mikro")
    assert "there is no run to resume" in complaint("--resume")
    assert "holdout must lie between 0 and 0.9" in complaint("--holdout", "2")
    assert "seed must be less than 2**63" in complaint("--seed", str(1 << 63))
    assert "learning_rate must be 0 or more; got nan" in complaint("--learning-rate", "nan")
    assert not (tmp_path / "run" / STATE).exists()
    (tmp_path / "run" / CONFIG).write_text("{")
    assert "is damaged" in complaint("--resume")
    (tmp_path / "run" / CONFIG).write_text('{"stepps": 3}')
    assert "config.json cannot be used" in (told := complaint("--resume")) and "stepps" in told
    for damaged in (b"\xff\xfe{}", b"[" * 100_000, b'{"steps": ' + b"9" * 6000 + b"}"):
        (tmp_path / "run" / CONFIG).write_bytes(damaged)
        assert "cannot read config.json as JSON" in complaint("--resume")
    (tmp_path / "run" / CONFIG).write_text(f'{{"learning_rate": {10**400}}}')
    assert "is too large a number" in complaint("--resume")

"""Runs on disk: killed and resumed, full disks, damaged files, several processes, scores before and after."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import re
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from training_helpers import CPU, TINY, TINY_OPTIONS, discs, small_micro, small_setup, write_pairs, write_small_micro

from napari_medsam2.cli.main import main
from napari_medsam2.errors import TrainingError
from napari_medsam2.models.loading import load_model
from napari_medsam2.training.config import CONFIG, TrainConfig, from_json, make_config, options
from napari_medsam2.training.data.batches import Batch, batches
from napari_medsam2.training.data.pairs import read_labelled
from napari_medsam2.training.learning.learners import learner_for
from napari_medsam2.training.run import files
from napari_medsam2.training.run.curve import Curve
from napari_medsam2.training.run.files import CURVE, PICTURE, STATE, WEIGHTS
from napari_medsam2.training.run.picture import draw_curve, smooth
from napari_medsam2.training.run.trainer import Trainer, rate_share


def trainer_in(folder: Path, config: TrainConfig = TINY) -> Trainer:
    return Trainer(folder, config, CPU, small_setup(config))


def steps_in(folder: Path) -> list[int]:
    with (folder / CURVE).open(newline="") as file:
        return [int(row["step"]) for row in csv.DictReader(file)]


def same_weights(a: Path, b: Path) -> bool:
    first, second = (torch.load(folder / STATE, weights_only=True) for folder in (a, b))
    return all(
        torch.equal(first[kind][name], second[kind][name]) for kind in ("network", "average") for name in first[kind]
    )


# ---- killed and resumed ---------------------------------------------------------------------------------------------


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


# ---- what goes wrong ------------------------------------------------------------------------------------------------


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
    assert "learning_rate must be 0 or more; got nan" in complaint("--learning-rate", "nan")
    assert not (tmp_path / "run" / STATE).exists()
    (tmp_path / "run" / CONFIG).write_text("{")
    assert "is damaged" in complaint("--resume")
    (tmp_path / "run" / CONFIG).write_text('{"stepps": 3}')
    assert "stepps" in complaint("--resume")


# ---- fine-tuning ----------------------------------------------------------------------------------------------------


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


def test_what_a_run_is_about_cannot_change_on_resuming(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / CONFIG).write_text(json.dumps(make_config({"data": ("/a",)}).as_json()))
    assert main(["train", str(tmp_path), "--resume", "--data", "/b"]) == 2
    assert "data belongs to the run from its start and was ('/a',)" in capsys.readouterr().err


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


# ---- precision and configuration ------------------------------------------------------------------------------------


def test_the_bundled_network_learns_the_same_in_mixed_precision_and_with_less_memory() -> None:
    losses, gradients = [], []
    for changes in ({}, {"precision": "bfloat16"}, {"checkpointing": True}):
        config = replace(TINY, **changes)
        setup = small_setup(config)
        setup.learner.network.train()
        torch.manual_seed(0)
        loss, _ = setup.learner.loss(setup.make(1, 0), 0)
        loss.backward()
        losses.append(loss.item())
        gradients.append(setup.learner.network.match.weight.grad)
    assert losses[1] != losses[0] and losses[1] == pytest.approx(losses[0], rel=0.03)
    torch.testing.assert_close(gradients[2], gradients[0], atol=1e-6, rtol=1e-3)


def test_the_ridge_regression_stays_in_float32() -> None:
    learner = learner_for(small_micro(), replace(TINY, precision="bfloat16"))
    kinds = []
    learner.network.trunk.stage2[0][0].register_forward_hook(lambda _, __, made: kinds.append(made.dtype))
    with learner.precision():
        features, _ = learner.network.encode(torch.rand(1, 3, 64, 64))
        memory = learner.network.memory.remember(features, torch.rand(1, 1, 64, 64))
    assert kinds == [torch.bfloat16]
    assert memory.gram.dtype == torch.float32


def test_only_the_decoder_of_the_bundled_network_may_change() -> None:
    learner = learner_for(small_micro(), replace(TINY, trainable="decoder"))
    assert not any(p.requires_grad for p in learner.network.trunk.parameters())
    assert all(p.requires_grad for p in learner.network.decoder.parameters())


def test_a_configuration_survives_its_file() -> None:
    config = make_config({"data": ("a", "b"), "holdout": 0.5, "steps": 7})
    assert from_json(json.loads(json.dumps(config.as_json()))) == config
    assert config.model == "micro" and config.steps == 7
    for bad in ({"steps": "many"}, {"flips": 1}, {"data": "a"}, [1]):
        with pytest.raises(ValueError, match=r"should be|JSON object"):
            from_json(bad)
    with pytest.raises(ValueError, match="must be one of auto, stack, flow"):
        TrainConfig(mode="film")
    assert all(option.told for option in options())


def test_the_learning_rate_rises_stays_and_falls() -> None:
    config = TrainConfig(steps=100, warmup=10, decay=0.5)
    rates = [rate_share(config, step) for step in (0, 9, 49, 75, 100)]
    assert rates == pytest.approx([0.1, 1.0, 1.0, 0.5, 0.0])


# ---- the curve ------------------------------------------------------------------------------------------------------


def test_a_new_figure_gets_a_column_and_the_older_rows_stay(tmp_path: Path) -> None:
    curve = Curve(tmp_path / CURVE)
    curve.add(1, {"loss": 0.5})
    curve.add(2, {"loss": 0.25, "held_out": 0.75})
    assert (tmp_path / CURVE).read_text().splitlines() == ["step,loss,held_out", "1,0.5,", "2,0.25,0.75"]
    assert Curve(tmp_path / CURVE, 1).rows == [{"step": 1.0, "loss": 0.5}]


def test_the_picture_shows_what_there_is(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = [
        {"step": s, "loss": 1 / s, "ordered": s % 2, "others": 0.9 - 0.5 / s + rng.normal(0, 0.05), "prompted": 0.5}
        for s in range(1, 200)
    ]
    rows[100] |= {"held_out": 0.7, "prompted": float("nan")}
    draw_curve(rows, tmp_path / "whole.png", before=0.4)
    draw_curve([{"step": 1, "loss": 0.3, "ordered": 1, "others": float("nan")}], tmp_path / "one.png")
    with Image.open(tmp_path / "whole.png") as whole, Image.open(tmp_path / "one.png") as one:
        pixels, few = np.asarray(whole).reshape(-1, 3), np.asarray(one).reshape(-1, 3)
    for colour in ((0, 114, 178), (230, 159, 0), (213, 94, 0), (60, 66, 75)):
        assert (np.abs(pixels - colour).sum(1) < 12).sum() > 40, colour
    assert (np.abs(few - (0, 114, 178)).sum(1) < 12).sum() == 0
    assert np.allclose(smooth(np.full(30, 0.7)), 0.7)


# ---- several processes ----------------------------------------------------------------------------------------------

_ON_EACH_RANK = """
import json, sys
from dataclasses import replace
from pathlib import Path
import torch
from napari_medsam2.training.run.ranks import join_ranks
from napari_medsam2.training.run.trainer import Trainer
sys.path.insert(0, sys.argv[2])
from training_helpers import CPU, TINY, small_setup

torch.set_num_threads(1)
folder = Path(sys.argv[1])
with join_ranks(CPU) as ranks:
    for steps in (2, 4):  # the second run resumes the first
        config = replace(TINY, steps=steps)
        setup = small_setup(config)
        plain, numbers = setup.make, []
        object.__setattr__(setup, "make", lambda number, step: numbers.append(number) or plain(number, step))
        trainer = Trainer(folder, config, CPU, setup, ranks)
        trainer.resume()
        first = trainer.step
        trainer.run(lambda *_: None)
    weights = torch.cat([p.detach().flatten() for p in trainer.network.parameters()]).double()
    sums = [float(weights.sum()), float(weights.square().sum())]
    told = {"count": ranks.count, "first": first, "numbers": numbers, "weights": sums}
    (folder / f"rank{ranks.rank}.json").write_text(json.dumps(told))
"""


@pytest.fixture(scope="module")
def two_ranks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run by two processes."""
    folder = tmp_path_factory.mktemp("ranks")
    script = folder / "script.py"
    script.write_text(_ON_EACH_RANK)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "0"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [*torchrun, "--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0", str(script), str(folder)]
    done = subprocess.run(
        [*command, str(Path(__file__).parents[2] / "support")],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def test_two_processes_see_different_data_agree_on_the_weights_and_resume(two_ranks: Path) -> None:
    first, second = (json.loads((two_ranks / f"rank{rank}.json").read_text()) for rank in range(2))
    assert (first["count"], first["first"], second["first"]) == (2, 2, 2)
    assert first["numbers"] == [4, 6] and second["numbers"] == [5, 7]
    assert first["weights"] == second["weights"]
    assert steps_in(two_ranks) == [1, 2, 3, 4]
    assert torch.load(two_ranks / STATE, weights_only=True)["step"] == 4
    assert files.load_state(two_ranks / STATE, CPU)["step"] == 4

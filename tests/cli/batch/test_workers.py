"""batch with workers that are processes: of this computer, of a scheduler, of a queue; and what if they end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import tifffile
from batch_tables import BOX, NAMES, labels, write_table
from fakes import command as run
from fakes import moving_disc

from napari_medsam2.cli.batch import clusters

COMMAND = [sys.executable, "-m", "napari_medsam2"]


def started(*words: object, **options: Any) -> subprocess.Popen[str]:
    """The command line as a process of its own."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([*COMMAND, *map(str, words)], **pipes, **options)


def until(condition: Any, seconds: float = 90.0) -> Any:
    """What the condition gives once it is true."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)
    return value


def workers_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """The processes that do the jobs."""
    children = psutil.Process(process.pid).children(recursive=True)
    return [child for child in children if "spawn_main" in " ".join(child.cmdline())]


@pytest.fixture
def long_study(tmp_path: Path) -> Path:
    """Jobs that take a while, with the bundled model."""
    for name in NAMES:
        tifffile.imwrite(tmp_path / f"{name}.tif", moving_disc(40, (96, 96))[0], photometric="minisblack")
    write_table(tmp_path / "jobs.csv", *({"input": f"{name}.tif", "output": f"{name}_labels.tif"} for name in NAMES))
    return tmp_path


def test_a_scheduler_that_is_not_there_is_said(study: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(clusters, "ANSWER_S", 1)
    for address in ("tcp://127.0.0.1:9", "nonsense://x", "127.0.0.1:9"):
        assert run("batch", study / "jobs.csv", "--scheduler", address) == 2
        assert f"no dask scheduler answers at {address}" in capsys.readouterr().err
    assert not list(study.glob("*_labels.tif"))


@pytest.mark.parametrize(
    ("queue", "line"), [("slurm", "#SBATCH -p gpu"), ("lsf", "#BSUB -q gpu"), ("pbs", "#PBS -q gpu")]
)
def test_what_a_queue_would_get_can_be_seen(study: Path, queue: str, line: str, capsys: Any) -> None:
    extra = ["--queue", "gpu", "--directive=--gres=gpu:1", "--prologue", "module load cuda", "--threads", "4"]
    assert run("batch", study / "jobs.csv", f"--{queue}", 3, *extra, "--show-script") == 0
    script = capsys.readouterr().out
    assert line in script and "--gres=gpu:1" in script and "module load cuda" in script
    assert "export OMP_NUM_THREADS=4" in script and "--nthreads 1" in script.partition("distributed.cli")[2]
    assert not (study / ".napari-medsam2-batch").exists()


def test_without_dask_it_is_said_what_to_install(study: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(clusters, "find_spec", lambda name: None)
    assert run("batch", study / "jobs.csv") == 2
    assert 'pip install "napari-medsam2[batch]"' in capsys.readouterr().err


@pytest.mark.slow
def test_two_processes_give_the_bytes_of_segment(study: Path) -> None:
    batch = started("batch", study / "jobs.csv", "--local", 2)
    out, err = batch.communicate(timeout=300)
    assert batch.returncode == 0, err
    assert "3 of 3 jobs are done" in out and "2 worker(s); dashboard: http://127.0.0.1:" in err
    image, alone = study / "b.tif", study / "alone.tif"
    segment = started("segment", image, "--mode", "stack", "--box", BOX, "-o", alone)
    assert segment.communicate(timeout=300) and segment.returncode == 0
    assert alone.read_bytes() == (study / "b_labels.tif").read_bytes() and labels(alone).any()


@pytest.mark.slow
def test_a_worker_that_is_killed_in_the_middle_of_a_job_costs_nothing(long_study: Path) -> None:
    batch = started("batch", long_study / "jobs.csv", "--local", 2)
    records = long_study / ".napari-medsam2-batch"
    until(lambda: list(records.glob("*.json")))
    for worker in workers_of(batch)[:1]:
        worker.kill()
    _, err = batch.communicate(timeout=300)
    assert batch.returncode == 0, err
    assert all(labels(long_study / f"{name}_labels.tif").any() for name in NAMES)


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_batch_that_is_ended_leaves_whole_results_and_goes_on_later(long_study: Path, how: signal.Signals) -> None:
    batch = started("batch", long_study / "jobs.csv", "--local", 1)
    records = long_study / ".napari-medsam2-batch"
    until(lambda: len(list(records.glob("*.json"))) >= 2)
    workers = workers_of(batch)
    batch.send_signal(how)
    batch.communicate(timeout=120)
    assert batch.returncode == (-signal.SIGKILL if how is signal.SIGKILL else 130)
    until(lambda: not any(worker.is_running() for worker in workers))
    done = {path.name: path.stat().st_mtime_ns for path in long_study.glob("*_labels.tif")}
    assert 1 <= len(done) < 3 and all(len(labels(long_study / name)) == 40 for name in done)
    again = started("batch", long_study / "jobs.csv", "--local", 1)
    out, err = again.communicate(timeout=300)
    assert again.returncode == 0, err
    assert "3 of 3 jobs are done" in out and f"{len(done)} of 3 jobs are done already" in err
    assert {name: (long_study / name).stat().st_mtime_ns for name in done} == done


@pytest.mark.slow
def test_workers_of_a_scheduler_do_the_jobs(study: Path, tmp_path: Path) -> None:
    file = tmp_path / "scheduler.json"
    quiet = {
        "stdout": subprocess.DEVNULL,
        "stderr": subprocess.DEVNULL,
        "env": {**os.environ, "PYTHONWARNINGS": "ignore"},
    }
    parts = {"dask_scheduler": ["--host", "127.0.0.1", "--port", "0"], "dask_worker": ["--nthreads", "2", "--no-nanny"]}
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.{part}", "--scheduler-file", file, "--no-dashboard", *options],
            cwd=tmp_path,
            **quiet,
        )
        for part, options in parts.items()
    ]
    try:
        address = json.loads(until(lambda: file.exists() and file.read_text()))["address"]
        batch = started("batch", study / "jobs.csv", "--scheduler", address)
        out, err = batch.communicate(timeout=300)
        assert batch.returncode == 0, err
        assert "3 of 3 jobs are done" in out
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait(60)


#: As SLURM has them, for a computer without: a job is a process.
SBATCH = """#!/bin/sh
for script do :; done
sh "$script" >"$script.log" 2>&1 &
echo "Submitted batch job $!"
"""


@pytest.mark.slow
def test_jobs_of_slurm_do_the_jobs(study: Path, tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for name, text in (("sbatch", SBATCH), ("scancel", '#!/bin/sh\nkill "$@"\n')):
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    environment = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"}
    batch = started("batch", study / "jobs.csv", "--slurm", 1, "--memory", "2GB", env=environment, cwd=tmp_path)
    out, err = batch.communicate(timeout=300)
    assert batch.returncode == 0, err
    assert "3 of 3 jobs are done" in out and np.any(labels(study / "a_labels.tif"))

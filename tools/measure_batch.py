"""Measure a batch on this computer: one worker against several, with one thread each, in turns.

Run as ``.venv/bin/python tools/measure_batch.py --workers 1 2 --times 2``; docs/batch.md has what came of it. What it
prints is what ``tools/simulate_batch.py`` needs: start-up, and the seconds of a job.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import tifffile

from napari_medsam2.cli.batch.records import FOLDER

#: Sequences of a batch, and how many frames of which side each has.
SEQUENCES, FRAMES, SIDE = 8, 100, 256


def write_study(folder: Path, frames: int) -> Path:
    """Noisy discs that wander through stacks, and a table of jobs that have a box on the first frame."""
    rng = np.random.default_rng(0)
    rows, columns = np.indices((SIDE, SIDE))
    lines = ["input,output,mode,box"]
    for number in range(SEQUENCES):
        path = np.cumsum(rng.normal(0, 1.5, (frames, 2)), axis=0) + SIDE / 2
        discs = np.stack([(rows - y) ** 2 + (columns - x) ** 2 < 30**2 for y, x in path])
        images = (60 + 90 * discs + rng.normal(0, 12, discs.shape)).clip(0, 255).astype(np.uint8)
        tifffile.imwrite(folder / f"{number}.tif", images, photometric="minisblack")
        y, x = path[0]
        lines.append(f'{number}.tif,{number}_labels.tif,stack,"0,{y - 31:.1f},{x - 31:.1f},{y + 31:.1f},{x + 31:.1f}"')
    table = folder / "jobs.csv"
    table.write_text("\n".join(lines) + "\n")
    return table


def measured(table: Path, workers: int) -> dict[str, float]:
    """Seconds of one batch by the clock, and on the processor along the longest way through it.

    Where other programs take their share of the cores the clock says little, and the processor's time stays as it is:
    that of the command and of the busiest of its workers is what the clock would say on cores of their own.
    """
    words = [sys.executable, "-m", "napari_medsam2", "batch", str(table), "--local", str(workers), "--again"]
    start = time.perf_counter()
    process = subprocess.Popen([*words, "--threads", "1"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    command, busy = psutil.Process(process.pid), dict[int, float]()
    while process.poll() is None:
        with suppress(psutil.Error):
            for part in (command, *command.children(recursive=True)):
                busy[part.pid] = sum(part.cpu_times()[:2])
        time.sleep(0.2)
    if process.returncode:
        raise SystemExit(f"the batch ended with {process.returncode}")
    whole, own = time.perf_counter() - start, busy.pop(process.pid)
    summaries = [json.loads(path.read_text())["summary"] for path in (table.parent / FOLDER).glob("*.json")]
    return {
        "clock": whole,
        "processor": own + max(busy.values()),
        "of the command": own,
        "of its workers": sum(busy.values()),
        "a job by the clock": statistics.median(s["seconds"] - s["seconds_loading_model"] for s in summaries),
        "load": os.getloadavg()[0],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--times", type=int, default=2)
    parser.add_argument("--frames", type=int, default=FRAMES)
    arguments = parser.parse_args()
    runs: dict[int, list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        table = write_study(Path(folder), arguments.frames)
        for _ in range(arguments.times):
            for workers in arguments.workers:
                run = measured(table, workers)
                runs.setdefault(workers, []).append(run)
                told = ", ".join(f"{name} {value:.2f}" for name, value in run.items())
                print(f"{workers} worker(s): {told}", flush=True)
    for by in ("clock", "processor"):
        medians = {workers: statistics.median(run[by] for run in of_these) for workers, of_these in runs.items()}
        for workers, median in medians.items():
            ratio = medians[min(medians)] / median
            print(f"by the {by}: {workers} worker(s) {median:.1f} s, {ratio:.2f} times as fast as {min(medians)}")


if __name__ == "__main__":
    main()

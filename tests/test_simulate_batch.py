"""The simulation of a batch agrees with what can be told without one."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

TOOL = runpy.run_path(str(Path(__file__).parents[1] / "tools" / "simulate_batch.py"))
EVEN = {"jobs": 64, "frames": 100, "spread": 0.0, "frame": 0.1, "start": 5.0, "around": 1.0, "scheduler": 0.0}


def seconds(workers: int, **values: Any) -> float:
    """Of a batch of even jobs, of which nothing is read unless the values say so."""
    study = TOOL["Study"](**{**EVEN, "megabytes": 0.0, **values})
    return float(TOOL["simulate"](study, workers).seconds)


@pytest.mark.parametrize(("workers", "rounds"), [(1, 64), (8, 8), (64, 1), (100, 1)])
def test_even_jobs_take_so_many_rounds(workers: int, rounds: int) -> None:
    assert seconds(workers) == pytest.approx(5 + 11 * rounds)


def test_a_disk_that_all_share_is_the_limit_however_many_workers_there_are() -> None:
    read = {"megabytes": 1000.0, "disk": 100.0, "link": 100.0, "frame": 0.0, "around": 0.0}
    assert seconds(1, **read) == pytest.approx(5 + 64 * 10)
    assert seconds(64, **read) == pytest.approx(5 + 64 * 10)
    assert seconds(64, **{**read, "link": 1.0}) == pytest.approx(5 + 1000), "a worker's own link can be slower still"


def test_what_a_worker_was_at_when_it_ended_is_done_again() -> None:
    assert seconds(8) < seconds(8, death=0.2) < 2 * seconds(8)

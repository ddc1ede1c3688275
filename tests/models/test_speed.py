"""How many cores are used."""

from __future__ import annotations

import os

import pytest
import torch

from napari_medsam2.models import device


@pytest.mark.parametrize(
    ("cores", "threads", "said", "used"),
    [(8, 8, None, 7), (8, 4, None, 4), (2, 2, None, 1), (1, 1, None, 1), (8, 8, "8", None)],
)
def test_one_core_is_left_to_other_programs(monkeypatch, cores, threads, said, used):
    chosen: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", chosen.append)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)), raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS")
    if said:
        monkeypatch.setenv("OMP_NUM_THREADS", said)
    device.leave_a_core()
    assert chosen == ([] if used is None else [used])

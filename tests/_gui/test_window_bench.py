"""The benchmark of the window: through the command line, in a process of its own, as it opens a napari of its own."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from fakes import command


def test_bench_window_measures_runs_in_the_dock_against_the_session_alone(tmp_path):
    told = tmp_path / "window.json"
    words = ("bench", "--window", "--frames", "4", "--side", "64", "--turns", "1", "--size", "640x480", "--json", told)
    done = subprocess.run(
        [sys.executable, "-m", "napari_medsam2", *map(str, words)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(told.read_text())
    (window,) = found["windows"]
    assert (window["width"], window["height"], found["frames"]) == (640, 480, 4)
    for name in ("bare", "shown", "ratio", "cpu", "stall_at_work", "opening", "loading", "memory"):
        assert window[name] > 0, name
    assert window["bank"] > -1
    assert window["ratio"] == pytest.approx(window["shown"] / window["bare"])
    assert "640 x 480" in done.stdout


@pytest.mark.parametrize("size", ["1280", "0x800", "large"])
def test_a_size_that_is_none_is_refused(size, capsys):
    assert command("bench", "--window", "--size", size) == 2
    assert "WIDTHxHEIGHT" in capsys.readouterr().err

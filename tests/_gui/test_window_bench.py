"""The benchmark of the window: through the command line, with a double for the model."""

from __future__ import annotations

import json

import pytest
from fakes import command


@pytest.fixture
def quiet(qapp, monkeypatch):
    """The application of the tests goes on when the viewer of the benchmark closes."""
    before = qapp.quitOnLastWindowClosed()
    qapp.setQuitOnLastWindowClosed(False)
    yield
    qapp.setQuitOnLastWindowClosed(before)


def test_bench_window_measures_runs_in_the_dock_against_the_session_alone(quiet, blobs, tmp_path, capsys):
    told = tmp_path / "window.json"
    words = ("bench", "--window", "--frames", "4", "--side", "64", "--turns", "1", "--size", "640x480", "--json", told)
    assert command(*words) == 0
    found = json.loads(told.read_text())
    (window,) = found["windows"]
    assert (window["width"], window["height"], found["frames"]) == (640, 480, 4)
    for name in ("bare", "shown", "ratio", "cpu", "stall_at_work", "opening", "loading", "memory"):
        assert window[name] > 0, name
    assert window["ratio"] == pytest.approx(window["shown"] / window["bare"])
    assert "640 x 480" in capsys.readouterr().out


@pytest.mark.parametrize("size", ["1280", "0x800", "large"])
def test_a_size_that_is_none_is_refused(size, capsys):
    assert command("bench", "--window", "--size", size) == 2
    assert "WIDTHxHEIGHT" in capsys.readouterr().err

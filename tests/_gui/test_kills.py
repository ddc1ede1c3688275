"""A session of a user's in a real viewer is killed at any moment, and comes back exactly as it was seconds before."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from face import mocked
from napari.components import ViewerModel
from scripted_session import images, state_of

SUPPORT = Path(__file__).parents[1] / "support"
#: Changes that are older than so many seconds are in the session file.
PROMISED_S = 5.0

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a system that can fork")


@pytest.fixture
def server():
    """A process that forks sessions."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path, str(SUPPORT)])}
    program = [sys.executable, str(SUPPORT / "scripted_session.py")]
    with subprocess.Popen(program, stdin=-1, stdout=-1, text=True, env=environment) as process:
        yield process
        process.stdin.close()
        process.wait(timeout=30)


def killed(server, seed: int, folder: Path) -> float:
    """Let a session show some states, then kill it at any moment; returns when."""
    folder.mkdir()
    print(f"{seed} {folder}", file=server.stdin, flush=True)
    child = int(server.stdout.readline())
    try:
        began = time.monotonic()
        while len({state for _, state in states_of(folder)}) < 3:
            assert time.monotonic() < began + 90, "the session does not begin"
            time.sleep(0.02)
        time.sleep(random.Random(seed).uniform(0.2, 6.0))
    finally:
        os.kill(child, signal.SIGKILL)
    when = time.monotonic()
    with suppress(ProcessLookupError):  # once it is gone, it holds no file
        while time.monotonic() < when + 60:
            os.kill(child, 0)
            time.sleep(0.005)
    return when


def states_of(folder: Path) -> list[tuple[float, str]]:
    """What the window showed, and when; the last line may be cut."""
    written = folder / "states"
    lines = written.read_text().splitlines() if written.exists() else []
    return [(float(line.split()[0]), line.split()[1]) for line in lines if len(line.split()) == 2 and len(line) > 12]


def recovered(qtbot, monkeypatch, folder: Path) -> str:
    """What the next window shows once it was asked to restore; what an empty one shows if nothing is offered."""
    monkeypatch.setenv("XDG_STATE_HOME", str(folder / "state"))
    viewer = ViewerModel()
    viewer.add_image(images(), name="scan")
    dock, _, _ = mocked(viewer)
    qtbot.addWidget(dock)
    try:
        with qtbot.waitSignal(dock.controller.autosave.identified, timeout=30_000):
            pass
        if dock.controller.state.recovery is not None:
            dock.recovery.restore.click()
            qtbot.waitUntil(lambda: "as it was" in dock.controller.state.note, timeout=30_000)
        return state_of(dock)
    finally:
        dock.close_dock()


def check(server, qtbot, monkeypatch, seed: int, folder: Path) -> None:
    """Kill a session; what is there after is what it showed at some moment, and not long ago."""
    when = killed(server, seed, folder)
    states = states_of(folder)
    now = recovered(qtbot, monkeypatch, folder)
    shown = [number for number, (_, state) in enumerate(states) if state == now]
    assert shown, f"seed {seed}: the window never showed what came back"
    old = [number for number, (at, _) in enumerate(states) if at < when - PROMISED_S]
    latest_old = states[old[-1]][1] if old else None
    assert not old or shown[-1] >= old[-1] or now == latest_old, f"seed {seed}: a change of long ago is not there"


def test_what_was_done_comes_back_exactly_after_a_kill_at_any_moment(server, qtbot, monkeypatch, tmp_path):
    for seed in range(3):
        check(server, qtbot, monkeypatch, seed, tmp_path / str(seed))


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_a_hundred_kills_are_a_hundred_exact_recoveries(server, qtbot, monkeypatch, tmp_path):
    for seed in range(1000, 1100):
        check(server, qtbot, monkeypatch, seed, tmp_path / str(seed))

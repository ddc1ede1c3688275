"""The connection breaks, or the server forgets the session, at each line of what it says, whatever the user does."""

from __future__ import annotations

import random

import pytest
from fakes import PLAIN, blob_model, moving_disc
from lab import Lab, Listener, closing, until

from napari_medsam2.engine.engine import Engine
from napari_medsam2.engine.events import Failed, Finished, FinishReason, ModelLoaded, Noted, ResultReady, RunState
from napari_medsam2.errors import RemoteError
from napari_medsam2.prompts import PointPrompt
from napari_medsam2.remote import patience
from napari_medsam2.remote.client import ServerClient
from napari_medsam2.remote.engine import RemoteEngine
from napari_medsam2.session.journal import STEPS, Journal, digest_of

FRAMES, _ = moving_disc(5)
LINES, EVENTS = 12, 24
ACTS = ("nothing", "cancel", "pause", "preview", "undo", "open", "propagate")


class Losing:
    """Breaks the connection at some lines, counted over all connections; the session is forgotten, or goes on."""

    def __init__(self, lab: Lab, monkeypatch) -> None:
        self.n_lines = 0
        self.at: dict[int, str] | None = None
        lines = ServerClient.lines

        async def losing(client: ServerClient, after: int):
            async for line in lines(client, after):
                yield line
                if self.at is None or '"beat"' in line:
                    continue
                self.n_lines += 1
                if how := self.at.get(self.n_lines):
                    for session in lab.sessions.all if how == "forgotten" else ():
                        lab.sessions.end(session, "nothing was asked for")
                    raise RemoteError("the connection is lost")

        monkeypatch.setattr(ServerClient, "lines", losing)


class Acting(Listener):
    """A user who does something at an event."""

    def __init__(self, act: str, at: int) -> None:
        super().__init__()
        self.act, self._at = act, at
        self.engine: RemoteEngine | None = None
        self._n = 0
        self.acted = False

    def __call__(self, event) -> None:
        super().__call__(event)
        self._n += self.engine is not None
        if self._n != self._at or self.engine is None:
            return
        self._n += 1
        self.acted = True
        match self.act:
            case "cancel" | "undo" | "propagate" | "pause":
                getattr(self.engine, self.act)()
            case "preview":
                self.engine.preview(2)
            case "open":
                begin(self.engine)


def begin(engine) -> None:
    """From the model to a run."""
    engine.load_model("blobs")
    engine.open(FRAMES, mode="stack", axis=0, contrast=PLAIN)
    engine.add_prompt(PointPrompt(0, 32, 21.3))
    engine.preview(0)
    engine.propagate()


def shown(heard: Listener) -> dict:
    """The latest result of each frame."""
    return {event.result.frame: digest_of(event.result) for event in heard.of(ResultReady)}


def journal(heard: Listener) -> list:
    """What was noted down to be done again."""
    noted = Journal()
    for event in heard.of(Noted):
        noted.extend(event.entries)
    return [(entry.what, dict(entry.values) if entry.what == STEPS else None) for entry in noted.entries]


@pytest.fixture(scope="module")
def undisturbed() -> Listener:
    heard = Listener()
    with closing(Engine(heard, load_model=lambda name, **_: blob_model())) as engine:
        begin(engine)
        heard.wait_for(Finished)
    return heard


def live_through(lab: Lab, monkeypatch, undisturbed: Listener, at: dict[int, str], act: str, at_event: int) -> None:
    """One life of a window; whatever happens, nothing waits for ever, and the frames are found as without it."""
    monkeypatch.setattr(patience, "FIRST_WAIT_S", 0.01)
    losing = Losing(lab, monkeypatch)
    heard = Acting(act, at_event)
    with closing(RemoteEngine(heard, lab.address)) as engine:
        engine.load_model("blobs")  # a server that is lost before that is said to be, and no more
        heard.wait_for(ModelLoaded)
        until(lambda: not engine.n_unfinished)
        losing.at, heard.engine = at, engine
        begin(engine)
        # A run also pauses, for a moment, while the server hears that the connection is back.
        rests = {RunState.IDLE: lambda: True, RunState.PAUSED: lambda: heard.acted}
        until(lambda: not engine.n_unfinished and rests.get(engine.status.state, bool)())
        engine.resume()
        until(lambda: not engine.n_unfinished and engine.status.state is RunState.IDLE)
        reasons = [event.reason for event in heard.of(Finished)]
        failed = [event.message for event in heard.of(Failed)]
        assert all(act == "undo" and "nothing has a prompt" in words for words in failed)  # as on this computer
        if act in ("nothing", "pause", "preview"):
            assert reasons == [FinishReason.DONE]
        if act == "nothing":
            assert journal(heard) == journal(undisturbed)
        if act in ("cancel", "undo"):  # the rest is found when it is asked for
            engine.redo()
            engine.propagate()
            until(lambda: not engine.n_unfinished and engine.status.state is RunState.IDLE)
    assert {*shown(heard)} == {*shown(undisturbed)}
    if act not in ("undo", "cancel"):
        assert shown(heard) == shown(undisturbed)


@pytest.mark.parametrize("seed", range(10))
def test_wherever_the_connection_breaks_nothing_waits_for_ever(tmp_path, monkeypatch, undisturbed, seed: int) -> None:
    chance = random.Random(seed)
    at = {chance.randint(1, LINES): chance.choice(("cut", "forgotten")) for _ in range(1 + seed % 3)}
    act = ACTS[seed % len(ACTS)]
    lab = Lab(tmp_path)
    live_through(lab, monkeypatch, undisturbed, at, act, chance.randint(1, EVENTS))
    lab.stop()


@pytest.mark.slow
@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("how", ["cut", "forgotten"])
@pytest.mark.parametrize("line", range(1, LINES + 1))
def test_each_line_with_each_event(tmp_path, monkeypatch, undisturbed, how: str, line: int, act: str) -> None:
    lab = Lab(tmp_path)
    for at_event in range(1, EVENTS, 2) if act != "nothing" else (0,):
        with monkeypatch.context() as patch:
            live_through(lab, patch, undisturbed, {line: how}, act, at_event)
    lab.stop()

"""What the server does not take, and what fails that must not: told once, in words, and the rest goes on."""

from __future__ import annotations

import pytest
from fakes import PLAIN, moving_disc
from lab import Listener, closing, until

from napari_medsam2.engine.events import Failed, Finished, FinishReason, ModelLoaded, ObjectsCalled, RunState
from napari_medsam2.engine.requests import RequestKind
from napari_medsam2.errors import WireError
from napari_medsam2.images.opened import LabelledObject
from napari_medsam2.prompts import PointPrompt
from napari_medsam2.remote import client, patience
from napari_medsam2.remote.engine import RemoteEngine
from napari_medsam2.remote.link import Link
from napari_medsam2.remote.script import Script
from napari_medsam2.remote.talk import Talk
from napari_medsam2.server import app
from napari_medsam2.wire.calls import KINDS

FRAMES, _ = moving_disc(5)


@pytest.fixture
def window(lab, monkeypatch):
    """An engine with a run that is done, and what it tells; it gives nobody the time to look at what it waits for."""
    monkeypatch.setattr(patience, "FIRST_WAIT_S", 0.01)
    heard = Listener()
    with closing(RemoteEngine(heard, lab.address)) as engine:
        engine.load_model("blobs")
        heard.wait_for(ModelLoaded)
        begin(engine)
        heard.wait_for(Finished)
        until(lambda: not engine.n_unfinished)
        yield engine, heard


def begin(engine) -> None:
    engine.open(FRAMES, mode="stack", axis=0, contrast=PLAIN)
    engine.add_prompt(PointPrompt(0, 32, 21.3))
    engine.propagate()


def ask_between(engine, name: str, *given) -> None:
    """One request in the middle of others."""
    engine.call(1, LabelledObject("before", "#ff0000"))
    getattr(engine, name)(*given)
    engine.call(1, LabelledObject("after", "#ff0000"))


LONG = ("call", 1, LabelledObject("x" * 5000, "#ff0000"))


@pytest.mark.parametrize(
    ("asked", "small", "words"),
    [
        (("preview", 10**30), None, "too large a number"),
        (LONG, client, "takes 0 MB at once"),
        (LONG, app, "at most 3 kB are taken"),
    ],
)
def test_a_request_that_is_not_taken_is_told_once_and_the_others_are_done(
    window, lab, monkeypatch, asked, small, words: str
) -> None:
    engine, heard = window
    (session,) = lab.sessions.all
    if small is not None:
        monkeypatch.setattr(small, "MOST_BYTES", 4000)
    ask_between(engine, *asked)
    until(lambda: not engine.n_unfinished)
    (failed,) = heard.of(Failed)
    assert failed.kind is KINDS[asked[0]] and failed.expected and words in failed.message
    assert [event.called[1].name for event in heard.of(ObjectsCalled)] == ["before", "after"]
    assert lab.sessions.all == (session,)


def test_images_that_are_not_taken_leave_none_open(window, lab, monkeypatch) -> None:
    engine, heard = window
    n_finished = len(heard.of(Finished))
    monkeypatch.setattr(app, "MOST_BYTES", 150)
    begin(engine)
    until(lambda: heard.of(Failed) and not engine.n_unfinished)
    failures = heard.of(Failed)
    assert failures[0].kind is RequestKind.OPEN_IMAGES
    assert len(heard.of(Finished)) == n_finished and len(lab.sessions) == 1
    monkeypatch.undo()
    begin(engine)
    until(lambda: len(heard.of(Finished)) > n_finished)


def test_a_layer_that_says_at_length_why_it_cannot_be_read_is_no_reason_to_begin_anew(window, lab) -> None:
    engine, heard = window
    (session,) = lab.sessions.all

    class StoreError(Exception):
        pass

    class Lazy:
        shape, dtype, ndim = FRAMES.shape, FRAMES.dtype, FRAMES.ndim

        def __len__(self) -> int:
            return len(FRAMES)

        def __getitem__(self, key):
            raise StoreError("no such store" + 3000 * " é")

    engine.open(Lazy(), mode="stack", axis=0, contrast=PLAIN)
    engine.add_prompt(PointPrompt(0, 32, 21.3))
    engine.preview(0)
    until(lambda: not engine.n_unfinished)
    assert "StoreError: no such store" in heard.of(Failed)[-1].message
    assert lab.sessions.all == (session,)


@pytest.mark.parametrize("where", [(Talk, "_hear"), (Script, "note_event"), (Link, "_begin"), (Link, "ask")])
def test_a_defect_is_told_with_a_report_and_what_is_asked_next_is_done(window, lab, monkeypatch, where) -> None:
    engine, heard = window
    n_finished = len(heard.of(Finished))

    def breaks(*_):
        raise ZeroDivisionError("a defect")

    with monkeypatch.context() as patch:
        patch.setattr(*where, breaks)
        if where[1] == "_begin":
            lab.sessions.end(lab.sessions.all[0], "for a test")
        ask_between(engine, "propagate")
        until(lambda: heard.of(Failed) and not engine.n_unfinished and engine.status.state is RunState.IDLE)
    failed = heard.of(Failed)[-1]
    assert not failed.expected and "ZeroDivisionError: a defect" in failed.report
    engine.cancel()
    begin(engine)
    until(lambda: len(heard.of(Finished)) > n_finished and heard.of(Finished)[-1].reason is FinishReason.DONE)


def test_a_run_that_cannot_be_understood_again_and_again_fails_in_words(window, lab, monkeypatch) -> None:
    engine, heard = window

    def unreadable(*_):
        raise WireError("line 7 is no line")

    begin(engine)
    with monkeypatch.context() as patch:
        patch.setattr(Talk, "_hear", unreadable)
        engine.preview(0)
        until(lambda: heard.of(Failed) and not engine.n_unfinished and engine.status.state is RunState.IDLE)
    assert {failed.message for failed in heard.of(Failed)} == {"line 7 is no line"}
    begin(engine)
    until(lambda: engine.status.state is RunState.IDLE and heard.of(Finished)[-1].reason is FinishReason.DONE)

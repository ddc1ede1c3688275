"""An engine on a server tells what an engine on this computer tells, and comes back when the server was lost."""

from __future__ import annotations

import inspect
import threading
from dataclasses import fields, is_dataclass

import numpy as np
import pytest
from fakes import PLAIN, blob_model, moving_disc
from lab import Lab, Listener, closing, until

from napari_medsam2.engine.engine import Engine
from napari_medsam2.engine.events import (
    ConnectionChanged,
    Failed,
    Finished,
    FinishReason,
    ImagesRemarked,
    ModelLoaded,
    Noted,
    PromptsChanged,
    Restored,
    ResultReady,
    RunState,
    Standing,
    StatusChanged,
)
from napari_medsam2.engine.requests import RequestKind
from napari_medsam2.images.opened import LabelledObject
from napari_medsam2.prompts import BoxPrompt, MaskPrompt, PointPrompt
from napari_medsam2.remote.engine import RemoteEngine
from napari_medsam2.results import FrameResult
from napari_medsam2.session.journal import digest_of
from napari_medsam2.wire.calls import KINDS
from napari_medsam2.wire.lines import EVENTS, WANT

FRAMES, MASKS = moving_disc(8)
TWO = np.maximum(FRAMES, np.where(np.roll(MASKS, 30, axis=2), 150, 0)).astype(np.uint8)
CLICK = PointPrompt(0, 32, 21.3)


def plain(value):
    """A value as nested tuples, results by what they show."""
    if isinstance(value, FrameResult):
        return (value.frame, value.object_id, digest_of(value), value.window, value.drawn, value.boxed)
    if isinstance(value, MaskPrompt):
        return ("mask", value.frame, value.object_id, value.mask.tobytes())
    if is_dataclass(value):
        told = {field.name: getattr(value, field.name) for field in fields(value)}
        told = {name: each for name, each in told.items() if name not in ("device", "report", "change")}
        return (type(value).__name__, *((name, plain(each)) for name, each in told.items()))
    if isinstance(value, dict):
        return tuple(sorted((plain(key), plain(each)) for key, each in value.items()))
    if isinstance(value, (tuple, list)):
        return tuple(map(plain, value))
    return value


def do_much(engine, heard) -> None:
    """A bit of everything that can be asked."""
    engine.load_model("blobs")
    engine.open(TWO, mode="stack", axis=0, contrast=PLAIN, passes=1)
    engine.add_prompt(CLICK)
    engine.preview(0)
    engine.propagate()
    heard.wait_for(Finished)
    engine.replace_prompts(2, 3, [BoxPrompt(3, 24, 50, 40, 63, 2)], together=(mark := object()))
    engine.replace_prompts(3, 5, [MaskPrompt(5, np.roll(MASKS[5], 20, axis=0), 3)], together=mark)
    engine.call(2, LabelledObject("a second one", "#00ff00"))
    engine.propagate(objects=[2, 3], direction="forward", start=2)
    heard.wait_for(Finished)
    engine.undo()
    engine.redo()
    engine.merge(1, [3])
    engine.split(1, 5, first=7)
    engine.accept(4)
    engine.reset(2)
    known = heard.wait_for(Restored, lambda event: event.kind is RequestKind.RESET).results
    engine.take_results([result.but(confidence=0.25) for result in known.values()])
    engine.undo()
    engine.add_prompt(PointPrompt(0, 500, 500))
    engine.preview(99)
    engine.close_sequence()
    engine.preview(0)
    heard.wait_for(Failed, lambda event: "no images" in event.message)


def test_it_has_all_that_can_be_asked_of_an_engine_here() -> None:
    asked = {name for name, _ in inspect.getmembers(Engine, inspect.isfunction) if not name.startswith("_")}
    assert asked - {"close"} == set(KINDS), "a new request needs a line in wire/calls.py and in remote/engine.py"
    for name in asked:
        here, there = inspect.signature(getattr(Engine, name)), inspect.signature(getattr(RemoteEngine, name))
        assert here == there, name


def test_it_tells_the_same_as_an_engine_here(remote) -> None:
    engine, heard = remote
    do_much(engine, heard)
    here = Listener()
    with closing(Engine(here, load_model=lambda name, **_: blob_model())) as local:
        do_much(local, here)
    for kind in (Standing, ImagesRemarked, Noted):  # how often these come depends on time, not what they say at last
        latest = [[plain(event) for event in each.of(kind)][-1:] for each in (heard, here)]
        if kind is not Noted:
            assert latest[0] == latest[1]
    entries = [
        [(entry.what, plain(entry.prompts)) for event in each.of(Noted) for entry in event.entries]
        for each in (heard, here)
    ]
    assert entries[0] == entries[1] and len(entries[0]) > 20
    changes = [[event.change for event in each.of(Restored)] for each in (heard, here)]
    assert [changes[0].index(n) for n in changes[0]] == [changes[1].index(n) for n in changes[1]]
    told = [
        [plain(event) for event in each.told if not isinstance(event, (Standing, ImagesRemarked, Noted))]
        for each in (heard, here)
    ]
    for there, mine in zip(*told, strict=True):
        if there[0] == "Failed" and "no images" in str(there):
            continue
        assert there == mine


def begin(engine, heard, **options) -> None:
    engine.load_model("blobs")
    engine.open(FRAMES, mode="stack", axis=0, contrast=PLAIN)
    engine.add_prompt(CLICK)
    heard.wait_for(PromptsChanged)


def shown(heard) -> dict:
    """The latest result of each frame."""
    return {event.result.frame: digest_of(event.result) for event in heard.of(ResultReady)}


def undisturbed() -> dict:
    heard = Listener()
    with closing(Engine(heard, load_model=lambda name, **_: blob_model())) as engine:
        begin(engine, heard)
        engine.propagate()
        heard.wait_for(Finished)
    return shown(heard)


def test_pause_and_cancel_take_effect_between_two_frames(lab, remote) -> None:
    engine, heard = remote
    begin(engine, heard)
    lab.gate = threading.Semaphore(2)
    engine.propagate()
    heard.wait_for(ResultReady)
    (session,) = lab.sessions.all
    engine.pause()
    until(lambda: "user" in session.waits_for)
    lab.gate.release()
    heard.wait_for(StatusChanged, lambda event: event.status.state is RunState.PAUSED)
    engine.add_prompt(PointPrompt(4, 32, 25.3))
    heard.wait_for(PromptsChanged)
    engine.resume()
    lab.gate.release()
    heard.wait_for(ResultReady)
    engine.cancel()
    # It has arrived, or the rest would be found first; with a permit left, the run has ended by now.
    until(lambda: session._engine.status.state in (RunState.STOPPING, RunState.IDLE))
    lab.gate.release(5)
    assert heard.wait_for(Finished).reason is FinishReason.CANCELLED
    assert engine.status.state is RunState.IDLE or heard.wait_for(StatusChanged)


@pytest.mark.parametrize("softly", [False, True], ids=["killed", "stopped"])
def test_a_server_that_was_started_anew_goes_on_at_the_same_frame(lab, remote, softly: bool) -> None:
    engine, heard = remote
    begin(engine, heard)
    lab.gate = threading.Semaphore(3)
    engine.propagate()
    for _ in range(3):
        heard.wait_for(ResultReady)
    until(lambda: lab.encoded >= 4)  # it is at the fourth
    lab.stop(softly=softly)
    before = len(heard.of(ResultReady))
    lost = heard.wait_for(ConnectionChanged)
    assert lost.lost and "paused" in lost.message and "Nothing is lost" in lost.message
    assert engine.status.state is RunState.PAUSED
    lab.gate = None
    lab.start()
    back = heard.wait_for(ConnectionChanged)
    assert not back.lost
    assert heard.wait_for(Finished).reason is FinishReason.DONE
    after = [event.result.frame for event in heard.of(ResultReady)[before:]]
    assert len(after) == len(FRAMES) - before, "what was told is not told again"
    assert shown(heard) == undisturbed()
    engine.undo()  # also of what was done on the server before
    restored = heard.wait_for(Restored)
    assert restored.changed and set(restored.results) == set()


def test_what_was_undone_is_known_again_after_the_server_was_started_anew(lab, remote) -> None:
    engine, heard = remote
    begin(engine, heard)
    engine.preview(0)
    engine.reset(1)
    cleared = heard.wait_for(Restored)
    lab.stop()
    engine.undo()
    lab.start()
    restored = heard.wait_for(Restored)
    assert restored.change == cleared.change < 0
    assert set(restored.results) == {(0, 1)} and len(restored.prompts) == 1


def test_what_was_asked_while_the_server_was_away_is_done_when_it_is_back(lab, remote) -> None:
    engine, heard = remote
    begin(engine, heard)
    lab.stop()
    engine.preview(0)
    engine.call(1, LabelledObject("nucleus", "#ff0000"))
    first = heard.wait_for(ConnectionChanged)
    engine.call(1, LabelledObject("cell", "#ff0000"))
    assert heard.wait_for(ConnectionChanged) == first, "who asks then is told again what it waits for"
    assert engine.n_unfinished == 3
    lab.start()
    assert heard.wait_for(ResultReady).result.frame == 0
    until(lambda: engine.n_unfinished == 0)
    assert lab.encoded == 1


def test_a_run_that_is_done_again_can_be_cancelled_and_its_results_stay(lab, remote) -> None:
    engine, heard = remote
    begin(engine, heard)
    lab.gate = threading.Semaphore(3)
    engine.propagate()
    for _ in range(3):
        heard.wait_for(ResultReady)
    lab.stop()
    heard.wait_for(ConnectionChanged)
    lab.gate = threading.Semaphore(0)
    lab.start()
    until(lambda: len(lab.sessions) == 1)
    until(lambda: lab.sessions.n_running == 1)
    engine.cancel()
    assert heard.wait_for(Finished).reason is FinishReason.CANCELLED
    lab.gate.release(1000)
    until(lambda: engine.n_unfinished == 0)
    lab.gate = None
    engine.propagate()
    assert heard.wait_for(Finished).reason is FinishReason.DONE
    assert set(shown(heard)) == set(range(8))
    assert len(heard.of(ResultReady)) < 12, "frames that were done are not done again"


def test_a_session_that_the_server_ended_is_made_anew_when_it_is_needed(lab, remote) -> None:
    engine, heard = remote
    begin(engine, heard)
    (session,) = lab.sessions.all
    lab.sessions.end(session, "nothing was asked for")
    engine.propagate()
    assert heard.wait_for(Finished).reason is FinishReason.DONE
    assert shown(heard) == undisturbed()
    assert not heard.of(ConnectionChanged, Failed)


def test_a_paused_run_whose_session_ended_waits_for_the_user_and_goes_on_where_it_was(lab, remote) -> None:
    engine, heard = remote
    begin(engine, heard)
    lab.gate = threading.Semaphore(3)
    engine.propagate()
    heard.wait_for(ResultReady)
    (session,) = lab.sessions.all
    engine.pause()
    until(lambda: "user" in session.waits_for)
    lab.gate.release(2)
    until(lambda: engine.status.state is RunState.PAUSED)
    lab.gate = None
    encoded = lab.encoded
    lab.sessions.end(session, "nothing was asked for")
    assert not lab.sessions.all and lab.encoded == encoded
    engine.resume()
    assert heard.wait_for(Finished).reason is FinishReason.DONE
    assert shown(heard) == undisturbed()


def test_a_server_that_allows_few_requests_is_asked_more_slowly(tmp_path) -> None:
    lab, heard = Lab(tmp_path, requests_a_second=4.0), Listener()
    with closing(RemoteEngine(heard, lab.address)) as engine:
        begin(engine, heard)
        engine.propagate()
        heard.wait_for(Finished, timeout=60)
    assert shown(heard) == undisturbed() and not heard.of(ConnectionChanged)
    lab.stop()


def test_images_that_cannot_be_read_or_are_too_large_are_said_to_be(tmp_path) -> None:
    lab, heard = Lab(tmp_path), Listener()
    broken = [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 7), np.uint8)]
    with closing(RemoteEngine(heard, lab.address)) as engine:
        engine.load_model("blobs")
        engine.open(broken)
        assert "7" in heard.wait_for(Failed).message
        engine.add_prompt(CLICK)
        assert "no images" in heard.wait_for(Failed).message
        engine.open(FRAMES, contrast=lambda frame: frame)
        assert "contrast" in heard.wait_for(Failed).message
        engine.open(np.broadcast_to(np.uint8(0), (1, 40_000, 40_000)))
        assert "1024 MB" in heard.wait_for(Failed).message
    lab.stop()


@pytest.mark.parametrize("wrong", ["key", "address", "model"])
def test_what_cannot_be_had_is_said_at_once(tmp_path, wrong: str) -> None:
    lab, heard = Lab(tmp_path, keys=("a" * 32,)), Listener()
    address = "http://127.0.0.1:9" if wrong == "address" else lab.address
    with closing(RemoteEngine(heard, address, "b" * 32 if wrong == "key" else "a" * 32)) as engine:
        engine.load_model("../../etc/passwd" if wrong == "model" else "blobs")
        failed = heard.wait_for(Failed)
        words = {"key": "the key is wrong", "address": "cannot be reached", "model": "this server has no model"}
        assert words[wrong] in failed.message and failed.expected
        assert engine.n_unfinished == 0 or until(lambda: engine.n_unfinished == 0) is None
    lab.stop()


def test_the_place_where_the_network_runs_is_told(remote) -> None:
    engine, heard = remote
    engine.load_model("blobs")
    assert heard.wait_for(ModelLoaded).device.startswith("cpu of 127.0.0.1:")


@pytest.mark.parametrize(
    "line",
    [
        {"kind": WANT, "g": 1, "t": 99},
        {"kind": WANT, "g": 1, "t": "x"},
        {"kind": EVENTS, "events": [{"is": "ResultReady", "generation": [1]}]},
        {"kind": EVENTS, "events": [{"known": [], "restored": 3}]},
        {"kind": EVENTS, "events": [7], "served": "x"},
    ],
)
def test_a_server_that_says_what_cannot_be_costs_a_session_and_nothing_else(lab, remote, line: dict) -> None:
    engine, heard = remote
    engine.load_model("blobs")
    engine.open(FRAMES, mode="stack", contrast=PLAIN)
    engine.add_prompt(CLICK)
    engine.preview(0)
    heard.wait_for(ResultReady)
    (session,) = lab.sessions.all
    session.outbox.put(**line)
    engine.propagate()
    assert heard.wait_for(Finished).reason is FinishReason.DONE
    assert any(other is not session for other in lab.sessions.all)

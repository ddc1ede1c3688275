"""What a server is made of, each by itself: turns, frames that are waited for, requests that wait for their step."""

from __future__ import annotations

import queue
import threading
from types import SimpleNamespace

import numpy as np
import pytest
from fakes import blob_model
from lab import until

from napari_medsam2.errors import FrameError
from napari_medsam2.images.header import ImageHeader
from napari_medsam2.server.access import Rate
from napari_medsam2.server.feed import Asked, Feed
from napari_medsam2.server.frames import SentFrames
from napari_medsam2.server.models import SharedModels
from napari_medsam2.server.served import ServedSession
from napari_medsam2.server.turns import Turns
from napari_medsam2.wire.calls import BEGIN, MARK
from napari_medsam2.wire.chunks import ImageLimits, checksum_of, pack_part

FRAMES = np.random.default_rng(0).integers(0, 4000, (6, 40, 30)).astype(np.uint16)
HEADERS = [ImageHeader.of(frame.shape, frame.dtype) for frame in FRAMES]


def in_thread(call) -> queue.Queue:
    """What comes of a call on another thread: its value, or what it raised."""
    answers: queue.Queue = queue.Queue()

    def work() -> None:
        try:
            answers.put(call())
        except FrameError as error:
            answers.put(error)

    threading.Thread(target=work, daemon=True).start()
    return answers


def put(frames: SentFrames, t: int) -> bool:
    packed = pack_part(FRAMES[t])
    return frames.put(t, 0, packed, checksum_of(packed))


def test_a_frame_is_asked_for_once_and_others_have_the_device_meanwhile() -> None:
    asked: list[int] = []
    turns = Turns()
    frames = SentFrames(HEADERS, 1 << 20, asked.append, turns)

    def read():
        with turns.mine():
            return frames[2]

    first, second = in_thread(read), in_thread(read)
    until(lambda: asked == [2])
    with turns.mine():  # or this would wait for ever
        assert put(frames, 2) and not put(frames, 2)
    for answers in (first, second):
        assert np.array_equal(answers.get(timeout=10), FRAMES[2])
    assert asked == [2] and np.array_equal(frames[2], FRAMES[2])


def test_what_finds_no_room_is_forgotten_and_asked_for_again() -> None:
    asked: list[int] = []
    room = 3 * len(pack_part(FRAMES[0]))
    frames = SentFrames(HEADERS, room, asked.append, Turns())
    for t in range(6):
        put(frames, t)
    assert frames.nbytes <= room + 100 and not asked
    answers = in_thread(lambda: frames[0])
    until(lambda: asked == [0])
    put(frames, 0)
    assert np.array_equal(answers.get(timeout=10), FRAMES[0])


def test_nobody_waits_for_a_frame_that_cannot_be_read_or_for_a_window_that_left() -> None:
    asked: list[int] = []
    frames = SentFrames(HEADERS, 1 << 20, asked.append, Turns())
    answers = in_thread(lambda: frames[1])
    until(lambda: asked == [1])
    frames.give_up(1, "frame 1 is damaged")
    assert "frame 1 is damaged" in str(answers.get(timeout=10))
    answers = in_thread(lambda: frames[1])
    until(lambda: asked == [1, 1])
    frames.close()
    assert "not sent any more" in str(answers.get(timeout=10)) and frames.nbytes == 0


def test_who_looks_at_one_frame_comes_before_runs_and_runs_take_turns() -> None:
    turns, order = Turns(), []

    def work(name: str, rank: int) -> None:
        with turns.mine(rank):
            order.append(name)

    with turns.mine():
        for n, (name, rank) in enumerate((("run 1", 1), ("run 2", 1), ("preview", 0))):
            in_thread(lambda name=name, rank=rank: work(name, rank))
            until(lambda n=n: turns.n_waiting == n + 1)
    until(lambda: len(order) == 3)
    assert order == ["preview", "run 1", "run 2"]


def asked(place: int, name: str, after=None) -> Asked:
    return Asked(place, place, 1, name, {}, after)


def test_what_is_done_again_waits_for_its_step_and_what_is_new_for_all_of_it() -> None:
    done: list[str] = []

    def do(asked: Asked) -> int:
        done.append(asked.name)
        return int(asked.name != MARK)

    held: list[bool] = []
    feed = Feed(do, waits=True, hold=held.append)
    feed.put(asked(0, "open", None))
    feed.put(asked(1, "propagate", None))
    assert done == ["open"] and held == [True, False]
    feed.note_served(0)
    feed.note_run(True)
    feed.note_served(1)
    assert held[-1], "whatever comes next may be for after its first step"
    for place, (name, after) in enumerate([("undo", 2), ("redo", "end"), (MARK, 1), (BEGIN, None)], 2):
        feed.put(asked(place, name, after))
        assert not held[-1]
    feed.put(asked(9, "reset"))
    assert done == ["open", "propagate"]
    feed.note_step()
    assert done[-1] == "propagate"
    feed.note_step()
    feed.note_served(2)
    assert done[-1] == "undo"
    feed.note_run(False)
    feed.note_served(3)
    assert done[-3:] == ["redo", MARK, "reset"], "nobody waits for steps that nothing does"
    feed.put(asked(10, "cancel"))
    assert done[-1] == "cancel" and feed.n_waiting == 0


def test_no_more_waits_than_there_is_room_for() -> None:
    feed = Feed(lambda asked: asked.n_bytes, most_bytes=10_000)
    sent = [Asked.of({"i": n, "n": n, "g": 0, "do": "undo", "with": {"x": "y" * 3000}}) for n in range(1, 5)]
    assert [feed.put(each) for each in sent[:3]] == [True, True, False]
    assert feed.n_waiting == 0 and 6000 < feed.n_bytes < 10_000, "those in the engine take room too"
    feed.note_served(2)
    assert feed.n_bytes == 0 and feed.put(sent[2])
    large = Asked.of({"i": 4, "n": 4, "g": 0, "do": "undo", "with": {"x": "y" * 50_000}})
    assert not feed.put(large)
    feed.note_served(3)
    assert feed.put(large), "what is larger than that goes alone"


def test_what_is_done_again_goes_on_while_more_is_taken(tmp_path) -> None:
    weights = tmp_path / "blobs.pt"
    weights.touch()
    models = SharedModels("cpu", (str(weights),), lambda *_, **__: blob_model())
    session = ServedSession(models, ImageLimits(), 1 << 20, waits=True)
    load = {"do": "load_model", "with": {"name_or_path": "blobs"}, "g": 0}

    def requests():
        told = [load, load, {"do": MARK, "g": 0}, {"do": BEGIN, "g": 0}, {"do": "cancel", "g": 0}]
        for place, each in enumerate(told, 1):
            yield {**each, "i": place, "n": place}
            if each["do"] == BEGIN:  # the engine hands the second one on while this batch is in hand
                until(lambda: b'"served":2' in session.outbox.after(0)[1])

    assert in_thread(lambda: session.take(requests())).get(timeout=60) == 5
    until(lambda: b'"served":5' in session.outbox.after(0)[1])
    session.end("the test is over")


def test_nobody_who_leaves_or_has_another_model_waits_for_one_that_is_loaded(tmp_path) -> None:
    files = [tmp_path / "quick.pt", tmp_path / "slow.pt"]
    gate, begun = threading.Event(), threading.Event()

    def load(name: str, **_):
        if "slow" in name:
            begun.set()
            assert gate.wait(60)
        return SimpleNamespace(name=name, device="cpu")

    for file in files:
        file.touch()
    models = SharedModels("cpu", tuple(map(str, files)), load)
    told: list[object] = []
    models.get("first", "quick", told.append)
    slow = in_thread(lambda: models.get("second", "slow", told.append))
    assert begun.wait(60)
    assert models.get("third", "quick", told.append).name == str(files[0])
    models.leave("third")
    models.leave("first")
    gate.set()
    assert slow.get(timeout=60).name == str(files[1]) and set(models.loaded) == {"quick", "slow"}


def test_a_bucket_fills_with_time() -> None:
    now = [0.0]
    rate = Rate(3, 2.0, lambda: now[0])
    assert [rate.wait("a") for _ in range(3)] == [0, 0, 0]
    assert rate.wait("a") == pytest.approx(0.5) and rate.wait("b") == 0
    now[0] = 0.5
    assert rate.wait("a") == 0 and rate.wait("a") > 0

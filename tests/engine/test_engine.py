"""The engine: requests do not wait, events come from one thread, and nothing that fails stops it."""

from __future__ import annotations

import gc
import queue
import subprocess
import sys
import threading
import time
import weakref

import numpy as np
import pytest
from fakes import PLAIN, blob_model, moving_disc

from napari_medsam2.engine.engine import Engine
from napari_medsam2.engine.events import (
    Failed,
    Finished,
    FinishReason,
    ModelLoaded,
    PromptsChanged,
    Restored,
    ResultReady,
    RunState,
    SequenceOpened,
    StatusChanged,
)
from napari_medsam2.engine.requests import RequestKind
from napari_medsam2.prompts import MaskPrompt, PointPrompt

FRAMES, MASKS = moving_disc(8)
CLICK = PointPrompt(0, 32, 21.3)


class Desk:
    """An engine with a gate before each image that the network encodes, and its events."""

    def __init__(self) -> None:
        self.events: queue.Queue = queue.Queue()
        self.threads: set[str] = set()
        self.gate = threading.Semaphore(0)
        self.model = blob_model()
        self.loaded: list[str] = []
        self.engine = Engine(self.receive, load_model=self.load)

    def receive(self, event) -> None:
        self.threads.add(threading.current_thread().name)
        self.events.put(event)

    def load(self, name, *, device, on_notice):
        if name == "broken":
            raise OSError("the file broken.pt is truncated")
        self.loaded.append(name)
        self.model = blob_model()
        network, encode = self.model.network, self.model.network.encode_image

        def gated(image):
            assert self.gate.acquire(timeout=10)
            return encode(image)

        network.encode_image = gated
        return self.model

    def open(self, *, let: int = 1000, frames=FRAMES) -> None:
        for _ in range(let):
            self.gate.release()
        self.engine.load_model("blobs")
        self.engine.open(frames, mode="stack", contrast=PLAIN)
        self.engine.add_prompt(CLICK)
        self.wait_for(PromptsChanged)

    def wait_for(self, kind, *, where=lambda event: True, timeout: float = 10):
        """The next event of a kind; earlier ones of other kinds are dropped, statuses never count as failures."""
        end = time.monotonic() + timeout
        while True:
            event = self.events.get(timeout=max(0.01, end - time.monotonic()))
            if isinstance(event, Failed) and kind is not Failed:
                raise AssertionError(event.report)
            if isinstance(event, kind) and where(event):
                return event

    def wait_for_state(self, state: RunState) -> None:
        self.wait_for(StatusChanged, where=lambda event: event.status.state is state)

    def frames_until_finished(self) -> tuple[list[int], FinishReason]:
        frames = []
        while True:
            event = self.wait_for((ResultReady, Finished))
            if isinstance(event, Finished):
                return frames, event.reason
            frames.append(event.result.frame)


@pytest.fixture
def desk():
    desk = Desk()
    yield desk
    for _ in range(1000):
        desk.gate.release()
    assert desk.engine.close(timeout=10)


def test_from_a_prompt_to_results(desk):
    desk.gate.release()
    desk.engine.load_model("blobs", device="cpu")
    assert desk.wait_for(ModelLoaded).device == "cpu"
    desk.engine.open(FRAMES, mode="stack", contrast=PLAIN)
    opened = desk.wait_for(SequenceOpened)
    assert opened.n_frames == 8 and "8 frames" in opened.description
    desk.engine.add_prompt(CLICK)
    assert desk.wait_for(PromptsChanged).prompts == (CLICK,)
    number = desk.engine.preview(0, 1)
    preview = desk.wait_for(ResultReady)
    assert (preview.request, preview.kind) == (number, RequestKind.PREVIEW)
    np.testing.assert_array_equal(preview.result.mask, MASKS[0])
    for _ in range(8):
        desk.gate.release()
    desk.engine.propagate()
    assert desk.frames_until_finished() == (list(range(8)), FinishReason.DONE)
    status = desk.engine.status
    assert (status.state, status.done, status.total, status.finish_reason) == (RunState.IDLE, 8, 8, FinishReason.DONE)
    assert desk.threads == {"napari-medsam2 engine"}


def test_requests_do_not_wait_for_the_model(desk):
    desk.open(let=0)
    began = time.perf_counter()
    desk.engine.propagate()
    desk.engine.preview(3)
    desk.engine.pause()
    desk.engine.undo()
    desk.engine.cancel()
    assert time.perf_counter() - began < 0.5
    desk.gate.release()


def test_pause_correct_resume(desk):
    desk.open(let=3)
    desk.engine.propagate()
    for expected in range(3):
        assert desk.wait_for(ResultReady).result.frame == expected
    desk.engine.pause()
    desk.gate.release()
    assert desk.wait_for(ResultReady).result.frame == 3, "the frame in progress is finished"
    desk.wait_for_state(RunState.PAUSED)
    assert (desk.engine.status.done, desk.engine.status.total) == (4, 8)
    drawn = np.roll(MASKS[2], 1, axis=1)
    desk.engine.replace_prompts(1, 2, [MaskPrompt(2, drawn)])
    desk.wait_for(PromptsChanged)
    desk.engine.preview(2)
    np.testing.assert_array_equal(desk.wait_for(ResultReady).result.mask, drawn)
    assert desk.engine.status.state is RunState.PAUSED
    for _ in range(8):
        desk.gate.release()
    desk.engine.resume()
    frames, reason = desk.frames_until_finished()
    assert reason is FinishReason.DONE
    assert frames == [1, 3, 4, 5, 6, 7], "frame 2 came with the preview"


def test_time_left_is_estimated(desk):
    desk.open()
    desk.engine.propagate()
    status = desk.wait_for(StatusChanged, where=lambda event: event.status.done == 4).status
    assert status.total == 8 and status.seconds_left is not None and 0 < status.seconds_left < 10


def test_cancel_keeps_the_results_so_far(desk):
    desk.open(let=3)
    desk.engine.propagate()
    for _ in range(3):
        desk.wait_for(ResultReady)
    desk.engine.cancel()
    assert desk.engine.status.state is RunState.STOPPING
    desk.gate.release()
    frames, reason = desk.frames_until_finished()
    assert reason is FinishReason.CANCELLED and frames in ([], [3])
    assert len(desk.engine.session.results) == 3 + len(frames)
    assert desk.engine.status.state is RunState.IDLE


def test_cancel_while_paused(desk):
    desk.open()
    desk.engine.pause()
    desk.engine.propagate()
    desk.engine.pause()
    desk.wait_for_state(RunState.PAUSED)
    desk.engine.cancel()
    assert desk.wait_for(Finished).reason is FinishReason.CANCELLED


def test_a_newer_preview_takes_the_place_of_a_queued_one(desk):
    desk.open(let=0)
    desk.engine.preview(0)
    time.sleep(0.05)  # begun, and held at the gate
    numbers = [desk.engine.preview(0) for _ in range(5)]
    for _ in range(10):
        desk.gate.release()
    first, second = desk.wait_for(ResultReady), desk.wait_for(ResultReady)
    assert second.request == numbers[-1] and first.request < numbers[0]
    desk.engine.reset()
    assert desk.wait_for((ResultReady, Restored)).kind is RequestKind.RESET, "no further preview came"


def test_late_results_of_an_earlier_sequence_are_dropped(desk):
    desk.open(let=2)
    desk.engine.propagate()
    desk.wait_for(ResultReady)
    desk.wait_for(ResultReady)
    desk.engine.open(FRAMES[:3], mode="stack", contrast=PLAIN)
    for _ in range(10):
        desk.gate.release()
    seen = []
    while not seen or not isinstance(seen[-1], SequenceOpened):
        seen.append(desk.events.get(timeout=10))
    assert not any(isinstance(event, ResultReady) for event in seen)
    assert seen[-1].n_frames == 3 and seen[-1].generation == desk.engine.generation
    assert desk.engine.session.prompts == ()


def test_a_second_propagate_takes_the_place_of_the_first(desk):
    desk.open(let=2)
    desk.engine.propagate()
    desk.wait_for(ResultReady)
    desk.engine.propagate(direction="forward", stop=4)
    for _ in range(10):
        desk.gate.release()
    assert desk.frames_until_finished()[1] is FinishReason.SUPERSEDED
    assert desk.frames_until_finished() == ([0, 1, 2, 3], FinishReason.DONE)


def test_undo_redo_and_reset_give_back_everything(desk):
    desk.open()
    desk.engine.propagate()
    desk.frames_until_finished()
    desk.engine.undo()
    undone = desk.wait_for(Restored)
    assert (undone.kind, undone.changed, undone.prompts, dict(undone.results)) == (RequestKind.UNDO, True, (CLICK,), {})
    desk.engine.redo()
    assert len(desk.wait_for(Restored).results) == 8
    desk.engine.redo()
    assert not desk.wait_for(Restored).changed
    desk.engine.reset(1)
    reset = desk.wait_for(Restored)
    assert reset.prompts == () and reset.results == {}


def test_closed_images_and_a_closed_engine_hold_no_memory(desk):
    desk.open()
    desk.engine.propagate()
    desk.frames_until_finished()
    held = weakref.ref(desk.engine.session), weakref.ref(desk.engine.session.model)
    desk.engine.close_sequence()
    desk.engine.preview(0)
    assert "no images are open yet" in desk.wait_for(Failed).message
    gc.collect()
    assert held[0]() is None and held[1]() is not None, "the model stays for the next images"
    desk.model = None
    assert desk.engine.close()
    gc.collect()
    assert held[1]() is None


def test_a_change_of_model_keeps_the_prompts(desk):
    desk.open()
    desk.engine.load_model("other blobs")
    assert desk.wait_for(SequenceOpened).n_frames == 8
    assert desk.engine.session.prompts == (CLICK,)
    assert desk.loaded == ["blobs", "other blobs"]


def test_a_change_of_model_keeps_the_results_until_they_are_found_again(desk):
    desk.open()
    desk.engine.propagate()
    desk.frames_until_finished()
    before = dict(desk.engine.session.results)
    desk.engine.load_model("other blobs")
    desk.wait_for(SequenceOpened)
    session = desk.engine.session
    assert dict(session.results) == before and not len(session.memory()) and not session.undo()
    desk.engine.propagate()
    assert desk.frames_until_finished() == (list(range(8)), FinishReason.DONE)
    assert all(session.results[key] is not before[key] for key in before)
    desk.engine.undo()
    assert dict(desk.wait_for(Restored).results) == before


def test_a_change_of_model_keeps_erased_frames(desk):
    desk.open()
    desk.engine.add_prompt(MaskPrompt(1, np.zeros_like(MASKS[1])))
    desk.engine.replace_prompts(1, 0, ())
    desk.engine.undo()
    desk.wait_for(Restored)
    before = desk.engine.session.prompts
    desk.engine.add_prompt(PointPrompt(3, *np.argwhere(MASKS[3]).mean(axis=0)))
    desk.engine.replace_prompts(1, 0, ())
    desk.engine.load_model("other blobs")
    desk.wait_for(SequenceOpened)
    assert len(before) == 2 and [prompt.frame for prompt in desk.engine.session.prompts] == [1, 3]


# ---- failures --------------------------------------------------------------------------------------------------------


def test_bad_input_is_said_in_words_and_loses_nothing(desk):
    desk.engine.preview(0)
    assert "no model is loaded yet" in desk.wait_for(Failed).message
    desk.open()
    desk.engine.add_prompt(PointPrompt(0, 500, 3))
    failed = desk.wait_for(Failed)
    assert failed.expected and failed.message.startswith("the click at y=500") and failed.kind is RequestKind.ADD_PROMPT
    desk.engine.load_model("broken")
    failed = desk.wait_for(Failed)
    assert failed.expected and failed.message == "the file broken.pt is truncated"
    desk.engine.propagate()
    assert desk.frames_until_finished() == (list(range(8)), FinishReason.DONE)


def test_a_model_that_fails_while_images_are_opened_says_so(desk):
    desk.engine.load_model("broken")
    desk.engine.open(FRAMES)
    assert desk.wait_for(Failed).message == "the file broken.pt is truncated"


def test_a_defect_in_the_middle_of_a_run_is_reported_and_survived(desk):
    desk.open()
    broken = iter([None, None, ZeroDivisionError("division by zero")])
    network, segment = desk.model.network, desk.model.network.segment

    def sometimes(*args, **options):
        error = next(broken, None)
        if error is not None:
            raise error
        return segment(*args, **options)

    network.segment = sometimes
    desk.engine.propagate()
    failed = desk.wait_for(Failed)
    assert not failed.expected
    assert failed.message == "could not propagate: ZeroDivisionError: division by zero"
    assert "Traceback" in failed.report and "torch" in failed.report and "blobs" in failed.report
    assert desk.wait_for(Finished).reason is FinishReason.FAILED
    assert (desk.engine.status.state, desk.engine.status.finish_reason) == (RunState.IDLE, FinishReason.FAILED)
    desk.engine.propagate()
    assert desk.frames_until_finished() == (list(range(8)), FinishReason.DONE)


def test_images_that_cannot_be_opened(desk):
    desk.engine.load_model("blobs")
    desk.engine.open("/no/such/folder")
    assert "/no/such/folder" in desk.wait_for(Failed).message
    desk.engine.preview(0)
    assert "images could not be opened" in desk.wait_for(Failed).message


def test_a_receiver_that_fails_does_not_stop_the_engine(caplog):
    heard = threading.Event()

    def receive(event):
        if isinstance(event, SequenceOpened):
            heard.set()
        raise RuntimeError("wrapped C/C++ object has been deleted")

    engine = Engine(receive, load_model=lambda name, *, device, on_notice: blob_model())
    engine.load_model("blobs")
    engine.open(FRAMES, contrast=PLAIN)
    assert heard.wait(10)
    assert engine.close()
    assert "the receiver of engine events failed" in caplog.text


def test_close_waits_no_longer_than_it_is_told():
    desk = Desk()
    desk.open(let=0)
    desk.engine.propagate()
    time.sleep(0.05)
    assert not desk.engine.close(timeout=0.05), "the network is still at work"
    desk.gate.release()
    assert desk.engine.close(timeout=10)
    assert desk.engine.status.state is RunState.CLOSED
    assert desk.engine.preview(0) > 0
    assert not any(isinstance(event, Failed) for event in list(desk.events.queue))


def test_the_engine_imports_neither_torch_nor_qt():
    code = (
        "import sys, napari_medsam2.engine.engine; sys.exit(any(m in sys.modules for m in ('torch', 'qtpy', 'napari')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

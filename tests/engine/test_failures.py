"""Nothing that fails stops the engine; what failed is said in words, and whose fault it was."""

from __future__ import annotations

import queue
import threading

from desk import FRAMES
from fakes import PLAIN, blob_model

from napari_medsam2.engine.engine import Engine
from napari_medsam2.engine.events import (
    Failed,
    Finished,
    FinishReason,
    RunState,
    SequenceOpened,
)
from napari_medsam2.engine.requests import RequestKind
from napari_medsam2.prompts import PointPrompt


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


def test_a_model_that_failed_says_so_although_images_are_opened_while_it_is_put_in_words():
    class SlowToSay(OSError):
        def __str__(self) -> str:
            engine.open(FRAMES)
            return "the file is truncated"

    def refuse(name, **_):
        raise SlowToSay

    told: queue.Queue = queue.Queue()
    engine = Engine(lambda event: told.put(event) if isinstance(event, Failed) else None, load_model=refuse)
    engine.load_model("broken")
    assert told.get(timeout=10).message == "the file is truncated"
    assert engine.close(timeout=10)


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
    assert desk.frames_until_finished() == ([2, 3, 4, 5, 6, 7], FinishReason.DONE)


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

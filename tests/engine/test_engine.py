"""The engine: requests do not wait, events come from one thread, and what is late does not come at all."""

from __future__ import annotations

import gc
import subprocess
import sys
import time
import weakref

import numpy as np
from desk import CLICK, FRAMES, MASKS, Desk
from fakes import PLAIN

from napari_medsam2.engine.events import (
    Failed,
    FinishReason,
    ModelLoaded,
    PromptsChanged,
    Restored,
    ResultReady,
    RunState,
    SequenceOpened,
)
from napari_medsam2.engine.requests import RequestKind


def test_from_a_prompt_to_results(desk):
    desk.let(1)
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
    desk.let(8)
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
    desk.let(1)


def test_a_newer_preview_takes_the_place_of_a_queued_one(desk):
    desk.open(let=0)
    desk.engine.preview(0)
    desk.wait_until_at_gate()
    numbers = [desk.engine.preview(0) for _ in range(5)]
    desk.let(10)
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
    desk.let(10)
    seen = []
    while not seen or not isinstance(seen[-1], SequenceOpened):
        seen.append(desk.events.get(timeout=10))
    assert not any(isinstance(event, ResultReady) for event in seen)
    assert seen[-1].n_frames == 3 and seen[-1].generation == desk.engine.generation
    assert desk.engine.session.prompts == ()


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


def test_close_waits_no_longer_than_it_is_told():
    desk = Desk()
    desk.open(let=0)
    desk.engine.propagate()
    desk.wait_until_at_gate()
    assert not desk.engine.close(timeout=0.05), "the network is still at work"
    desk.let(1)
    assert desk.engine.close(timeout=10)
    assert desk.engine.status.state is RunState.CLOSED
    assert desk.engine.preview(0) > 0
    assert not any(isinstance(event, Failed) for event in list(desk.events.queue))


def test_the_engine_imports_neither_torch_nor_qt():
    code = (
        "import sys, napari_medsam2.engine.engine; sys.exit(any(m in sys.modules for m in ('torch', 'qtpy', 'napari')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

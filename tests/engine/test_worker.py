"""The worker alone, without a model or a session: what it serves in which order, and what it leaves out."""

from __future__ import annotations

import queue
import subprocess
import sys
import threading

import numpy as np
import pytest

from napari_medsam2.engine.events import Finished, FinishReason, ResultReady, RunState
from napari_medsam2.engine.requests import RequestKind
from napari_medsam2.engine.run import Run
from napari_medsam2.engine.worker import Worker
from napari_medsam2.results import FrameResult


class Bench:
    """A worker whose requests write down what they did."""

    def __init__(self) -> None:
        self.events: queue.Queue = queue.Queue()
        self.failures: list[tuple[RequestKind, str]] = []
        self.done: list[str] = []
        self.ended = threading.Event()
        self.go_on = threading.Semaphore(0)
        self.worker = Worker(self.events.put, on_failure=self.fail, on_end=self.ended.set)
        self.worker.start()

    def fail(self, request, error) -> None:
        self.failures.append((request.kind, str(error)))

    def note(self, what: str):
        return lambda request: self.done.append(what)

    def steps(self, n: int):
        """The steps of a run: each waits until it may go on, and is written down."""
        for frame in range(n):
            assert self.go_on.acquire(timeout=10)
            self.done.append(f"step {frame}")
            yield FrameResult(frame, 1, np.zeros((4, 4), bool), 0.5, 0.5, 0.5, False, 0.0)

    def propagate(self, n: int) -> None:
        steps = self.steps(n)

        def begin(request) -> None:
            self.worker.begin_run(Run(request, steps, lambda: 0))

        self.worker.submit(RequestKind.PROPAGATE, begin)

    def wait_for(self, kind):
        while not isinstance(event := self.events.get(timeout=10), kind):
            pass
        return event

    def wait_until_served(self) -> None:
        served = threading.Event()
        self.worker.submit(RequestKind.CANCEL, lambda request: served.set())
        assert served.wait(10)


@pytest.fixture
def bench():
    bench = Bench()
    yield bench
    for _ in range(100):
        bench.go_on.release()
    assert bench.worker.close(timeout=10) and bench.ended.is_set()


def test_requests_are_served_in_order_and_between_two_steps_of_a_run(bench):
    bench.propagate(2)
    bench.go_on.release()
    assert bench.wait_for(ResultReady).kind is RequestKind.PROPAGATE
    bench.worker.submit(RequestKind.UNDO, bench.note("undo"))
    bench.worker.submit(RequestKind.REDO, bench.note("redo"))
    bench.go_on.release()
    assert bench.wait_for(Finished).reason is FinishReason.DONE
    assert [what for what in bench.done if "step" not in what] == ["undo", "redo"]
    assert bench.done[0] == "step 0" and "step 1" in bench.done


def test_a_request_that_fails_is_reported_and_the_next_one_is_served(bench):
    def fail(request) -> None:
        raise ZeroDivisionError("why")

    bench.worker.submit(RequestKind.PREVIEW, fail)
    bench.worker.submit(RequestKind.PREVIEW, bench.note("preview"))
    bench.wait_until_served()
    assert bench.failures == [(RequestKind.PREVIEW, "why")] and bench.done == ["preview"]


def test_a_step_that_fails_ends_the_run(bench):
    def failing():
        raise ZeroDivisionError("why")
        yield

    steps = failing()
    bench.worker.submit(RequestKind.PROPAGATE, lambda request: bench.worker.begin_run(Run(request, steps, lambda: 0)))
    assert bench.wait_for(Finished).reason is FinishReason.FAILED
    assert bench.failures == [(RequestKind.PROPAGATE, "why")]


def test_what_was_asked_about_images_that_were_left_is_not_done(bench):
    held = threading.Event()
    bench.worker.submit(RequestKind.LOAD_MODEL, lambda request: held.wait(10))
    bench.worker.submit(RequestKind.PREVIEW, bench.note("preview"))
    bench.worker.submit(RequestKind.LOAD_MODEL, bench.note("model"))
    bench.worker.submit(RequestKind.OPEN_IMAGES, bench.note("images"))
    bench.worker.submit(RequestKind.PREVIEW, bench.note("preview of those"))
    assert bench.worker.n_unfinished == 5 and bench.worker.generation == 1
    held.set()
    bench.wait_until_served()
    assert bench.done == ["model", "images", "preview of those"]


def test_cancel_takes_queued_runs_and_previews_away_and_leaves_the_rest(bench):
    held = threading.Event()
    bench.worker.submit(RequestKind.LOAD_MODEL, lambda request: held.wait(10))
    bench.propagate(1)
    bench.worker.submit(RequestKind.PREVIEW, bench.note("preview"))
    bench.worker.submit(RequestKind.ADD_PROMPT, bench.note("prompt"))
    bench.worker.cancel()
    held.set()
    bench.wait_until_served()
    assert bench.done == ["prompt"] and bench.worker.status.state in (RunState.IDLE, RunState.LOADING)


def test_after_closing_nothing_is_served(bench):
    assert bench.worker.close(timeout=10)
    bench.worker.submit(RequestKind.UNDO, bench.note("undo"))
    assert bench.done == [] and bench.worker.n_unfinished == 0 and bench.worker.status.state is RunState.CLOSED


def test_python_ends_after_the_thread_has_left_what_it_is_in() -> None:
    """In the middle of torch, say: with a thread in them, libraries abort a process that ends."""
    code = """
import threading
from napari_medsam2.engine.engine import Engine
inside = threading.Event()
def load(name, **options):
    inside.set()
    threading.Event().wait(1)
    print("left", flush=True)
engine = Engine(lambda event: None, load_model=load)
engine.load_model("any")
inside.wait()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "left"), done.stderr

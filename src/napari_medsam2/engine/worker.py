"""The thread under the engine: a queue of requests, a run that advances between them, events out.

What the requests do is the engine's matter: nothing here touches a model, a session or a prompt.
"""

from __future__ import annotations

import atexit
import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from weakref import WeakSet

from .events import Event, Failed, Finished, FinishReason, ResultReady, RunState, RunStatus, StatusChanged
from .requests import Request, RequestKind
from .run import Run

_log = logging.getLogger(__name__)
#: How long Python's end waits for a thread that is loading a model or at a frame.
_END_S = 30.0
#: What is not begun any more once it was cancelled.
_CANCELLED = (RequestKind.PROPAGATE, RequestKind.COMPARE, RequestKind.PREVIEW)
_started: WeakSet[Worker] = WeakSet()


class Worker:
    """One daemon thread that serves requests in order, and advances a run while there are none.

    Queue, run, pause and status change under one lock, so that no state is shown that :class:`.events.RunState` does
    not know. Events are delivered without it.

    Parameters
    ----------
    on_event
        Called with each event, on the worker thread. An exception in it is logged and does not stop the worker.
    on_failure
        Called on the worker thread when a request or a step of its run raised an error; the worker goes on.
    on_end
        Called on the worker thread when it ends, to let go of all that takes memory.
    on_served
        Called on the worker thread after each request that was taken from the queue, also one that failed or came late.
    """

    def __init__(
        self,
        on_event: Callable[[Event], None],
        *,
        on_failure: Callable[[Request, Exception], None],
        on_end: Callable[[], None],
        on_served: Callable[[Request], None] | None = None,
    ) -> None:
        self._on_event = on_event
        self._on_served = on_served
        self._on_failure = on_failure
        self._on_end = on_end
        self._changed = threading.Condition()  # its lock may be taken again by the thread that has it
        self._queue: deque[Request] = deque()
        self._run: Run | None = None
        self._serving = False
        self._number = 0
        self._generation = 0
        self._paused = False
        self._closing = False
        self._status = RunStatus()
        self._thread = threading.Thread(target=self._work, name="napari-medsam2 engine", daemon=True)

    # ---- from any thread -------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to serve requests."""
        _started.add(self)
        self._thread.start()

    @property
    def status(self) -> RunStatus:
        """A snapshot; never waits for the worker."""
        return self._status

    @property
    def generation(self) -> int:
        """Number of the latest sequence asked for; events of earlier ones are not delivered any more."""
        return self._generation

    @property
    def n_unfinished(self) -> int:
        """Number of requests that are not done: those that wait, and the one that is served."""
        return len(self._queue) + self._serving

    def submit(
        self, kind: RequestKind, call: Callable[[Request], None], *, preview_of: tuple[int, int] | None = None
    ) -> int:
        """Queue a request and return its number; ignored after closing.

        Parameters
        ----------
        kind
            What is asked for; it says whether a new generation begins and whether a pause ends.
        call
            Does it, on the worker thread.
        preview_of
            Frame and object of a preview; a queued preview of the same ones goes.
        """
        with self._changed:
            self._number += 1
            self._generation += kind.changes_images
            self._paused = self._paused and not kind.ends_pause
            request = Request(self._number, self._generation, kind, call, preview_of)
            if self._closing:
                return request.number
            if preview_of is not None:
                self._queue = deque(r for r in self._queue if r.preview_of != preview_of)
            self._queue.append(request)
            self._changed.notify()
            return request.number

    def pause(self) -> None:
        """Hold the run at the next frame boundary; requests are still served."""
        with self._changed:
            self._paused = True
            self._changed.notify()

    def resume(self) -> None:
        """Go on with a paused run."""
        with self._changed:
            self._paused = False
            self._changed.notify()

    def cancel(self) -> int:
        """End the run at the next frame boundary; queued runs and previews go."""
        with self._changed:
            self._queue = deque(r for r in self._queue if r.kind not in _CANCELLED)
            if self._run is not None:
                self._change(state=RunState.STOPPING)
            return self.submit(RequestKind.CANCEL, lambda request: self.end_run(FinishReason.CANCELLED))

    def close(self, timeout: float = 5.0) -> bool:
        """Stop after the frame it is at. True if the thread ended within ``timeout`` seconds."""
        with self._changed:
            self._closing = True
            self._queue.clear()
            self._changed.notify()
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout)
        return not self._thread.is_alive()

    # ---- for requests, on the worker thread ------------------------------------------------------------------------

    def emit(self, event: Event) -> None:
        """Deliver an event, unless it is of an earlier generation; a model that failed to load is of none."""
        about_model = isinstance(event, Failed) and event.kind is RequestKind.LOAD_MODEL
        if not about_model and getattr(event, "generation", self._generation) != self._generation:
            return
        try:
            self._on_event(event)
        except Exception:
            _log.exception("the receiver of engine events failed on %s", type(event).__name__)

    def show_loading(self, detail: str) -> None:
        """Say that a model is loaded or images are opened; ``detail`` says which, in words."""
        self._show(state=RunState.LOADING, detail=detail)

    def begin_run(self, run: Run) -> None:
        """Advance this run from now on, while there are no requests; the one before has to be ended first."""
        with self._changed:
            self._run = run
            status = self._change(
                state=RunState.RUNNING, done=0, total=0, seconds_left=None, finish_reason=None, detail=""
            )
        self.emit(StatusChanged(status))

    def forget_progress(self) -> None:
        """Where no run goes on, say nothing of the last one any more: what it did is no longer what there is."""
        if self._run is None:
            self._show(done=0, total=0, seconds_left=None, finish_reason=None)

    def end_run(self, reason: FinishReason) -> None:
        """End the run, if there is one, and say why."""
        with self._changed:
            run, self._run = self._run, None
        if run is None:
            return
        run.close()
        beside = run.request.kind is RequestKind.COMPARE  # says nothing of the frames of the session
        self._show(state=RunState.IDLE, seconds_left=None, finish_reason=None if beside else reason, detail="")
        self.emit(Finished(run.request.number, run.request.generation, reason, run.done, run.request.kind))

    # ---- the thread ------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        while not self._closing:
            self._do_next()
        self.end_run(FinishReason.SUPERSEDED)
        self._on_end()
        self._show(state=RunState.CLOSED, seconds_left=None, detail="")

    def _do_next(self) -> None:
        """Serve the oldest request, else do the next step of the run, else wait."""
        with self._changed:
            request = self._queue.popleft() if self._queue else None
            self._serving = request is not None
            run = None if self._paused else self._run
        if request is not None:
            self._serve(request)
            self._serving = False
            if self._on_served is not None:
                self._on_served(request)
        elif run is not None:
            self._advance(run)
        else:
            self._rest()

    def _serve(self, request: Request) -> None:
        if self._is_late(request):
            return
        try:
            request.call(request)
        except Exception as error:  # delivered in words; the worker goes on
            self._fail(request, error)

    def _advance(self, run: Run) -> None:
        """Do the next step of a run, and tell what came of it."""
        request = run.request
        if request.generation != self._generation:
            self.end_run(FinishReason.SUPERSEDED)
            return
        self._show_running()
        try:
            result = run.advance()
        except Exception as error:
            self._fail(request, error)
            self.end_run(FinishReason.FAILED)
            return
        if result is None:
            self.end_run(FinishReason.DONE)
            return
        done, total, seconds_left = run.progress
        self.emit(ResultReady(request.number, request.generation, result, request.kind))
        self._show(done=done, total=total, seconds_left=seconds_left)

    def _show_running(self) -> None:
        """Say that a run goes on that was paused, or waited for a model."""
        with self._changed:
            if self._status.state not in (RunState.PAUSED, RunState.LOADING):
                return
            status = self._change(state=RunState.RUNNING, detail="")
        self.emit(StatusChanged(status))

    def _rest(self) -> None:
        """Say that nothing is done now; once that is said, wait for a request or the end of a pause."""
        with self._changed:
            has_run = self._run is not None
            if self._closing or self._queue or (has_run and not self._paused):
                return
            state = RunState.PAUSED if has_run else RunState.IDLE
            if self._status.state is state and not self._status.detail:
                self._changed.wait()
                return
            status = self._change(state=state, detail="", seconds_left=self._status.seconds_left if has_run else None)
        self.emit(StatusChanged(status))

    def _is_late(self, request: Request) -> bool:
        """True if other images were opened since a request about images was made."""
        return request.kind.is_of_images and request.generation != self._generation

    def _fail(self, request: Request, error: Exception) -> None:
        if not self._is_late(request):
            self._on_failure(request, error)

    def _show(self, **changes: Any) -> None:
        """Change the status, and say so."""
        with self._changed:
            status = self._change(**changes)
        self.emit(StatusChanged(status))

    def _change(self, **changes: Any) -> RunStatus:
        """Change the status; the lock is held."""
        before, self._status = self._status, replace(self._status, **changes)
        assert before.state.leads_to(self._status.state), f"{before.state} does not lead to {self._status.state}"
        return self._status


@atexit.register
def _end_all() -> None:
    """Before Python ends: with a thread inside of torch, the libraries under it would abort the process."""
    for worker in list(_started):
        worker.close(_END_S)

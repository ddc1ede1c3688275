"""The thread under the engine: a queue of requests, a run that advances between them, events out.

What the requests are is the engine's matter. Nothing here knows models, sessions or prompts.
"""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from .events import Event, RunStatus, StatusChanged

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Request:
    """Something to be done on the worker thread.

    Attributes
    ----------
    number
        Counts all requests.
    generation
        The sequence that was open, or being opened, when it was asked for.
    during
        In words, for messages, such as ``"segment the frame"``.
    call
        Does it.
    of_session
        True if it is void once another sequence is opened.
    preview_of
        Frame and object of a preview.
    """

    number: int
    generation: int
    during: str
    call: Callable[[Request], None]
    of_session: bool = True
    preview_of: tuple[int, int] | None = None


class Worker(ABC):
    """One daemon thread that serves requests in order, and advances a run while there are none.

    Parameters
    ----------
    on_event
        Called with each event, on the worker thread. An exception in it is logged and does not stop the worker.
    """

    def __init__(self, on_event: Callable[[Event], None]) -> None:
        self._on_event = on_event
        self._changed = threading.Condition()
        self._queue: deque[Request] = deque()
        self._number = 0
        self._generation = 0
        self._paused = False
        self._closing = False
        self._status = RunStatus()
        self._thread = threading.Thread(target=self._work, name="napari-medsam2 engine", daemon=True)

    @property
    def status(self) -> RunStatus:
        """A snapshot; never waits for the worker."""
        return self._status

    @property
    def generation(self) -> int:
        """Number of the latest sequence asked for; events of earlier ones are not delivered any more."""
        return self._generation

    def close(self, timeout: float = 5.0) -> bool:
        """Stop the worker after the frame it is at. True if it ended within ``timeout`` seconds."""
        with self._changed:
            self._closing = True
            self._queue.clear()
            self._changed.notify()
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout)
        return not self._thread.is_alive()

    # ---- what the engine adds --------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def _has_run(self) -> bool:
        """True if there is a run to advance."""

    @abstractmethod
    def _advance(self) -> None:
        """Do the next step of the run."""

    @abstractmethod
    def _fail(self, request: Request, error: Exception) -> None:
        """Report that a request failed."""

    @abstractmethod
    def _let_go(self) -> None:
        """Drop all that takes memory; called at the end, on the worker thread."""

    # ---- for the engine --------------------------------------------------------------------------------------------

    def _ask(
        self,
        during: str,
        call: Callable[[Request], None],
        *,
        of_session: bool = True,
        preview_of: tuple[int, int] | None = None,
    ) -> int:
        """Queue a request; a queued preview of the same frame and object goes. Ignored after closing."""
        with self._changed:
            self._number += 1
            request = Request(self._number, self._generation, during, call, of_session, preview_of)
            if self._closing:
                return request.number
            if preview_of is not None:
                self._queue = deque(r for r in self._queue if r.preview_of != preview_of)
            self._queue.append(request)
            self._changed.notify()
            return request.number

    def _is_late(self, request: Request) -> bool:
        """True if another sequence was opened since a request of the session was made."""
        return request.of_session and request.generation != self._generation

    def _set(self, **changes: Any) -> None:
        """Change the status, and say so."""
        with self._changed:
            self._status = replace(self._status, **changes)
            status = self._status
        self._emit(StatusChanged(status))

    def _emit(self, event: Event) -> None:
        if getattr(event, "generation", self._generation) != self._generation:
            return  # late: another sequence was opened
        try:
            self._on_event(event)
        except Exception:
            _log.exception("the receiver of engine events failed on %s", type(event).__name__)

    # ---- the thread ------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        while True:
            request, closing = self._next_request()
            if closing:
                break
            if request is None:
                self._advance()
            elif not self._is_late(request):
                try:
                    request.call(request)
                except Exception as error:  # delivered in words; the worker goes on
                    self._fail(request, error)
            request = None  # it holds what it was asked with
        self._let_go()
        self._set(state="closed", seconds_left=None, detail="")

    def _next_request(self) -> tuple[Request | None, bool]:
        """Wait until there is something to do; no request means: the next step of the run."""
        while True:
            with self._changed:
                if self._closing:
                    return None, True
                if self._queue:
                    return self._queue.popleft(), False
                advance = self._has_run and not self._paused
            if advance:
                if self._status.state in ("paused", "loading"):
                    self._set(state="running", detail="")
                return None, False
            self._show_rest()
            with self._changed:
                if not self._closing and not self._queue and (not self._has_run or self._paused):
                    self._changed.wait()

    def _show_rest(self) -> None:
        state = "paused" if self._has_run else "idle"
        if self._status.state != state or self._status.detail:
            self._set(state=state, detail="", seconds_left=self._status.seconds_left if self._has_run else None)

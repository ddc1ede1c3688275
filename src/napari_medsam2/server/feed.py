"""Requests on their way to the engine, in order; those of a session that is done again each after so many steps."""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from ..errors import WireError, shortened
from ..json_files import MOST_BYTES
from ..wire.calls import BEGIN, MARK


@dataclass(frozen=True)
class Asked:
    """A request as it came.

    Attributes
    ----------
    place
        Counts all that came in a session; what came before comes twice after a connection was lost.
    number, generation
        As the window counts its requests and images.
    name, arguments
        A method of the engine, and its arguments as JSON.
    after
        Not before the run has done so many steps since the request before, or has ended.
    n_bytes
        What it takes in memory, about.
    """

    place: int
    number: int
    generation: int
    name: str
    arguments: Any
    after: int | Literal["end"] | None = None
    n_bytes: int = 0

    @classmethod
    def of(cls, told: Any) -> Asked:
        """The request of JSON; :class:`WireError` if it is none. The arguments are looked at later."""
        match told:
            case {"i": int(place), "n": int(number), "g": int(generation), "do": str(name), **others}:
                after: Any = others.get("after")
                steps = type(after) is int and after >= 0
                if set(others) <= {"with", "after"} and (after in (None, "end") or steps):
                    arguments = others.get("with", {})
                    return cls(place, number, generation, name, arguments, after, size_of(arguments))
        raise WireError(f"a request has i, n, g, do, and may have with and after; got {shortened(told)}")


def size_of(value: Any) -> int:
    """Bytes that a value of JSON takes in memory, about: no less than a kilobyte, for all that comes with a request."""
    found, rest = 1 << 10, [value]
    while rest:
        each = rest.pop()
        found += sys.getsizeof(each)
        if isinstance(each, dict):
            rest += [*each, *each.values()]
        elif isinstance(each, list):
            rest += each
    return found


class Feed:
    """Hands requests on as soon as it is their turn.

    Parameters
    ----------
    do
        Hands one to the engine, and gives the bytes that it takes until it is served there; 0 if nothing more comes of
        it.
    waits
        True if requests come first that are done again, up to :data:`~napari_medsam2.wire.calls.MARK`. They go one by
        one: the engine leaves out what it finds superseded.
    hold
        Told true while a run must not go on, for the step after which something is to be done may be told only later:
        not all came before :data:`~napari_medsam2.wire.calls.BEGIN`.
    most_bytes
        So much may wait, here and in the engine.
    is_heard
        False while nothing is to be handed on because the window takes nothing of what comes of it.
    """

    def __init__(
        self,
        do: Callable[[Asked], int],
        *,
        waits: bool = False,
        hold: Callable[[bool], None] = lambda on: None,
        most_bytes: int = MOST_BYTES,
        is_heard: Callable[[], bool] = lambda: True,
    ) -> None:
        self._do, self._hold, self._is_heard, self._most_bytes = do, hold, is_heard, most_bytes
        self._lock = threading.RLock()
        self._waiting: deque[Asked] = deque()
        self._handed: deque[tuple[int, int]] = deque()  # places and bytes of what is in the engine
        self._waiting_bytes = self._handed_bytes = 0
        self._more_comes = self._one_by_one = waits
        self._held = False
        self._busy = False
        self._steps = 0
        self._runs = False
        self._closed = False

    @property
    def n_waiting(self) -> int:
        """Number of requests that are not handed on."""
        return len(self._waiting)

    @property
    def n_bytes(self) -> int:
        """Bytes of what waits, here and in the engine."""
        return self._waiting_bytes + self._handed_bytes

    def put(self, asked: Asked) -> bool:
        """Take a request, from any thread; false if too much waits."""
        with self._lock:
            if asked.name == BEGIN:
                self._more_comes = False
            elif self.n_bytes and self.n_bytes + asked.n_bytes > self._most_bytes:
                return False
            else:
                self._waiting.append(asked)
                self._waiting_bytes += asked.n_bytes
            self._go_on()
            return True

    def note_served(self, place: int) -> None:
        """A request was served, and those before it were, or never will be; on the engine's thread."""
        with self._lock:
            while self._handed and self._handed[0][0] <= place:
                self._handed_bytes -= self._handed.popleft()[1]
            self._busy = False
            self._go_on()

    def note_heard(self) -> None:
        """The window took some of what was said."""
        with self._lock:
            self._go_on()

    def note_step(self) -> None:
        """A run did a step; on the engine's thread."""
        with self._lock:
            self._steps += 1
            self._go_on()

    def note_run(self, runs: bool) -> None:
        """A run began, or ended for whatever reason; on the engine's thread."""
        with self._lock:
            self._runs = runs
            self._go_on()

    def close(self) -> None:
        """Hand nothing on any more; never waits."""
        self._closed = True

    def _go_on(self) -> None:
        while self._waiting and self._may_go(self._waiting[0]):
            asked = self._waiting.popleft()
            self._waiting_bytes -= asked.n_bytes
            if asked.after is not None:
                self._steps = 0
            self._one_by_one = self._one_by_one and asked.name != MARK
            if n_bytes := self._do(asked):
                self._handed.append((asked.place, n_bytes))
                self._handed_bytes += n_bytes
            self._busy = n_bytes > 0 and self._one_by_one
        holds = self._more_comes and not self._waiting
        if holds is not self._held:
            self._held = holds
            self._hold(holds)

    def _may_go(self, asked: Asked) -> bool:
        room = self._handed_bytes < self._most_bytes
        return not (self._closed or self._busy) and room and self._is_heard() and self._is_open(asked.after)

    def _is_open(self, after: int | Literal["end"] | None) -> bool:
        if after is None or not self._runs:  # nobody waits for steps that nothing does
            return True
        return after != "end" and self._steps >= after

"""Requests on their way to the engine, in order; those of a session that is done again each after so many steps."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from ..errors import WireError, shortened
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
    """

    place: int
    number: int
    generation: int
    name: str
    arguments: Any
    after: int | Literal["end"] | None = None

    @classmethod
    def of(cls, told: Any) -> Asked:
        """The request of JSON; :class:`WireError` if it is none. The arguments are looked at later."""
        match told:
            case {"i": int(place), "n": int(number), "g": int(generation), "do": str(name), **others}:
                after: Any = others.get("after")
                steps = type(after) is int and after >= 0
                if set(others) <= {"with", "after"} and (after in (None, "end") or steps):
                    return cls(place, number, generation, name, others.get("with", {}), after)
        raise WireError(f"a request has i, n, g, do, and may have with and after; got {shortened(told)}")


class Feed:
    """Hands requests on as soon as it is their turn.

    Parameters
    ----------
    do
        Hands one to the engine; true if it is served there, false if nothing more comes of it.
    waits
        True if nothing is handed on before :data:`~napari_medsam2.wire.calls.BEGIN` came. What is done again then, up
        to :data:`~napari_medsam2.wire.calls.MARK`, goes one by one: the engine leaves out what it finds superseded.
    """

    def __init__(self, do: Callable[[Asked], bool], *, waits: bool = False) -> None:
        self._do = do
        self._lock = threading.RLock()
        self._waiting: deque[Asked] = deque()
        self._holds = self._one_by_one = waits
        self._busy = False
        self._steps = 0
        self._runs = False
        self._closed = False

    @property
    def n_waiting(self) -> int:
        """Number of requests that are not handed on."""
        return len(self._waiting)

    def put(self, asked: Asked) -> None:
        """Take a request, from any thread."""
        with self._lock:
            if asked.name == BEGIN:
                self._holds = False
            else:
                self._waiting.append(asked)
            self._go_on()

    def note_served(self) -> None:
        """A request was served; on the engine's thread."""
        with self._lock:
            self._busy = False
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
        while (
            self._waiting and not (self._closed or self._holds or self._busy) and self._is_open(self._waiting[0].after)
        ):
            asked = self._waiting.popleft()
            if asked.after is not None:
                self._steps = 0
            self._one_by_one = self._one_by_one and asked.name != MARK
            self._busy = self._do(asked) and self._one_by_one

    def _is_open(self, after: int | Literal["end"] | None) -> bool:
        if after is None or not self._runs:  # nobody waits for steps that nothing does
            return True
        return after != "end" and self._steps >= after

"""One network on one device at a time: sessions take turns, a frame each; who looks at one frame comes before runs."""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ..results import FrameResult
from ..session.recorded import RecordedSession
from ..types import Direction

_PREVIEW, _RUN = 0, 1


class Turns:
    """A lock that is given in the order in which it was asked for, to those first who wait for a single frame."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: list[tuple[int, int]] = []
        self._tickets = itertools.count()
        self._holder: int | None = None

    @property
    def n_waiting(self) -> int:
        """How many sessions wait for it."""
        return len(self._waiting)

    @contextmanager
    def mine(self, rank: int = _RUN) -> Iterator[None]:
        """Have it, once it is this thread's turn."""
        self._take(rank)
        try:
            yield
        finally:
            self._give()

    @contextmanager
    def let_go(self) -> Iterator[None]:
        """Let others have it meanwhile, if this thread has it: while it waits for pixels."""
        had = self._holder == threading.get_ident()
        if had:
            self._give()
        try:
            yield
        finally:
            if had:
                self._take(_PREVIEW)

    def _take(self, rank: int) -> None:
        ticket = (rank, next(self._tickets))
        with self._changed:
            heapq.heappush(self._waiting, ticket)
            self._changed.wait_for(lambda: self._holder is None and self._waiting[0] == ticket)
            heapq.heappop(self._waiting)
            self._holder = threading.get_ident()

    def _give(self) -> None:
        with self._changed:
            self._holder = None
            self._changed.notify_all()


class TurnSession(RecordedSession):
    """A session that takes a turn for each frame; parameters as those of :class:`~napari_medsam2.Session`."""

    def __init__(self, turns: Turns, *session: Any, **options: Any) -> None:
        super().__init__(*session, **options)
        self._turns = turns

    def segment(self, frame: int, object_id: int = 1) -> FrameResult:
        with self._turns.mine(_PREVIEW):
            return super().segment(frame, object_id)

    def propagate(
        self,
        *,
        objects: Sequence[int] | None = None,
        direction: Direction = "both",
        start: int | None = None,
        stop: int | None = None,
        anew: bool = False,
    ) -> Iterator[FrameResult]:
        steps = super().propagate(objects=objects, direction=direction, start=start, stop=stop, anew=anew)
        return self._in_turn(steps)

    def _in_turn(self, steps: Iterator[FrameResult]) -> Iterator[FrameResult]:
        try:
            while True:
                with self._turns.mine():
                    result = next(steps, None)
                if result is None:
                    return
                yield result
        finally:
            steps.close()  # type: ignore[attr-defined]

"""Tells how many frames are up to date, and whether anything can be undone, whenever that differs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from ..results import FrameResult
from .events import Event, Standing

if TYPE_CHECKING:
    from ..session.session import Session

#: Counting takes no larger share of a run than this.
_SHARE = 0.02


class StandingWatch:
    """What was told of the session that is open.

    Parameters
    ----------
    emit
        Takes the events.
    """

    def __init__(self, emit: Callable[[Event], None]) -> None:
        self._emit = emit
        self._told: Standing | None = None
        self._counted_at = 0.0
        self._cost = 0.0

    def along(
        self, session: Session, steps: Iterator[FrameResult], request: int, generation: int
    ) -> Iterator[FrameResult]:
        """Pass results on, and tell after each; in very long sequences not after each, and at the end."""
        try:
            self.tell(session, request, generation)
            for result in steps:
                if time.perf_counter() - self._counted_at >= self._cost / _SHARE:
                    self.tell(session, request, generation)
                yield result
        finally:
            steps.close()  # type: ignore[attr-defined]
            self.tell(session, request, generation)

    def tell(self, session: Session, request: int, generation: int) -> None:
        """Look now, and tell what differs."""
        began = time.perf_counter()
        now = Standing(request, generation, session.n_up_to_date, session.can_undo, session.can_redo)
        self._counted_at = time.perf_counter()
        self._cost = self._counted_at - began
        if self._told is None or replace(self._told, request=request) != now:
            self._told = now
            self._emit(now)

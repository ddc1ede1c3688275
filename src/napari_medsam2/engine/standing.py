"""Tells how many frames are up to date, and whether anything can be undone, whenever that differs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from ..results import FrameResult
from .events import Event, Standing
from .telling import telling

if TYPE_CHECKING:
    from ..session.session import Session


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

    def along(
        self, session: Session, steps: Iterator[FrameResult], request: int, generation: int
    ) -> Iterator[FrameResult]:
        """Pass results on, and tell after each; in very long sequences not after each, and at the end."""
        tell = partial(self.tell, session, request, generation)
        tell()
        yield from telling(tell, steps)

    def tell(self, session: Session, request: int, generation: int) -> None:
        """Look now, and tell what differs."""
        now = Standing(request, generation, session.n_up_to_date, session.can_undo, session.can_redo)
        if self._told is None or replace(self._told, request=request) != now:
            self._told = now
            self._emit(now)

"""Passes on what a session noted down of all that is done to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from ..results import FrameResult
from .events import Event, Noted

if TYPE_CHECKING:
    from ..session.session import Session


def tell_noted(emit: Callable[[Event], None], session: Session, generation: int) -> None:
    """Tell what was done to a session since the last time, if it keeps a journal."""
    from ..session.journal import STEPS
    from ..session.recorded import RecordedSession

    if isinstance(session, RecordedSession) and (entries := session.noted()):
        only_steps = all(entry.what == STEPS for entry in entries)
        emit(Noted(generation, entries, None if only_steps else session.stale))


def along(
    emit: Callable[[Event], None], session: Session, steps: Iterator[FrameResult], generation: int
) -> Iterator[FrameResult]:
    """Pass the results of a run on, each after what was noted of it, and the end of the run."""
    try:
        for result in steps:
            tell_noted(emit, session, generation)
            yield result
    finally:
        steps.close()  # type: ignore[attr-defined]
        tell_noted(emit, session, generation)

"""Tells once, as soon as it is known, what a session left out of its contrast, and that its images show nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from ..images.contrast_words import nothing_to_see
from ..results import FrameResult
from .events import Event, ImagesRemarked

if TYPE_CHECKING:
    from ..session.session import Session


class Remarks:
    """What was told of the session that is open.

    Parameters
    ----------
    emit
        Takes the events.
    """

    def __init__(self, emit: Callable[[Event], None]) -> None:
        self._emit = emit
        self._told: tuple[str, ...] | None = None

    def begin(self, session: Session, request: int, generation: int) -> None:
        """Tell of a session that was opened."""
        self._told = None
        self._tell(session, request, generation, nothing_to_see(session.frames))

    def along(
        self, session: Session, steps: Iterator[FrameResult], request: int, generation: int
    ) -> Iterator[FrameResult]:
        """Pass the results on, and tell after each what is new."""
        for result in steps:
            self._tell(session, request, generation)
            yield result

    def _tell(self, session: Session, request: int, generation: int, blank: str = "") -> None:
        remarks = session.remarks
        if remarks != self._told:
            self._told = remarks
            self._emit(ImagesRemarked(request, generation, remarks, blank))

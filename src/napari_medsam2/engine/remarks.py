"""Tells once, as soon as it is known, what a user should know of a session's images and of what a run costs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from ..images.contrast_words import nothing_to_see
from ..results import FrameResult
from .events import Event, ImagesRemarked

if TYPE_CHECKING:
    from ..session.learning import Learning
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
        self._told: tuple[Any, ...] | None = None
        self._learning: Learning | None = None

    def begin(self, session: Session, request: int, generation: int) -> None:
        """Tell of a session that was opened."""
        self._told = self._learning = None
        self._tell(session, request, generation, nothing_to_see(session.frames))

    def along(
        self, session: Session, steps: Iterator[FrameResult], request: int, generation: int
    ) -> Iterator[FrameResult]:
        """Tell what learning costs, pass the results on, and tell after each what is new."""
        from ..session.learning import learning_of

        self._learning = learning_of(session)
        self._tell(session, request, generation)
        for result in steps:
            self._tell(session, request, generation)
            yield result

    def _tell(self, session: Session, request: int, generation: int, blank: str = "") -> None:
        known = session.remarks, self._learning
        if known != self._told:
            self._told = known
            self._emit(ImagesRemarked(request, generation, session.remarks, blank, self._learning))

"""Tells what is remembered of one object whenever that differs, with small pictures, while somebody looks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING
from weakref import ref

import numpy as np

from ..errors import EXPECTED_ERRORS
from ..geometry.thumbnail import Thumbnail, thumbnail
from ..memory_entry import MemoryEntry
from ..results import FrameResult
from .events import Event
from .memory_events import BankTold
from .telling import telling

if TYPE_CHECKING:
    from ..session.session import Session


class BankWatch:
    """What was told of the object that is watched.

    Parameters
    ----------
    emit
        Takes the events.
    """

    def __init__(self, emit: Callable[[Event], None]) -> None:
        self._emit = emit
        #: The object that somebody looks at; ``None``: nobody looks, and nothing is made or told.
        self.object_id: int | None = None
        self._told_of: int | None = None
        self._session: Callable[[], Session | None] = lambda: None
        self._entries: tuple[MemoryEntry, ...] = ()
        self._looked_at: dict[int, int] = {}
        self._prompted: frozenset[int] = frozenset()
        self._waiting: tuple[int, ...] = ()

    def along(
        self, session: Session, steps: Iterator[FrameResult], request: int, generation: int
    ) -> Iterator[FrameResult]:
        """Pass results on, each after what is remembered since, unless that was told just now."""
        return telling(partial(self.tell, session, request, generation), steps)

    def tell(self, session: Session, request: int, generation: int, *, anew: bool = False) -> None:
        """Tell what differs from the last time; all of it if ``anew``, or if it is another object or session."""
        if self.object_id is None:
            self._told_of = None
            return
        anew = anew or self.object_id != self._told_of or self._session() is not session
        if anew:
            self._told_of, self._session = self.object_id, ref(session)
            self._entries, self._looked_at, self._prompted = (), {}, frozenset()
        bank = session.memory(self.object_id)
        entries = () if bank is None else bank.entries
        looked_at = session.descriptors(self.object_id)
        prompted = frozenset(p.frame for p in session.prompts if p.object_id == self.object_id)
        waiting = session.templates_to_be(self.object_id)
        new = {t: found for t, found in looked_at.items() if self._looked_at.get(t) != id(found)}
        same = entries == self._entries and prompted == self._prompted and waiting == self._waiting
        if same and not new and not anew:
            return
        known = {id(entry) for entry in self._entries}
        fresh = ((e.frame, _picture(session, e, self.object_id)) for e in entries if id(e) not in known)
        pictures = {frame: picture for frame, picture in fresh if picture is not None}
        self._entries, self._prompted, self._waiting = entries, prompted, waiting
        self._looked_at = {t: id(found) for t, found in looked_at.items()}
        bare = None if bank is None else bank.bare()
        self._emit(BankTold(request, generation, self.object_id, bare, pictures, new, prompted, waiting, anew))


def _picture(session: Session, entry: MemoryEntry, object_id: int) -> Thumbnail | None:
    if entry.origin is not None:
        return entry.origin.picture
    try:
        image = session.segmenter.predictor.overview(entry.frame)
    except EXPECTED_ERRORS:
        return None  # it could be read when it was segmented; it is told elsewhere that now it cannot
    found = session.result(entry.frame, object_id)
    return thumbnail(image, np.zeros(image.shape[:2], bool) if found is None else found.mask)

"""Numbers of changes that can be undone, as they are told on this side."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable

_numbers = itertools.count(-1, -1)


class Changes:
    """Our numbers of a session's changes, below 0: those of different servers, and of this computer, differ.

    Parameters
    ----------
    again
        Our numbers of those that are done again, in order.
    """

    def __init__(self, again: Iterable[int] = ()) -> None:
        self._again = deque(again)
        self._ours: dict[int, int] = {}

    def ours(self, change: int, *, replays: bool) -> int:
        """Our number of a change there, which is one that is done again, or another one."""
        again = self._again.popleft() if replays and self._again else None
        if change not in self._ours:
            self._ours[change] = next(_numbers) if again is None else again
        return self._ours[change]

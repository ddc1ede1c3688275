"""Undo and redo by snapshots."""

from __future__ import annotations

from collections import deque
from itertools import count
from typing import Generic, TypeVar

State = TypeVar("State")

#: Numbers of changes: each is given once, whatever the history.
_NUMBERS = count(1)


class History(Generic[State]):
    """Snapshots of a state before each change. Snapshots are handed over: nobody may change them afterwards.

    Each change has a number, by which it can be told whether it is undone.

    Parameters
    ----------
    depth
        Changes that can be undone; the oldest are forgotten.
    """

    def __init__(self, depth: int = 30) -> None:
        self._before: deque[tuple[int, State]] = deque(maxlen=depth)
        self._after: list[tuple[int, State]] = []
        self._undone: set[int] = set()

    def push(self, before: State) -> int:
        """Note a change, with the state as it was before it. What was undone can no longer be redone.

        Returns
        -------
        int
            The number of the change.
        """
        number = next(_NUMBERS)
        self._before.append((number, before))
        self._after.clear()
        return number

    @property
    def latest(self) -> int | None:
        """The number of the change that :meth:`undo` would take back; ``None`` if there is none."""
        return self._before[-1][0] if self._before else None

    @property
    def latest_undone(self) -> int | None:
        """The number of the change that :meth:`redo` would bring back; ``None`` if there is none."""
        return self._after[-1][0] if self._after else None

    def join(self) -> None:
        """Make the latest change a part of the one before it."""
        self._before.pop()

    def undo(self, current: State) -> State | None:
        """The state before the latest change, or ``None`` if there is none; ``current`` is kept for redo."""
        if not self._before:
            return None
        number, state = self._before.pop()
        self._undone.add(number)
        self._after.append((number, current))
        return state

    def redo(self, current: State) -> State | None:
        """The state that the latest undo took away, or ``None`` if there is none."""
        if not self._after:
            return None
        number, state = self._after.pop()
        self._undone.discard(number)
        self._before.append((number, current))
        return state

    def forget(self) -> None:
        """What was done so far can no longer be undone or redone."""
        self._before.clear()
        self._after.clear()

    def is_undone(self, number: int) -> bool:
        """True if the change with this number was undone, and not redone since."""
        return number in self._undone

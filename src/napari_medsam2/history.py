"""Undo and redo by snapshots."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

State = TypeVar("State")


class History(Generic[State]):
    """Snapshots of a state before each change. Snapshots are handed over: nobody may change them afterwards.

    Parameters
    ----------
    depth
        Changes that can be undone; the oldest are forgotten.

    Attributes
    ----------
    position
        Counts the changes that are in effect: one up for each change and redo, one down for each undo.
    """

    def __init__(self, depth: int = 30) -> None:
        self._before: deque[State] = deque(maxlen=depth)
        self._after: list[State] = []
        self.position = 0

    def push(self, before: State) -> None:
        """Note a change, with the state as it was before it. What was undone can no longer be redone."""
        self._before.append(before)
        self._after.clear()
        self.position += 1

    def undo(self, current: State) -> State | None:
        """The state before the latest change, or ``None`` if there is none; ``current`` is kept for redo."""
        if not self._before:
            return None
        self._after.append(current)
        self.position -= 1
        return self._before.pop()

    def redo(self, current: State) -> State | None:
        """The state that the latest undo took away, or ``None`` if there is none."""
        if not self._after:
            return None
        self._before.append(current)
        self.position += 1
        return self._after.pop()

    @property
    def can_undo(self) -> bool:
        return bool(self._before)

    @property
    def can_redo(self) -> bool:
        return bool(self._after)

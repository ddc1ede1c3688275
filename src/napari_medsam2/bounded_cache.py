"""A cache that keeps what was used last, within a budget."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


def _nbytes(value: Any) -> int:
    return int(value.nbytes)


class BoundedCache(Generic[Key, Value]):
    """Values by their keys; those that were not used for longest go first. Safe to use from several threads.

    Parameters
    ----------
    max_bytes
        Budget; a value larger than all of it is not kept. 0 keeps nothing.
    size_of
        Bytes that a value takes; by default its ``nbytes``, as arrays have it.
    on_drop
        Called with a key and its value when they go because there is no room, and not when everything is forgotten.
    """

    def __init__(
        self,
        max_bytes: int,
        size_of: Callable[[Value], int] = _nbytes,
        on_drop: Callable[[Key, Value], None] | None = None,
    ) -> None:
        self.max_bytes = max_bytes
        self._on_drop = on_drop
        self._size_of = size_of
        self._kept: OrderedDict[Key, Value] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    @property
    def nbytes(self) -> int:
        """Bytes held right now, never more than the budget."""
        return self._bytes

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Key, compute: Callable[[], Value]) -> Value:
        """The value of a key: the one that is kept, or else computed and kept.

        Other threads may use the cache meanwhile; two that miss the same key both compute it.
        """
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        value = compute()
        size = self._size_of(value)
        with self._lock:
            if size <= self.max_bytes and key not in self._kept:
                self._kept[key] = value
                self._bytes += size
            dropped = self._keep_budget()
        self._tell(dropped)
        return value

    def shrink(self) -> None:
        """Keep at most half as much as now from now on; if nothing is kept, the budget is halved."""
        with self._lock:
            self.max_bytes = (self._bytes or self.max_bytes) // 2
            dropped = self._keep_budget()
        self._tell(dropped)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._kept.clear()
            self._bytes = 0

    def _keep_budget(self) -> list[tuple[Key, Value]]:
        dropped = []
        while self._bytes > self.max_bytes:
            dropped.append(self._kept.popitem(last=False))
            self._bytes -= self._size_of(dropped[-1][1])
        return dropped

    def _tell(self, dropped: list[tuple[Key, Value]]) -> None:
        """Without the lock: it may take its time."""
        if self._on_drop is not None:
            for key, value in dropped:
                self._on_drop(key, value)

"""Image features that were computed already, within a byte budget."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..geometry.window import Window
    from ..network.interface import ImageFeatures


Key = tuple[int, "Window", int]


class FeatureCache:
    """Least recently used features go first. Safe to use from several threads.

    Parameters
    ----------
    max_bytes
        Budget; features larger than all of it are not kept. 0 keeps nothing.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._kept: OrderedDict[Key, ImageFeatures] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    @property
    def nbytes(self) -> int:
        """Bytes held right now, never more than the budget."""
        return self._bytes

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, frame: int, window: Window, size: int, compute: Callable[[], ImageFeatures]) -> ImageFeatures:
        """Features of a window of a frame, seen with ``size`` pixels a side: those kept, or else computed and kept."""
        key = (frame, window, size)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        features = compute()
        with self._lock:
            if features.nbytes <= self.max_bytes and key not in self._kept:
                self._kept[key] = features
                self._bytes += features.nbytes
                self._keep_budget()
        return features

    def shrink(self) -> None:
        """Keep at most half as much as now from now on; if nothing is kept, the budget is halved."""
        with self._lock:
            self.max_bytes = (self._bytes or self.max_bytes) // 2
            self._keep_budget()

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._kept.clear()
            self._bytes = 0

    def _keep_budget(self) -> None:
        while self._bytes > self.max_bytes:
            self._bytes -= self._kept.popitem(last=False)[1].nbytes

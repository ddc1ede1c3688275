"""A propagation under way: its steps, how many are done, and how long the others may take."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ..results import FrameResult
from .requests import Request

#: Share of the latest step in the running mean of the seconds that a step takes.
_LATEST = 0.2


@dataclass
class Run:
    """The steps of a propagation, done one at a time.

    Attributes
    ----------
    request
        What asked for it.
    steps
        Yields a result for each step.
    count_left
        Number of steps still to do; may change between two steps, when a prompt queues frames again.
    done
        Number of steps done.
    """

    request: Request
    steps: Iterator[FrameResult]
    count_left: Callable[[], int]
    done: int = 0
    _seconds_per_step: float | None = None

    def advance(self) -> FrameResult | None:
        """Do the next step; ``None`` if there is none left."""
        began = time.perf_counter()
        result = next(self.steps, None)
        if result is not None:
            seconds, mean = time.perf_counter() - began, self._seconds_per_step
            self.done += 1
            self._seconds_per_step = seconds if mean is None else (1 - _LATEST) * mean + _LATEST * seconds
        return result

    @property
    def progress(self) -> tuple[int, int, float | None]:
        """Steps done, steps in all, and about how many seconds are left (``None`` before the first step)."""
        left, seconds = self.count_left(), self._seconds_per_step
        return self.done, self.done + left, None if seconds is None else left * seconds

    def close(self) -> None:
        """End it where it is; its results stay."""
        close = getattr(self.steps, "close", None)
        if close is not None:
            close()

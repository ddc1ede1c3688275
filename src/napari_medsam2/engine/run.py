"""A propagation under way: its steps, how many are done, and how long the others may take."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from statistics import median

from ..results import FrameResult
from .requests import Request

#: Share of the latest step in the running mean of the seconds that a step takes.
_LATEST = 0.2
#: After so many steps something is known of how long they take: the first ones are on frames with prompts, and
#: whatever is only needed once is done in them.
_KNOWN_AFTER = 3


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
    _first: list[float] = field(default_factory=list)

    def advance(self) -> FrameResult | None:
        """Do the next step; ``None`` if there is none left."""
        began = time.perf_counter()
        result = next(self.steps, None)
        if result is not None:
            self.done += 1
            self._learn(time.perf_counter() - began)
        return result

    def _learn(self, seconds: float) -> None:
        """Take note of how long a step took."""
        if self._seconds_per_step is not None:
            self._seconds_per_step += _LATEST * (seconds - self._seconds_per_step)
            return
        self._first.append(seconds)
        if len(self._first) == _KNOWN_AFTER:
            self._seconds_per_step = median(self._first)

    @property
    def progress(self) -> tuple[int, int, float | None]:
        """Steps done, steps in all, and about how many seconds are left (``None`` before a few are done)."""
        left, seconds = self.count_left(), self._seconds_per_step
        return self.done, self.done + left, None if seconds is None else left * seconds

    def close(self) -> None:
        """End it where it is; its results stay."""
        close = getattr(self.steps, "close", None)
        if close is not None:
            close()

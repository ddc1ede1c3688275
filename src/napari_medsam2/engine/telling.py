"""Telling along a run of what came of it, without costing the run more than a little."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from ..results import FrameResult

#: A telling is followed by this many times as long without one: it costs a run 2 % at most.
REST = 50


def telling(tell: Callable[[], None], steps: Iterator[FrameResult]) -> Iterator[FrameResult]:
    """Pass the results of a run on, each after a telling unless that was done just now, and tell at the end."""
    told_at = took_s = 0.0
    try:
        for result in steps:
            began = time.perf_counter()
            if began - told_at >= REST * took_s:
                tell()
                told_at = time.perf_counter()
                took_s = told_at - began
            yield result
    finally:
        steps.close()  # type: ignore[attr-defined]
        tell()

"""How far the frames of a clip are apart in time."""

from __future__ import annotations

from typing import Any

import numpy as np

from .facts import Facts


def frame_step(facts: Facts) -> float:
    """Seconds from one frame to the next one, on average; 0 if the header does not say.

    Frame Time and Frame Time Vector are in milliseconds, the rates in frames a second.
    """
    time = _positive(facts.get("FrameTime"))
    vector = facts.get("FrameTimeVector")
    if not time and vector is not None and len(vector) > 1:
        time = _positive(np.mean([float(step) for step in vector[1:]]))
    if time:
        return time / 1000
    rate = _positive(facts.get("CineRate")) or _positive(facts.get("RecommendedDisplayFrameRate"))
    return 1 / rate if rate else 0.0


def seconds_of_day(text: Any) -> float:
    """A time as DICOM writes it, ``HHMMSS.FFFFFF``, in seconds."""
    clock = float(text)
    hours, rest = divmod(clock, 10000)
    minutes, seconds = divmod(rest, 100)
    return hours * 3600 + minutes * 60 + seconds


def _positive(value: Any) -> float:
    number = float(value) if value is not None else 0.0
    return number if np.isfinite(number) and number > 0 else 0.0

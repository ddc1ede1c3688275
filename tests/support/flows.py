"""Unrelated images of one kind of thing."""

from __future__ import annotations

import numpy as np
from fakes import disc


def flow_frames(colours) -> list[np.ndarray]:
    """One disc of the given colour a frame, somewhere else each time."""
    frames = []
    for t, colour in enumerate(colours):
        frame = np.full((48, 64, 3), 10, np.uint8)
        frame[disc((48, 64), 14 + 5 * (t % 5), 15 + 9 * (t % 4), 7)] = colour
        frames.append(frame)
    return frames

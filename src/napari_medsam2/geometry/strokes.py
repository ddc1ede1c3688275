"""Strokes of a hand: an outline as the pixels in it, a line as clicks along it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..types import Mask

#: Clicks that a scribble counts as, at most.
MOST_CLICKS = 4
#: They are at least so many pixels apart.
_APART = 3.0


def filled(outline: npt.ArrayLike, shape: tuple[int, int]) -> Mask:
    """The pixels of a frame whose centres an outline goes around.

    The outline closes itself. Where it crosses itself, what it goes around more than once is inside as well, as where
    the end of a lasso overlaps its beginning; the two halves of an eight are both inside. What lies beyond the frame
    does not count.

    Parameters
    ----------
    outline
        Corners (y, x), ``(N, 2)``; the centre of the first pixel is (0, 0).
    shape
        Of the frame, (H, W).

    Returns
    -------
    bool ``(H, W)``
    """
    height, width = shape
    start = np.asarray(outline, float).reshape(-1, 2)
    turns = np.zeros((height, width + 1), np.int64)  # how often the outline turns around a pixel, as steps along x
    for (y0, x0), (y1, x1) in zip(start, np.roll(start, -1, axis=0), strict=True):
        low, high = sorted((y0, y1))
        rows = np.arange(max(int(np.ceil(low)), 0), min(int(np.ceil(high)), height))
        if len(rows):
            crossings = x0 + (rows - y0) * ((x1 - x0) / (y1 - y0))
            np.add.at(turns, (rows, np.clip(np.ceil(crossings), 0, width).astype(int)), 1 if y1 > y0 else -1)
    return np.asarray(np.cumsum(turns, axis=1)[:, :width] != 0)


def clicks_along(line: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Places (y, x), ``(N, 2)``, evenly along a line of corners (y, x): one for a line that hardly goes anywhere."""
    corners = np.asarray(line, float).reshape(-1, 2)
    steps = np.hypot(*np.diff(corners, axis=0).T) if len(corners) > 1 else np.zeros(0)
    way = np.concatenate([[0.0], np.cumsum(steps)])
    count = int(np.clip(way[-1] // _APART, 1, MOST_CLICKS))
    at = (np.arange(count) + 0.5) / count * way[-1]
    return np.column_stack([np.interp(at, way, corners[:, axis]) for axis in (0, 1)])

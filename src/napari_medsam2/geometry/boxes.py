"""Boxes in data coordinates: ``(y0, x0, y1, x1)``, edges of pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..types import Mask

#: Outer edges ``(y0, x0, y1, x1)`` in data coordinates.
Box = tuple[float, float, float, float]


def box_of_mask(mask: Mask) -> Box | None:
    """Outer edges of a mask ``(H, W)``; ``None`` if it is empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    return rows[0] - 0.5, columns[0] - 0.5, rows[-1] + 0.5, columns[-1] + 0.5


def longer_side(box: Box) -> float:
    """The longer side of a box, in pixels."""
    return max(box[2] - box[0], box[3] - box[1])


def union_box(boxes: Sequence[Box]) -> Box | None:
    """The smallest box around all; ``None`` if there are none."""
    if not boxes:
        return None
    y0, x0, y1, x1 = zip(*boxes, strict=True)
    return min(y0), min(x0), max(y1), max(x1)

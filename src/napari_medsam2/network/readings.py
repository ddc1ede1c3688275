"""What an ambiguous prompt may mean: masks that are different hypotheses, and the clicks that choose one of them.

SAM offers several masks for one prompt, as whole, part and subpart (Kirillov et al. 2023, arXiv 2304.02643, section 3),
and SAM 2 does so too. The best guess is shown, and the others are kept: one more click says which is meant.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

#: Masks this much alike, as an IoU, are one reading: what differs is a rim, which a correction mends.
ALIKE = 0.8


def told_apart(offered: Sequence[Tensor]) -> list[Tensor]:
    """Of mask logits ``[1, 1, h, w]``, the best guess first: it, and those that are not empty and unlike all before."""
    kept = list(offered[:1])
    for logits in offered[1:]:
        mask = logits > 0
        if mask.any() and all(_iou(mask, other > 0) <= ALIKE for other in kept):
            kept.append(logits)
    return kept


def agreeing(logits: Tensor, clicks: Tensor, size: int) -> int:
    """How many clicks, from the first on, a mask ``[1, 1, h, w]`` agrees with; see :func:`choose`."""
    height, width = logits.shape[-2:]
    for count, (x, y, label) in enumerate(clicks.tolist()):
        row = min(max(int((y + 0.5) * height / size), 0), height - 1)
        column = min(max(int((x + 0.5) * width / size), 0), width - 1)
        if bool(logits[0, 0, row, column] > 0) != bool(label):
            return count
    return len(clicks)


def choose(readings: Sequence[Tensor], clicks: Tensor | None, size: int) -> int:
    """Which reading agrees with the most clicks, counted from the first on; of equals the first.

    Parameters
    ----------
    readings
        Mask logits ``[1, 1, h, w]``, the best guess first.
    clicks
        ``[K, 3]``: x and y in pixels of the network input, and 1 for positive, 0 for negative; ``None`` for none.
    size
        Side of the network input.
    """
    if clicks is None or len(readings) < 2:
        return 0
    counts = [agreeing(logits, clicks, size) for logits in readings]
    return counts.index(max(counts))


def _iou(a: Tensor, b: Tensor) -> float:
    return float(torch.count_nonzero(a & b) / torch.count_nonzero(a | b).clamp(min=1))

"""How much of two masks is the same."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from ..types import Mask


def dice(prediction: Mask, truth: Mask) -> float:
    """Dice coefficient ``2 |A and B| / (|A| + |B|)`` of two masks of one shape, 0..1."""
    return volumetric_dice([(prediction, truth)])


def iou(prediction: Mask, truth: Mask) -> float:
    """Intersection over union (Jaccard index) of two masks of one shape, 0..1."""
    return volumetric_iou([(prediction, truth)])


def volumetric_dice(pairs: Iterable[tuple[Mask, Mask]]) -> float:
    """Dice over all pixels of many frames together, from pairs (prediction, truth), one pair in memory at a time."""
    both, total = _count(pairs)
    return 2 * both / total if total else 1.0


def volumetric_iou(pairs: Iterable[tuple[Mask, Mask]]) -> float:
    """Intersection over union over all pixels of many frames together."""
    both, total = _count(pairs)
    return both / (total - both) if total else 1.0


def _count(pairs: Iterable[tuple[Mask, Mask]]) -> tuple[int, int]:
    both = total = 0
    for prediction, truth in pairs:
        first, second = same_shape(prediction, truth)
        both += int(np.count_nonzero(first & second))
        total += int(np.count_nonzero(first)) + int(np.count_nonzero(second))
    return both, total


def same_shape(prediction: Mask, truth: Mask) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Both as bool; a ``ValueError`` if their shapes differ."""
    first, second = np.asarray(prediction) != 0, np.asarray(truth) != 0
    if first.shape != second.shape:
        raise ValueError(f"masks must have one shape to be compared; got {first.shape} and {second.shape}")
    return first, second

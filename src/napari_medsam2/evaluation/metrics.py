"""How good a segmentation is: overlap, surface distance, and whether the confidence tells the truth.

Two empty masks agree perfectly: their Dice and IoU are 1 and their surface distance is 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.ndimage import binary_erosion, distance_transform_edt, find_objects

from ..errors import OptionError
from ..geometry.overlap import same_shape
from ..types import Mask


def hd95(prediction: Mask, truth: Mask, spacing: Sequence[float] | None = None, counted: Mask | None = None) -> float:
    """95th percentile of the symmetric surface distance, for masks of any number of axes.

    Distances go from every border pixel of one mask to the nearest border pixel of the other; both directions are
    pooled before the percentile is taken.

    Parameters
    ----------
    spacing
        Size of a pixel along each axis, in the unit of the answer; ``None`` counts pixels.
    counted
        Pixels whose distances count, broadcast to the masks' shape; ``None`` counts all. The surfaces that they are
        measured to are always the whole ones.

    Returns
    -------
    float
        0 if both masks are empty; infinite if only one is; NaN if no border pixel counts.
    """
    first, second = same_shape(prediction, truth)
    if spacing is not None and (len(spacing) != first.ndim or min(spacing) <= 0):
        raise OptionError(f"spacing needs a positive number for each of {first.ndim} axes; got {tuple(spacing)}")
    if not first.any() and not second.any():
        return 0.0
    if not first.any() or not second.any():
        return float("inf")
    around = find_objects((first | second).astype(np.uint8))[0]
    counts = np.broadcast_to(True if counted is None else np.asarray(counted) != 0, first.shape)[around]
    borders = [_border(mask[around]) for mask in (first, second)]
    distances = np.concatenate(
        [distance_transform_edt(~borders[1 - side], sampling=spacing)[borders[side] & counts] for side in range(2)]
    )
    return float(np.percentile(distances, 95)) if len(distances) else float("nan")


def expected_calibration_error(confidence: npt.ArrayLike, truth: npt.ArrayLike, *, n_bins: int = 10) -> float:
    """Mean gap between confidence and what came true, over equal bins of confidence, weighted by their counts.

    Parameters
    ----------
    confidence, truth
        Numbers in 0..1 of one length: what was predicted (say, IoU) and what it turned out to be.

    Returns
    -------
    float
        0..1; NaN if there is nothing to compare.
    """
    said, came = _two_rows(confidence, truth)
    if not len(said):
        return float("nan")
    bins = np.clip((said * n_bins).astype(int), 0, n_bins - 1)
    gaps = [abs(float(np.sum(said[bins == b]) - np.sum(came[bins == b]))) for b in np.unique(bins)]
    return sum(gaps) / len(said)


def pearson_correlation(first: npt.ArrayLike, second: npt.ArrayLike) -> float:
    """Pearson's correlation coefficient; NaN for fewer than two values, or where one row does not vary."""
    x, y = _two_rows(first, second)
    if len(x) < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    x, y = x - x.mean(), y - y.mean()
    return float(np.clip((x * y).sum() / np.sqrt((x * x).sum() * (y * y).sum()), -1, 1))


def _border(mask: Mask) -> Mask:
    """Pixels of a mask with a neighbour outside it; what lies beyond the image counts as outside."""
    border: Mask = mask & ~binary_erosion(mask)
    return border


def _two_rows(first: npt.ArrayLike, second: npt.ArrayLike) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    x, y = np.asarray(first, np.float64).ravel(), np.asarray(second, np.float64).ravel()
    if len(x) != len(y):
        raise ValueError(f"as many values are needed on both sides; got {len(x)} and {len(y)}")
    return x, y

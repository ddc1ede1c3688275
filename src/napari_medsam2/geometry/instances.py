"""Things of one kind that touch, told apart by their shape: a watershed on how deep each pixel is inside."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.feature import peak_local_max
from skimage.segmentation import watershed

from ..types import Mask
from .parts import depth

#: The middles of two things are at least this share of a usual radius apart.
_APART = 0.8
#: Depths are smoothed by this share of it, so that a rough outline makes no middles of its own.
_SMOOTH = 0.25
#: Pieces of less than this share of a usual thing's area are no things.
_SPECK = 0.05


def usual_radius(masks: list[Mask]) -> float:
    """The radius of a usual thing on these masks ``(H, W)``, in pixels: how deep the middle of a part is.

    Of touching things the deepest is about as deep as each of them alone. 0 if there is none.
    """
    depths: list[float] = []
    for mask in masks:
        deep = depth(mask)
        parts, count = ndimage.label(mask, structure=np.ones((3, 3)))
        depths += [float(value) for value in ndimage.maximum(deep, parts, range(1, count + 1))] if count else []
    large = [value for value in depths if value >= 0.25 * max(depths)]
    return float(np.median(large)) if large else 0.0


def told_apart(mask: Mask, radius: float) -> npt.NDArray[np.int32]:
    """Number the things on a mask ``(H, W)`` from 1; all of the mask belongs to one of them, but for specks.

    Parameters
    ----------
    radius
        Of a usual thing, in pixels; the smaller, the more is cut. See :func:`usual_radius`.
    """
    if not mask.any() or radius <= 0:
        return np.zeros(mask.shape, np.int32)
    deep = depth(mask)
    smooth = ndimage.gaussian_filter(deep, _SMOOTH * radius)
    parts, _ = ndimage.label(mask, structure=np.ones((3, 3)))
    apart = max(1, round(_APART * radius))
    peaks = peak_local_max(smooth, min_distance=apart, labels=parts, exclude_border=False)
    markers = np.zeros(mask.shape, np.int32)
    for number, (y, x) in enumerate(peaks, 1):
        markers[y, x] = number
    found = np.asarray(watershed(-smooth, markers, mask=mask), np.int32)
    sizes = np.bincount(found.ravel(), minlength=len(peaks) + 1)
    real = sizes >= _SPECK * np.pi * radius**2
    real[0] = False
    if not real.any():
        real = sizes > 0
        real[0] = False
    numbers = np.zeros(len(sizes), np.int32)
    numbers[real] = np.arange(1, np.count_nonzero(real) + 1)
    return numbers[found]

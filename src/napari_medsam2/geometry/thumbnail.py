"""Small pictures of frames with an object on them. Pure functions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ..types import Mask

#: Longer side of a picture, in pixels.
SIDE = 96


@dataclass(frozen=True, eq=False)
class Thumbnail:
    """A frame, small.

    Attributes
    ----------
    image
        RGB, uint8 ``(h, w, 3)``.
    outline
        Where the outline of the object is, bool ``(h, w)``.
    """

    image: npt.NDArray[np.uint8]
    outline: Mask


def thumbnail(image: npt.NDArray[np.float32], mask: Mask, side: int = SIDE) -> Thumbnail:
    """A small picture of a frame, float ``(H, W, 3)`` in 0..1, and of what is the object on it, bool.

    The mask may have more pixels than the image, or fewer: both are all of the frame.

    Each pixel is the mean of some of those that it stands for: of large frames not all are looked at. It is the
    object's where any of these is.
    """
    height, width = image.shape[:2]
    scale = min(1.0, side / max(height, width))
    h, w = max(1, round(height * scale)), max(1, round(width * scale))
    planes = image[..., :1] if image.strides[-1] == 0 else image  # grey: one plane seen three times
    small = np.zeros((h, w, planes.shape[-1]), np.float32)
    samples = 1 if scale == 1 else 2
    for place in range(samples):
        rows = ((np.arange(h) + (place + 0.5) / samples) * height / h).astype(int)
        for beside in range(samples):
            columns = ((np.arange(w) + (beside + 0.5) / samples) * width / w).astype(int)
            small += planes[rows[:, None], columns]
    inside = np.zeros((h, w), bool)
    y, x = np.nonzero(mask)
    inside[y * h // mask.shape[0], x * w // mask.shape[1]] = True
    picture = np.broadcast_to(np.rint(small * (255 / samples**2)).astype(np.uint8), (h, w, 3))
    return Thumbnail(np.ascontiguousarray(picture), outline_of(inside))


def outline_of(mask: Mask) -> Mask:
    """The outermost pixels of a mask ``(H, W)``; also where it is cut off by the border of the picture."""
    return np.asarray(mask & ~ndimage.binary_erosion(mask, border_value=0))

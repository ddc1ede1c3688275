"""Sequences mirrored and transposed, with the windows that they show."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt

_Image = TypeVar("_Image", bound=np.generic)
_Mask = TypeVar("_Mask", bound=np.generic)


def flipped(
    images: npt.NDArray[_Image],
    masks: npt.NDArray[_Mask],
    windows: npt.NDArray[np.float32],
    rng: np.random.Generator,
) -> tuple[npt.NDArray[_Image], npt.NDArray[_Mask], npt.NDArray[np.float32]]:
    """A sequence flipped and transposed at random: images and masks ``[..., S, S]``, and the windows they show.

    The windows are ``[T, 4]`` as (y0, x0, height, width); along an axis that is flipped, places change their sign.
    """
    for axis in (0, 1):
        if rng.random() < 0.5:
            images, masks, windows = np.flip(images, axis - 2), np.flip(masks, axis - 2), windows.copy()
            windows[:, axis] = -windows[:, axis] - windows[:, axis + 2]
    if rng.random() < 0.5:
        images, masks, windows = images.swapaxes(-1, -2), masks.swapaxes(-1, -2), windows[:, [1, 0, 3, 2]]
    return images, masks, windows

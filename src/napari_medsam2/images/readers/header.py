"""What a file says of its pixels before they are decoded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class ImageHeader:
    """What an image file says of its one frame, before it is decoded.

    Attributes
    ----------
    shape
        ``(H, W)``.
    colour
        Whether there is a last axis of colours.
    dtype
        Of the pixels.
    """

    shape: tuple[int, int]
    colour: bool
    dtype: np.dtype[Any]

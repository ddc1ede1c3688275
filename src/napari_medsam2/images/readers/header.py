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
    colours
        Length of the last axis of colours; 0 if there is none.
    dtype
        Of the pixels.
    """

    shape: tuple[int, int]
    colours: int
    dtype: np.dtype[Any]

    @property
    def colour(self) -> bool:
        """Whether there is a last axis of colours."""
        return self.colours > 0

"""What is known of a frame before it is decoded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class ImageHeader:
    """Size, colours and type of one frame.

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

    @classmethod
    def of(cls, shape: Sequence[int], dtype: npt.DTypeLike) -> ImageHeader:
        """Of a frame of shape ``(H, W)`` or ``(H, W, C)``."""
        height, width, *colours = (int(n) for n in shape)
        return cls((height, width), colours[0] if colours else 0, np.dtype(dtype))

    @property
    def colour(self) -> bool:
        """Whether there is a last axis of colours."""
        return self.colours > 0

"""One image file as one frame, whatever its format: what a folder of images is made of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import FrameError
from ...types import AnyArray
from ..damage import reading
from ..listing import IMAGE_SUFFIXES, TIF_SUFFIXES
from .header import ImageHeader
from .pictures import picture_header, read_picture
from .tif import read_tif, tif_header


def read_image(path: Path) -> AnyArray:
    """One frame ``(H, W)`` or ``(H, W, C)`` as it is in the file.

    Raises
    ------
    FrameError
        If the file is missing, truncated, of another format, or holds several frames.
    """
    if path.suffix.lower() == ".npy":
        with reading(path):
            array: AnyArray = np.load(path, mmap_mode="r", allow_pickle=False)
            return array
    return read_tif(path) if path.suffix.lower() in TIF_SUFFIXES else read_picture(path)


def image_header(path: Path) -> ImageHeader:
    """Read the header of an image file; raises as :func:`read_image`."""
    if path.suffix.lower() == ".npy":
        array = read_image(path)
        if array.ndim < 2:
            raise FrameError(f"{path.name} holds an array of shape {array.shape}, not an image")
        return ImageHeader((int(array.shape[0]), int(array.shape[1])), array.ndim > 2, array.dtype)
    return tif_header(path) if path.suffix.lower() in TIF_SUFFIXES else picture_header(path)


def as_paths(items: Sequence[Any]) -> list[Path]:
    """Paths of a list, checked to be of formats that can be read."""
    paths = [Path(item) for item in items]
    for path in paths:
        if path.suffix.lower() not in IMAGE_SUFFIXES:
            raise FrameError(f"{path.name} is not an image that can be read; these can: {', '.join(IMAGE_SUFFIXES)}")
    return paths

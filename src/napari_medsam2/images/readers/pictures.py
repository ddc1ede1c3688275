"""Pictures (png, jpg, bmp, ...) by Pillow."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ...types import AnyArray
from ..damage import reading
from ..lazy import PlaneArray
from ..listing import stem_of
from ..opened import Axis, OpenedImages
from .header import ImageHeader
from .options import ReadOptions

_pillow_limit = threading.Lock()


def open_picture(path: Path, options: ReadOptions) -> OpenedImages:
    """A picture as one frame."""
    header = picture_header(path)
    plane = (*header.shape, 3) if header.colour else header.shape
    data = PlaneArray((), plane, header.dtype, lambda _: read_picture(path))
    return OpenedImages(stem_of(path), data, (Axis("y"), Axis("x")), header.colour, files=(path,))


def read_picture(path: Path) -> AnyArray:
    """A picture ``(H, W)`` or ``(H, W, C)``."""
    with reading(path), opened(path) as image:
        return as_array(image)


def picture_header(path: Path) -> ImageHeader:
    """What the header says, before the picture is decoded."""
    from PIL import Image

    with reading(path), opened(path) as image:
        alike = as_array(Image.new(image.mode, (1, 1)))
        return ImageHeader((image.height, image.width), alike.ndim > 2, alike.dtype)


def as_array(image: Any) -> AnyArray:
    """Grey stays grey at its depth; palettes, CMYK and the like become RGB; grey with alpha loses the alpha."""
    if image.mode in ("P", "PA", "CMYK", "YCbCr", "LAB", "HSV", "RGBX", "RGBa"):
        image = image.convert("RGB")
    elif image.mode in ("LA", "La"):
        image = image.convert("L")
    array: AnyArray = np.asarray(image)
    return array


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open with Pillow, whatever the size: its guard against "decompression bombs" also refuses large slides."""
    from PIL import Image

    with _pillow_limit:
        limit = Image.MAX_IMAGE_PIXELS
        Image.MAX_IMAGE_PIXELS = None
        try:
            image = Image.open(path)
        finally:
            Image.MAX_IMAGE_PIXELS = limit
    with image:
        yield image

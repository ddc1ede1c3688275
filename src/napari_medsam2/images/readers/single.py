"""One image file as one frame, whatever its format: what a folder of images is made of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import FrameError
from ...types import AnyArray
from ..damage import reading
from ..header import ImageHeader
from ..kinds import kind_of
from ..listing import IMAGE_SUFFIXES
from .options import ReadOptions
from .pictures import picture_header, single_picture
from .tif import read_tif, tif_header


def read_image(path: Path, options: ReadOptions | None = None) -> AnyArray:
    """One frame ``(H, W)`` or ``(H, W, C)`` as it is in the file.

    Raises
    ------
    FrameError
        If the file is missing, truncated, of another format, or holds several frames.
    """
    kind, options = kind_of(path), options or ReadOptions()
    if kind == "tif":
        return read_tif(path, options)
    if kind == "picture":
        return single_picture(path, options)
    if kind == "dicom":
        return _single_dicom(path, options)
    _check_npy(path, kind)
    with reading(path):
        array: AnyArray = np.load(path, mmap_mode="r", allow_pickle=False)
        return array


def image_header(path: Path, options: ReadOptions | None = None) -> ImageHeader:
    """Read the header of an image file; raises as :func:`read_image`."""
    kind, options = kind_of(path), options or ReadOptions()
    if kind == "tif":
        return tif_header(path, options)
    if kind == "picture":
        return picture_header(path, options)
    array = read_image(path, options)
    if array.ndim not in (2, 3):
        raise FrameError(f"{path.name} holds an array of shape {array.shape}, not an image")
    return ImageHeader.of(array.shape, array.dtype)


def as_paths(items: Sequence[Any]) -> list[Path]:
    """Paths of a list, checked to be of formats that can be read."""
    paths = [Path(item) for item in items]
    for path in paths:
        if path.suffix.lower() not in IMAGE_SUFFIXES and (kind := kind_of(path)) != "dicom":
            _check_npy(path, kind)
    return paths


def _single_dicom(path: Path, options: ReadOptions) -> AnyArray:
    from .dicom.opening import open_dicom_file  # highdicom takes a second to load

    with reading(path):
        frames = open_dicom_file(path, options).frames_along().frames
        if len(frames) > 1:
            raise FrameError(f"{path.name} has {len(frames)} frames, not one: open that file by itself")
        return frames[0]


def _check_npy(path: Path, kind: str) -> None:
    if kind != "npy":
        raise FrameError(f"{path.name} is no single image, it is {kind}: open that file by itself")

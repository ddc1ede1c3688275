"""DICOM files and folders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import FrameError
from ...types import AnyArray
from ..damage import reading, require
from ..frames import DEFAULT_CACHE_BYTES, FrameSource
from ..listing import natural_key, stem_of
from ..opened import Axis, OpenedImages
from .options import ReadOptions

DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")


def open_dicom(paths: Sequence[Path], options: ReadOptions) -> OpenedImages:
    """The slices of a DICOM series, or the frames of one file."""
    frames = _DicomFrames(paths)
    return OpenedImages(stem_of(paths[0]), frames, (Axis("z"), Axis("y"), Axis("x")), files=tuple(paths))


@dataclass(frozen=True)
class _DicomImage:
    """What the header of a DICOM file says of the frames in it.

    Attributes
    ----------
    path
        The file.
    shape
        ``(H, W)``.
    n_frames
        How many there are.
    place
        Position along the normal of the slice in mm, and the number of the image in its series.
    slope, intercept
        What turns stored values into those that are meant, such as Hounsfield units.
    """

    path: Path
    shape: tuple[int, int]
    n_frames: int
    place: tuple[float, float]
    slope: float
    intercept: float


class _DicomFrames(FrameSource):
    """The slices of a DICOM series, ordered along the patient, or the frames of one file."""

    def __init__(self, paths: Sequence[Path]) -> None:
        super().__init__(DEFAULT_CACHE_BYTES)
        self._pydicom = require("pydicom", paths[0])
        images = [self._header(path) for path in paths]
        images.sort(key=lambda image: (*image.place, natural_key(image.path.name)))
        self._frames = [(image, index) for image in images for index in range(image.n_frames)]

    def __len__(self) -> int:
        return len(self._frames)

    def shape(self, t: int) -> tuple[int, int]:
        return self._frames[self._index(t)][0].shape

    def name(self, t: int) -> str:
        image, index = self._frames[self._index(t)]
        return f"frame {index} of {image.path.name}" if image.n_frames > 1 else image.path.name

    def _header(self, path: Path) -> _DicomImage:
        with reading(path):
            header = self._pydicom.dcmread(path, stop_before_pixels=True)
            if "Rows" not in header or "Columns" not in header:
                raise FrameError(f"{path.name} has no image in it")
            return _DicomImage(
                path=path,
                shape=(int(header.Rows), int(header.Columns)),
                n_frames=int(header.get("NumberOfFrames") or 1),
                place=_place(header),
                slope=float(header.get("RescaleSlope") or 1),
                intercept=float(header.get("RescaleIntercept") or 0),
            )

    def _read(self, t: int) -> AnyArray:
        image, index = self._frames[t]
        with reading(image.path):
            pixels: AnyArray = self._pydicom.pixels.pixel_array(image.path, index=index)
        if (image.slope, image.intercept) != (1, 0):
            pixels = (pixels * image.slope + image.intercept).astype(np.float32)
        return pixels


def _place(header: Any) -> tuple[float, float]:
    """Position along the normal of the slice, and the number of the image in its series."""
    position, directions = header.get("ImagePositionPatient"), header.get("ImageOrientationPatient")
    along = 0.0
    if position is not None and directions is not None:
        values = np.asarray(directions, np.float64)
        along = float(np.dot(np.cross(values[:3], values[3:]), np.asarray(position, np.float64)))
    return along, float(header.get("InstanceNumber") or 0)

"""Open what the command line is given: images as in :mod:`.conversion`, and NIfTI, DICOM, zarr and npz files.

nibabel, pydicom and zarr are imported when a file needs them; the error says what to install where they are missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import FrameError
from ..types import AnyArray
from .conversion import as_frames, refuse_axis
from .damage import DECODING_ERRORS, reason_of
from .datasets import dataset_frames
from .files import list_images, natural_key
from .frames import DEFAULT_CACHE_BYTES, FrameSource

NIFTI_SUFFIXES = (".nii", ".nii.gz")
DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")
ZARR_MARKS = ("zarr.json", ".zarray", ".zgroup")


def open_frames(path: str | Path, *, axis: int = 0, rgb: bool | None = None) -> FrameSource:
    """Open a folder of images, a tif, png, jpg or npy, an npz dataset, a zarr, a NIfTI file, or DICOM.

    A NIfTI volume (x, y, z) becomes a stack (z, y, x) of slices along its third axis, which are axial in most files but
    are not turned where they are not; of an OME-Zarr the finest level is taken. Axes of length 1 are left out of both.

    Raises
    ------
    FrameError, DatasetError
        If it cannot be opened, in words; also for an ``axis`` other than 0 where there is none to choose.
    """
    path = Path(path)
    name = path.name.lower()
    if not path.exists():
        raise FrameError(f"there is no file or folder {path}")
    if name.endswith(NIFTI_SUFFIXES):
        return _open_nifti(path, axis, rgb)
    if name.endswith(".npz"):
        refuse_axis(axis, "a dataset's frames follow each other along its first axis")
        return dataset_frames(path)
    if path.is_dir() and (name.endswith(".zarr") or any((path / mark).exists() for mark in ZARR_MARKS)):
        return _open_zarr(path, axis, rgb)
    if path.is_dir():
        images, others = list_images(path)
        slices = [other for other in others if other.suffix.lower() in DICOM_SUFFIXES]
        if images or not slices:
            return as_frames(path, axis=axis)
        refuse_axis(axis, "the slices of a series are its files")
        return _DicomFrames(slices)
    if name.endswith(DICOM_SUFFIXES):
        refuse_axis(axis, "the frames of a DICOM file follow each other as they are stored")
        return _DicomFrames([path])
    return as_frames(path, axis=axis, rgb=rgb)


class _AxesView:
    """Some axes of an array-like, in another order; the axes left out have length 1. Indexing stays lazy."""

    def __init__(self, source: Any, order: Sequence[int]) -> None:
        self._source = source
        self._order = tuple(order)
        self.shape = tuple(int(source.shape[axis]) for axis in order)
        self.ndim = len(self.shape)
        self.dtype = np.dtype(source.dtype)

    def __getitem__(self, key: Any) -> AnyArray:
        parts = [] if key is Ellipsis else list(key) if isinstance(key, tuple) else [key]
        parts += [slice(None)] * (self.ndim - len(parts))
        wanted: list[Any] = [0] * len(self._source.shape)
        for axis, part in zip(self._order, parts, strict=True):
            wanted[axis] = part
        kept = [axis for axis, part in zip(self._order, parts, strict=True) if isinstance(part, slice)]
        array = np.asarray(self._source[tuple(wanted)])
        ranks = {axis: rank for rank, axis in enumerate(sorted(kept))}
        return array.transpose([ranks[axis] for axis in kept])


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
        self._pydicom = _import("pydicom", paths[0])
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
        with _reading(path, "cannot read {name}: {reason}", self._pydicom.errors.BytesLengthException):
            try:
                header = self._pydicom.dcmread(path, stop_before_pixels=True)
            except self._pydicom.errors.InvalidDicomError as error:
                raise FrameError(f"cannot read {path.name}: {error}") from error
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
        with _reading(image.path, "cannot read {name}: {reason}", self._pydicom.errors.BytesLengthException):
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


def _open_nifti(path: Path, axis: int, rgb: bool | None) -> FrameSource:
    nibabel = _import("nibabel", path)
    own_errors = (nibabel.filebasedimages.ImageFileError, nibabel.spatialimages.HeaderDataError)
    with _reading(path, "cannot read {name}: it is truncated, damaged or no NIfTI ({reason})", *own_errors):
        image = nibabel.load(path)
        # A slice of a compressed file costs reading all before it, so that is read once; others stay on the disk.
        data = np.asanyarray(image.dataobj) if path.name.lower().endswith(".gz") else image.dataobj
    if data.dtype.names:
        raise FrameError(f"{path.name} holds colours as {data.dtype}, which is not supported; save it as tif")
    kept = [number for number, length in enumerate(data.shape) if length > 1 or number < 2]
    return as_frames(_AxesView(data, kept[::-1]), axis=axis, rgb=rgb if rgb else False)


def _open_zarr(path: Path, axis: int, rgb: bool | None) -> FrameSource:
    zarr = _import("zarr", path)
    with _reading(path, "cannot read {name} as zarr: {reason}"):
        node = zarr.open(str(path), mode="r")
        if not hasattr(node, "shape"):
            attributes = dict(node.attrs)
            scales = attributes.get("ome", attributes).get("multiscales")
            names = [scales[0]["datasets"][0]["path"]] if scales else sorted(node.array_keys())
            if len(names) != 1:
                held = ", ".join(names) or "no array"
                raise FrameError(f"{path.name} is a group that holds {held}: give the path of one array in it")
            node = node[names[0]]
    kept = [number for number, length in enumerate(node.shape) if length > 1 or number >= len(node.shape) - 2]
    return as_frames(_AxesView(node, kept), axis=axis, rgb=rgb)


@contextmanager
def _reading(path: Path, sentence: str, *own_errors: type[Exception]) -> Iterator[None]:
    """Say in a sentence, with the ``{name}`` of the file and the ``{reason}``, that a library cannot read it.

    ``own_errors`` are those of the library that descend from none of :data:`.damage.DECODING_ERRORS`.
    """
    try:
        yield
    except FrameError:
        raise
    except (*DECODING_ERRORS, *own_errors) as error:
        raise FrameError(sentence.format(name=path.name, reason=reason_of(error))) from error


def _import(package: str, path: Path) -> Any:
    try:
        return import_module(package)
    except ImportError as error:
        raise FrameError(
            f"{path.name} needs the package {package}, which is not installed: pip install {package}"
        ) from error

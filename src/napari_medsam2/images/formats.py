"""The one door: whatever a user has in files becomes :class:`.opened.OpenedImages`, by the reader made for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from ..errors import FrameError, SeriesError
from .conversion import frames_of
from .damage import reading
from .dicom_recognition import DicomFolder, dicom_folder
from .frames import DEFAULT_CACHE_BYTES, FrameSource
from .kinds import Kind, kind_of
from .opened import Axis, OpenedImages
from .readers.arrays import open_npy, open_npz
from .readers.folder import open_files, open_folder
from .readers.nifti import open_nifti
from .readers.nrrd import open_nrrd
from .readers.ome_zarr import open_zarr
from .readers.options import ReadOptions
from .readers.partial_tif import open_partial_tif
from .readers.pictures import open_picture
from .readers.single import as_paths
from .readers.tif import open_tif
from .readers.zarr_nodes import ZARR_MARKS


def _open_dicom(path: Path, options: ReadOptions) -> OpenedImages:
    from .readers.dicom.opening import open_dicom_file  # highdicom takes a second to load

    return open_dicom_file(path, options)


def _open_tif(path: Path, options: ReadOptions) -> OpenedImages:
    try:
        return open_tif(path, options)
    except SeriesError:
        raise
    except FrameError as error:
        if not options.partial:
            raise
        return open_partial_tif(path, str(error))


#: The reader made for each kind of file.
READERS: dict[Kind, Callable[[Path, ReadOptions], OpenedImages]] = {
    "tif": _open_tif,
    "picture": open_picture,
    "npy": open_npy,
    "npz": open_npz,
    "nifti": open_nifti,
    "nrrd": open_nrrd,
    "zarr": open_zarr,
    "dicom": _open_dicom,
}

#: Kinds of files that may hold several images to choose from.
_SEVERAL_IMAGES: tuple[Kind, ...] = ("tif", "zarr", "dicom")


def open_images(
    path: str | PathLike[str],
    *,
    axis: int | str = 0,
    channel: int | str | None = None,
    at: Mapping[str, int] | None = None,
    series: int | str | None = None,
    rgb: bool | None = None,
    partial: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> OpenedImages:
    """Open images whose frames can be segmented: see :func:`read_images` for what can be opened.

    Parameters
    ----------
    path
        A file or a folder.
    axis, channel, at
        What the frames are, where there are more axes than that: see :meth:`.opened.OpenedImages.frames_along`.
    series, partial, progress
        See :func:`read_images`.
    rgb
        Whether the last axis is colours; ``None`` takes what the file says, or where it says nothing its length.

    Raises
    ------
    FrameError, DatasetError
        If it cannot be opened, or it is not clear what the frames are; in words.
    """
    images = read_images(path, series=series, partial=partial, progress=progress)
    return _with_colours(images, rgb).frames_along(axis, channel=channel, at=at)


def read_images(
    path: str | PathLike[str],
    *,
    series: int | str | None = None,
    as_labels: bool = False,
    partial: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> OpenedImages:
    """Read what a file or folder holds, all axes of it; pixels are read when they are needed.

    Parameters
    ----------
    path
        A tif, a picture, an npy, an npz dataset, a zarr, NIfTI, NRRD, DICOM, or a folder of images or of DICOM.
    series
        Which of several images in it: a number, a name or an identifier.
    as_labels
        Whether the numbers are labels: of a picture with a palette its indices are read, not its colours.
    partial
        Whether what is left of a tif or a volume that was cut, or of a folder with damaged files, is read; it is in
        ``left_out`` each time.
    progress
        Told how many of how many files were looked at, where there are many.

    Raises
    ------
    FrameError, DatasetError
        If it cannot be read, in words.
    """
    if not fspath(path):  # which would be the folder that the program runs in
        raise FrameError("the path of the images is empty")
    path = Path(path)
    options = ReadOptions(series=series, as_labels=as_labels, partial=partial, progress=progress)
    with reading(path):
        if path.is_symlink() and not path.exists():
            raise FrameError(f"{path} is a link that leads nowhere, or in a circle")
        if not path.exists():
            raise FrameError(f"there is no file or folder {path}")
        is_folder = path.is_dir()
    images = _read_folder(path, options) if is_folder else _read_file(path, options)
    _check_pixels(path, images)
    return images


def open_frames(path: str | PathLike[str], **options: Any) -> FrameSource:
    """The frames alone of :func:`open_images`, with its options: for scripts that want pixels and nothing else."""
    return open_images(path, **options).frames


def read_files(
    paths: Sequence[str | PathLike[str]], *, progress: Callable[[int, int], None] | None = None
) -> OpenedImages:
    """Read files that belong together: slices of DICOM in their order in space, others as one frame each, as listed.

    Raises
    ------
    FrameError
        If one of them cannot be read, or they are several series; in words.
    """
    files, options = as_paths(paths), ReadOptions(progress=progress)
    if any(kind_of(file) != "dicom" for file in files):
        return open_files(files, name=files[0].parent.name, options=options)
    from .readers.dicom.opening import open_dicom_folder

    return open_dicom_folder(files[0].parent, DicomFolder(tuple(files), ()), options)


def as_frames(
    data: Any,
    *,
    axis: int = 0,
    rgb: bool | None = None,
    names: Sequence[str] | None = None,
    cache_bytes: int = DEFAULT_CACHE_BYTES,
) -> FrameSource:
    """Make a frame source of whatever holds images.

    Parameters
    ----------
    data
        What :func:`open_images` opens or has opened; a list of image files; or an array or a list of frames, as for
        :func:`.conversion.frames_of`. A frame source is returned as it is.
    axis, rgb, names, cache_bytes
        As for :func:`.conversion.frames_of`.

    Raises
    ------
    FrameError, DatasetError
        If there are no frames, they cannot be read, or the axes do not say which they are.
    """
    if isinstance(data, FrameSource):
        return data
    if isinstance(data, OpenedImages):
        return data.frames
    if isinstance(data, str | PathLike):
        return open_images(fspath(data), axis=axis, rgb=rgb).frames
    if isinstance(data, list | tuple) and data and all(isinstance(item, str | PathLike) for item in data):
        return open_files(as_paths(data), name="").frames
    return frames_of(data, axis=axis, rgb=rgb, names=names, cache_bytes=cache_bytes)


def _read_folder(path: Path, options: ReadOptions) -> OpenedImages:
    with reading(path):
        if path.name.lower().endswith(".zarr") or any((path / mark).exists() for mark in ZARR_MARKS):
            return open_zarr(path, options)
        dicom = dicom_folder(path)
        if dicom is None:
            _refuse_series(path, options)
            return open_folder(path, options)
        from .readers.dicom.opening import open_dicom_folder  # highdicom takes a second to load

        return open_dicom_folder(path, dicom, options)


def _read_file(path: Path, options: ReadOptions) -> OpenedImages:
    kind = kind_of(path)
    if kind not in _SEVERAL_IMAGES:
        _refuse_series(path, options)
    with reading(path):
        return READERS[kind](path, options)


def _refuse_series(path: Path, options: ReadOptions) -> None:
    """A choice that nobody would hear is a mistake."""
    if options.series not in (None, 0):
        raise FrameError(f"{path.name} holds one image or one sequence; got series {options.series!r}")


def _check_pixels(path: Path, images: OpenedImages) -> None:
    """Refuse arrays that are no images, whatever they are stored in."""
    if isinstance(images.data, FrameSource):
        return
    shape, dtype = tuple(images.data.shape), images.data.dtype
    if dtype.kind not in "buif":
        raise FrameError(f"{path.name}: pixels must be real numbers; got {dtype} in shape {shape}")
    if len(shape) < 2:
        raise FrameError(f"{path.name}: an image needs at least two axes, y and x; got shape {shape}")
    if 0 in shape:
        raise FrameError(f"{path.name}: there is nothing to segment, the image is empty: its shape is {shape}")


def _with_colours(images: OpenedImages, rgb: bool | None) -> OpenedImages:
    """The same pixels, their last axis taken for colours or not as the user says."""
    if rgb is None or rgb == images.colour or isinstance(images.data, FrameSource):
        return images
    if rgb:
        if len(images.axes) < 3 or images.lengths[-1] not in (3, 4) or images.axes[-1].name:
            raise FrameError(f"by its header {images.files[0].name} is grey, and rgb=True says otherwise")
        return replace(images, axes=images.axes[:-1], colour=True)
    if images.axes[-1].name:
        raise FrameError(f"by its header {images.files[0].name} is in colour, and rgb=False says otherwise")
    return replace(images, axes=(*images.axes, Axis()), colour=False)

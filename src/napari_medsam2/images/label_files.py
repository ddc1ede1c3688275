"""Write labels where a user finds them: one compressed tif that napari opens, or a folder with one tif a frame."""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import OutputError
from ..types import AnyArray, Mode
from ..whole_file import replace_file
from .listing import TIF_SUFFIXES

#: From so many bytes on, not compressed, a tif is one of the kind that may be larger than 4 GB.
_LARGE = 2**31


def save_labels(path: Path, labels: AnyArray) -> None:
    """Write labels as a compressed tif that napari and Fiji open, in 8 bits where that is enough.

    Raises
    ------
    OutputError
        If it cannot be written; the older file is as it was.
    """
    smallest = np.uint8 if labels.size and labels.min() >= 0 and labels.max() < 256 else labels.dtype
    _write(path, labels.astype(smallest, copy=False), bigtiff=labels.nbytes > _LARGE)


def prepare_output(path: Path) -> None:
    """Make sure that labels can be written to ``path``, before a long run and not after it."""
    is_file = _is_one_file(path)
    if not is_file and path.suffix and not path.is_dir():
        raise OutputError(f"labels are written to a .tif, or to a folder with one tif a frame; got {path.name}")
    if is_file and path.is_dir():
        raise OutputError(f"{path} is a folder; name a file in it")
    if not is_file and path.is_file():
        raise OutputError(f"{path} is a file; name a .tif or a folder")
    folder = path.parent if is_file else path
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {folder}: {error}") from error
    if not os.access(folder, os.W_OK):
        raise OutputError(f"cannot write to the folder {folder}")


def keep_what_is_read(written: Iterable[Path], read: Iterable[Path]) -> None:
    """Refuse to write over a file that is read, or into a folder whose images are: they could be lost, or mixed up.

    Parameters
    ----------
    written
        Files that will be written, there or not.
    read
        Files that are read, and folders of images.

    Raises
    ------
    OutputError
        Naming the file.
    """
    sources, targets = {source.resolve() for source in read}, set[Path]()
    for path in written:
        target = path.resolve()
        if target in targets:
            raise OutputError(f"{path} would be written twice; name another file")
        targets.add(target)
        if target in sources:
            raise OutputError(f"{path} is read from; writing there would overwrite it: name another file")
        if target.parent in sources:
            raise OutputError(f"{path} would lie among the images that are read; name another folder")


def written_files(path: Path, names: Sequence[str]) -> list[Path]:
    """The files that :func:`write_labels` writes for frames of these names."""
    return [path] if _is_one_file(path) else [path / name for name in file_names(names)]


def label_dtype(largest: int) -> type[np.unsignedinteger[Any]]:
    """The smallest type that holds the largest object number; :class:`OutputError` if none does."""
    for kind in (np.uint8, np.uint16, np.uint32):
        if largest <= np.iinfo(kind).max:
            return kind
    raise OutputError(f"object {largest} does not fit into a label image, whose largest number is {2**32 - 1}")


def _is_one_file(path: Path) -> bool:
    return path.suffix.lower() in TIF_SUFFIXES


def write_labels(
    path: Path,
    labels: Callable[[int], AnyArray],
    shapes: Sequence[tuple[int, int]],
    *,
    dtype: type[np.unsignedinteger[Any]],
    names: Sequence[str],
    mode: Mode,
) -> None:
    """Write one label image a frame, zlib-compressed, one frame in memory at a time.

    Parameters
    ----------
    path
        A ``.tif``: all frames in one file with its axes named, (z, y, x) in a stack and (image, y, x) in a flow; frames
        of differing size are padded with 0 at the bottom and on the right to the largest. Else a folder: one tif a
        frame, in its own size, named after the frame.
    labels
        Label image ``(H, W)`` of a frame.
    shapes, names
        Of all frames: ``(H, W)``, and what they are called.
    dtype
        What the labels are stored as; see :func:`label_dtype`.
    mode
        Whether the frames are a stack or a flow.

    Raises
    ------
    OutputError
        If a file cannot be written; the older one is as it was.
    """
    if not _is_one_file(path):
        for t, file in enumerate(written_files(path, names)):
            _write(file, labels(t).astype(dtype), metadata={"axes": "YX"})
        return
    height, width = (max(shape[side] for shape in shapes) for side in range(2))

    def pages() -> Iterator[AnyArray]:
        for t, (rows, columns) in enumerate(shapes):
            yield np.pad(labels(t).astype(dtype), ((0, height - rows), (0, width - columns)))

    shape = (len(shapes), height, width)
    _write(
        path,
        pages(),
        metadata={"axes": "ZYX" if mode == "stack" else "IYX"},
        shape=shape,
        dtype=dtype,
        bigtiff=math.prod(shape) * np.dtype(dtype).itemsize > _LARGE,
    )


def file_names(names: Sequence[str]) -> list[str]:
    """A tif for each frame: ``img2.png`` becomes ``img2.tif``; where stems repeat, or frames have no files, numbers."""
    digits = max(3, len(str(len(names) - 1)))
    stems = [Path(name).stem if Path(name).suffix else "" for name in names]
    if "" in stems or len(set(stems)) < len(stems):
        return [f"frame_{t:0{digits}d}.tif" for t in range(len(names))]
    return [f"{stem}.tif" for stem in stems]


def _write(path: Path, data: AnyArray | Iterator[AnyArray], **options: Any) -> None:
    """Write a compressed tif whole or not at all; the options are those of ``tifffile.imwrite``."""
    import tifffile

    def write(draft: Path) -> None:
        tifffile.imwrite(draft, data, compression="zlib", photometric="minisblack", **options)

    replace_file(path, write, wrapped_in=(struct.error,))  # a number that is too large for a field of the tif

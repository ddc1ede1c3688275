"""A folder of images: a frame for each file, in natural order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ...errors import FrameError, first_few
from ...types import AnyArray
from ..frames import DEFAULT_CACHE_BYTES, FrameSource
from ..header import ImageHeader
from ..lazy import PlaneArray
from ..listing import IMAGE_SUFFIXES, TIF_LIKE, VOLUME_SUFFIXES, list_images, without_labels
from ..notes import with_notes
from ..opened import Axis, OpenedImages
from .options import ReadOptions
from .single import image_header, read_image
from .tif import notes_of_tif, ome_set_of, open_tif


def open_folder(path: Path, options: ReadOptions) -> OpenedImages:
    """The images of a folder; what else is in it is named in ``left_out``."""
    images, others = list_images(path)
    labels: list[Path] = []
    if not options.as_labels:
        images, labels = without_labels(images, path)
    if not images:
        raise FrameError(_nothing_found(path, labels + others))
    left_out = _sentences(labels, others)
    if options.partial:
        images, told = _readable(images, options)
        left_out += told
    first = next((path for path in images if path.name.lower().endswith(TIF_LIKE)), None)
    parts, header = ((), None) if first is None else ome_set_of(first)
    if first is not None and parts:
        return _one_image(path, first, images, parts, left_out, options)
    if header is not None:
        left_out += (f"the files belong to one image by {header}, which is not read: here each is a frame by itself",)
    opened = open_files(images, name=path.resolve().name, options=options, left_out=left_out)
    notes = notes_of_tif(first) if first is not None and first == images[0] else None
    if notes is None or notes.mode != "stack" or math.prod(notes.lengths[:-2]) != len(images):
        return opened
    if not len(notes.axes) == len(notes.lengths) >= 2:
        return opened
    return with_notes(replace(opened, data=_one_block(opened.frames, notes.lengths), axes=notes.axes), notes)


def _one_block(frames: FrameSource, lengths: tuple[int, ...]) -> PlaneArray:
    """Labels that were written a file for each frame, with all axes of their image."""

    def read(index: tuple[int, ...]) -> AnyArray:
        number = int(np.ravel_multi_index(index, lengths[:-2])) if index else 0
        plane = frames[number]
        if plane.shape != lengths[-2:]:
            raise FrameError(f"{frames.name(number)} has {plane.shape} pixels, and the first file says {lengths[-2:]}")
        return plane

    return PlaneArray(lengths[:-2], lengths[-2:], frames.header(0).dtype, read)


def _readable(images: Sequence[Path], options: ReadOptions) -> tuple[list[Path], tuple[str, ...]]:
    """The files that can be read to their end, which is tried, and a sentence about the others."""
    kept: list[Path] = []
    damaged: list[Path] = []
    for path in images:
        try:
            read_image(path, options)
        except FrameError:
            damaged.append(path)
        else:
            kept.append(path)
    if not kept:
        raise FrameError(f"none of the {len(images)} images can be read, the first one being {images[0].name}")
    return kept, (f"left out because they are damaged: {_named(damaged)}",) if damaged else ()


def open_files(
    paths: Sequence[Path], *, name: str, options: ReadOptions | None = None, left_out: Sequence[str] = ()
) -> OpenedImages:
    """Image files, one a frame."""
    axes = (Axis("image"), Axis("y"), Axis("x"))
    frames = FileFrames(paths, options or ReadOptions())
    return OpenedImages(name, frames, axes, left_out=tuple(left_out), files=tuple(paths))


def _one_image(
    folder: Path,
    first: Path,
    images: Sequence[Path],
    parts: Sequence[str],
    left_out: tuple[str, ...],
    options: ReadOptions,
) -> OpenedImages:
    """The image whose planes lie in the files of a folder, as microscopes write it: as a flow they would be mixed."""
    belonging = set(parts)
    more = [path.name for path in images if path.name not in belonging]
    if more:
        raise FrameError(
            f"{first.name} in the folder {folder} is one of {len(parts)} files of one image, and {more[0]} is another "
            f"image. Open {first.name} itself, or move the others apart"
        )
    together = open_tif(first, options)
    return replace(together, left_out=together.left_out + left_out)


def _sentences(labels: Sequence[Path], others: Sequence[Path]) -> tuple[str, ...]:
    """What was left out, a sentence for each kind."""
    folders: list[Path] = []
    volumes: list[Path] = []
    rest: list[Path] = []
    for path in others:
        is_volume = path.name.lower().endswith(VOLUME_SUFFIXES)
        (folders if path.is_dir() else volumes if is_volume else rest).append(path)
    kinds = (
        ("left out as labels of images beside them: ", labels),
        ("left out, each being a volume to be opened by itself: ", volumes),
        ("sub-folders that are not looked into: ", folders),
        ("skipped beside the images: ", rest),
    )
    return tuple(words + _named(paths) for words, paths in kinds if paths)


def _named(paths: Sequence[Path]) -> str:
    return first_few([path.name for path in paths])


def _nothing_found(folder: Path, others: Sequence[Path]) -> str:
    """Why there is nothing in a folder to open, and what might be opened in its place."""
    volumes = [path for path in others if path.name.lower().endswith((*VOLUME_SUFFIXES, ".zarr"))]
    folders = [path for path in others if path.is_dir() and path not in volumes]
    if volumes:
        return f"the folder {folder} holds volumes, each an image by itself: open one of {_named(volumes)}"
    if folders:
        return f"no images in the folder {folder} itself: open one of its sub-folders, such as {_named(folders)}"
    held = f"it holds {len(others)} other entries" if others else "it is empty"
    return f"no images in the folder {folder}: {held}; images are {', '.join(IMAGE_SUFFIXES)}"


class FileFrames(FrameSource):
    """Image files, one a frame."""

    def __init__(self, paths: Sequence[Path], options: ReadOptions, cache_bytes: int = DEFAULT_CACHE_BYTES) -> None:
        super().__init__(cache_bytes)
        self._paths = paths
        self._options = options
        self._headers: dict[int, ImageHeader] = {}

    def __len__(self) -> int:
        return len(self._paths)

    def header(self, t: int) -> ImageHeader:
        t = self._index(t)
        if t not in self._headers:
            self._headers[t] = image_header(self._paths[t], self._options)
        return self._headers[t]

    def name(self, t: int) -> str:
        return self._paths[self._index(t)].name

    def _read(self, t: int) -> AnyArray:
        frame = read_image(self._paths[t], self._options)
        if frame.ndim in (2, 3):
            self._headers[t] = ImageHeader.of(frame.shape, frame.dtype)
        return frame

    def describe(self) -> str:
        count = "1 image file" if len(self) == 1 else f"{len(self)} image files"
        try:
            height, width = self.shape(0)
        except FrameError:  # damaged: said when it is read
            return count
        return f"{count}, the first of {width} x {height} pixels"

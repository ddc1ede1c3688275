"""TIFF by tifffile: its series and axes, one page at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import FrameError
from ...types import AnyArray
from ..damage import DECODING_ERRORS, reading, reason_of
from ..lazy import parts_of
from ..listing import stem_of
from ..opened import Axis, OpenedImages
from .header import ImageHeader
from .options import ReadOptions
from .pictures import as_array, opened

#: What tifffile calls the pictures in a slide's file that are not the slide.
_BESIDE_THE_IMAGE = ("Thumbnail", "Label", "Macro", "Map", "Overview")


def open_tif(path: Path, options: ReadOptions) -> OpenedImages:
    """The first series of a tif."""
    pages = TifPages(path)
    axes = tuple(Axis(letter.lower() if letter in "ZTYX" else "") for letter in pages.axes if letter != "S")
    return OpenedImages(stem_of(path), pages, axes, pages.colour, files=(path,))


def read_tif(path: Path) -> AnyArray:
    """The only page ``(H, W)`` or ``(H, W, C)`` of a tif."""
    with reading(path):
        return _read_single_tif(path)


def tif_header(path: Path) -> ImageHeader:
    """What the header of the first page says."""
    import tifffile

    with reading(path), tifffile.TiffFile(path) as tif:
        page = tif.pages.first
        shape = int(page.imagelength), int(page.imagewidth)
        return ImageHeader(shape, int(page.samplesperpixel) > 1, np.dtype(page.dtype))


class TifPages:
    """The first series of a tif as a lazy array: ``[t]`` reads the pages of frame ``t`` only.

    Attributes
    ----------
    shape
        ``(H, W)``, ``(T, H, W)`` or either with a last axis of colours.
    dtype
        Of the pixels.
    colour
        Whether the last axis is colours.
    axes
        One letter an axis, as tifffile names them: ``"ZYX"``, ``"TYXS"``, ...
    """

    def __init__(self, path: Path) -> None:
        import tifffile

        self.path = path
        with reading(path), tifffile.TiffFile(path) as tif:
            if not tif.series:
                raise FrameError(f"{path.name} has no image in it")
            series = tif.series[0]
            _refuse_other_images(path, tif.series)
            page = tif.pages.first
            self.colour = "S" in series.axes and series.sizes.get("sample", series.shape[series.axes.index("S")]) > 1
            named = [
                (letter, length)
                for letter, length in zip(series.axes, series.shape, strict=True)
                if letter not in "YXS" and length > 1
            ]
            if len(named) > 1:
                sizes = ", ".join(f"{letter}={length}" for letter, length in named)
                raise FrameError(
                    f"{path.name} has more axes than a sequence of frames: {sizes} beside y and x. "
                    "Choose one of them: save the part that you want as a file of its own, or pass an array such as "
                    "tifffile.imread(path)[0]"
                )
            self.dtype = np.dtype(series.dtype)
            n_frames = named[0][1] if named else 1
            self._contiguous = series.dataoffset is not None and series.axes.find("S") in (-1, len(series.axes) - 1)
            if not self._contiguous and len(series.pages) != n_frames:
                raise FrameError(f"{path.name} stores {n_frames} frames in {len(series.pages)} pages, not one a page")
            frame_shape = (int(page.imagelength), int(page.imagewidth))
            samples = (int(page.samplesperpixel),) if self.colour else ()
            self.axes = (named[0][0] if named else "") + ("YXS" if self.colour else "YX")
            self.shape: tuple[int, ...] = ((n_frames,) if named else ()) + frame_shape + samples
        self.ndim = len(self.shape)
        self._frame_shape = frame_shape + samples

    def __len__(self) -> int:
        return self.shape[0]

    def whole(self) -> AnyArray:
        """All pages, for frames that cut across them; they stay on the disk where the file is not compressed."""
        import tifffile

        if not self._contiguous:
            return np.stack([self[t] for t in range(len(self))])
        with reading(self.path):
            pixels: AnyArray = tifffile.memmap(self.path, series=0, mode="r")
            return pixels.reshape(self.shape)

    def __getitem__(self, key: Any) -> AnyArray:
        if not self.axes.strip("YXS"):
            alone: AnyArray = self._frame(0)[key]
            return alone
        parts = parts_of(key, self.ndim)
        if isinstance(parts[0], slice):
            return np.stack([self._frame(t)[tuple(parts[1:])] for t in range(*parts[0].indices(len(self)))])
        frame: AnyArray = self._frame(int(parts[0]))[tuple(parts[1:])]
        return frame

    def _frame(self, index: int) -> AnyArray:
        with reading(self.path, f"page {index}" if len(self.axes.strip("YXS")) else ""):
            if self._contiguous:
                import tifffile

                pixels: AnyArray = tifffile.memmap(self.path, series=0, mode="r")
                return np.array(pixels.reshape(-1, *self._frame_shape)[index])
            return _read_page(self.path, index)


def _refuse_other_images(path: Path, series: Sequence[Any]) -> None:
    """A tif of several images would lose all but the first. Thumbnails and pictures of a slide's label do not count."""
    images = [one for one in series if not one.keyframe.is_reduced and one.name not in _BESIDE_THE_IMAGE]
    if len(images) > 1:
        sizes = ", ".join(" x ".join(map(str, one.shape)) for one in images[:4]) + (", ..." if len(images) > 4 else "")
        raise FrameError(
            f"{path.name} holds {len(images)} images that are not frames of one sequence: {sizes}. Save each of them "
            "as a file of its own; a folder of files may hold images of any sizes"
        )


def _read_single_tif(path: Path) -> AnyArray:
    import tifffile

    with tifffile.TiffFile(path) as tif:
        pages: Any = tif.pages
        n_pages = len(pages)
        reduced = sum(bool(pages[index].subfiletype & 1) for index in range(1, min(n_pages, 16)))  # thumbnails
    if n_pages - reduced > 1:
        raise FrameError(
            f"{path.name} has {n_pages} pages; in a folder every file is one frame. Open that file by itself to "
            "segment it as a stack"
        )
    return _read_page(path, 0)


def _read_page(path: Path, index: int) -> AnyArray:
    """Page of a tif, colours last. Pillow steps in for compressions that tifffile needs another package for."""
    import tifffile

    with tifffile.TiffFile(path) as tif:
        page = tif.pages[index]
        expected = math.prod(page.shape) * page.dtype.itemsize if page.dtype is not None else 0
        if page.compression == 1 and sum(page.databytecounts) < expected:
            raise FrameError(f"{path.name} is truncated: {sum(page.databytecounts)} of {expected} bytes are there")
        size = path.stat().st_size
        if any(offset + count > size for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True)):
            raise FrameError(f"{path.name} is truncated: its pixels should reach beyond the {size} bytes of the file")
        colours_first = page.axes.startswith("S") and page.ndim == 3
        try:
            array: AnyArray = page.asarray()
        except ValueError as error:
            if "imagecodecs" not in str(error):
                raise
            array = _read_page_with_pillow(path, index, str(error))
            colours_first = False
    return np.moveaxis(array, 0, -1) if colours_first else array


def _read_page_with_pillow(path: Path, index: int, reason: str) -> AnyArray:
    try:
        with opened(path) as image:
            image.seek(index)
            return as_array(image)
    except DECODING_ERRORS as error:
        raise FrameError(
            f"{reason} (pip install imagecodecs), and Pillow cannot read it: {reason_of(error)}"
        ) from error

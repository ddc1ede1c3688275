"""Read single image files (tif, png, jpg, bmp, npy) and the pages of a tif, one at a time, with errors in words."""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import FrameError
from ..types import AnyArray
from .damage import DECODING_ERRORS, reason_of

TIF_SUFFIXES = (".tif", ".tiff")
IMAGE_SUFFIXES = (*TIF_SUFFIXES, ".png", ".jpg", ".jpeg", ".bmp", ".npy")

#: What tifffile calls the pictures in a slide's file that are not the slide.
_BESIDE_THE_IMAGE = ("Thumbnail", "Label", "Macro", "Map", "Overview")
_pillow_limit = threading.Lock()


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Sort key that puts ``slice2`` before ``slice10``."""
    parts = re.split(r"(\d+)", name.casefold())
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts]


def list_images(folder: Path) -> tuple[list[Path], list[Path]]:
    """The image files of a folder in natural order, and what was skipped: hidden files, folders, other files."""
    entries = sorted(folder.iterdir(), key=lambda path: natural_key(path.name))
    images = [
        path
        for path in entries
        if path.is_file() and not path.name.startswith(".") and path.suffix.lower() in IMAGE_SUFFIXES
    ]
    chosen = set(images)
    return images, [path for path in entries if path not in chosen]


def read_image(path: Path) -> AnyArray:
    """One frame ``(H, W)`` or ``(H, W, C)`` as it is in the file.

    Raises
    ------
    FrameError
        If the file is missing, truncated, of another format, or holds several frames.
    """
    with _in_words(path):
        if path.suffix.lower() == ".npy":
            array: AnyArray = np.load(path, mmap_mode="r", allow_pickle=False)
        elif path.suffix.lower() in TIF_SUFFIXES:
            return _read_single_tif(path)
        else:
            with _pillow(path) as image:
                array = _pillow_array(image)
    return array


@dataclass(frozen=True)
class ImageHeader:
    """What an image file says of the array that :func:`read_image` makes of it, before it is decoded.

    Attributes
    ----------
    shape
        ``(H, W)``.
    colour
        Whether there is a last axis of colours.
    dtype
        Of the pixels.
    """

    shape: tuple[int, int]
    colour: bool
    dtype: np.dtype[Any]


def image_header(path: Path) -> ImageHeader:
    """Read the header of an image file; raises as :func:`read_image`."""
    with _in_words(path):
        if path.suffix.lower() == ".npy":
            array = np.load(path, mmap_mode="r", allow_pickle=False)
            if array.ndim < 2:
                raise FrameError(f"{path.name} holds an array of shape {array.shape}, not an image")
            return ImageHeader((int(array.shape[0]), int(array.shape[1])), array.ndim > 2, array.dtype)
        if path.suffix.lower() in TIF_SUFFIXES:
            import tifffile

            with tifffile.TiffFile(path) as tif:
                page = tif.pages.first
                shape = int(page.imagelength), int(page.imagewidth)
                return ImageHeader(shape, int(page.samplesperpixel) > 1, np.dtype(page.dtype))
        from PIL import Image

        with _pillow(path) as image:
            alike = _pillow_array(Image.new(image.mode, (1, 1)))
            return ImageHeader((image.height, image.width), alike.ndim > 2, alike.dtype)


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
        with _in_words(path), tifffile.TiffFile(path) as tif:
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
        with _in_words(self.path):
            pixels: AnyArray = tifffile.memmap(self.path, series=0, mode="r")
            return pixels.reshape(self.shape)

    def __getitem__(self, key: Any) -> AnyArray:
        """Frame ``t`` for ``[t]``; the only frame of a single image for ``[...]``."""
        if isinstance(key, tuple):
            key = key[0] if key else 0
        index = 0 if key is Ellipsis or isinstance(key, slice) else int(key)
        with _in_words(self.path, page=index if len(self.axes.strip("YXS")) else None):
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
        with _pillow(path) as image:
            image.seek(index)
            return _pillow_array(image)
    except DECODING_ERRORS as error:
        raise FrameError(
            f"{reason} (pip install imagecodecs), and Pillow cannot read it: {reason_of(error)}"
        ) from error


def _pillow_array(image: Any) -> AnyArray:
    """Grey stays grey at its depth; palettes, CMYK and the like become RGB; grey with alpha loses the alpha."""
    if image.mode in ("P", "PA", "CMYK", "YCbCr", "LAB", "HSV", "RGBX", "RGBa"):
        image = image.convert("RGB")
    elif image.mode in ("LA", "La"):
        image = image.convert("L")
    array: AnyArray = np.asarray(image)
    return array


@contextmanager
def _pillow(path: Path) -> Iterator[Any]:
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


@contextmanager
def _in_words(path: Path, page: int | None = None) -> Iterator[None]:
    where = path.name if page is None else f"page {page} of {path.name}"
    try:
        yield
    except FrameError as error:
        raise error if path.name in str(error) else FrameError(f"cannot read {where}: {error}") from error
    except FileNotFoundError as error:
        raise FrameError(f"cannot read {where}: there is no file {path}") from error
    except DECODING_ERRORS as error:
        raise FrameError(
            f"cannot read {where}: it is truncated, damaged or of another format ({reason_of(error)})"
        ) from error


def as_paths(items: Sequence[Any]) -> list[Path]:
    """Paths of a list, checked to be of formats that can be read."""
    paths = [Path(item) for item in items]
    for path in paths:
        if path.suffix.lower() not in IMAGE_SUFFIXES:
            raise FrameError(f"{path.name} is not an image that can be read; these can: {', '.join(IMAGE_SUFFIXES)}")
    return paths

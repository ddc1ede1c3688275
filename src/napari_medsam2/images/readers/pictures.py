"""Pictures (png, jpg, gif, webp, ...) by Pillow, and those with more than 8 bits a colour by imagecodecs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import FrameError
from ...types import AnyArray
from ..budget import ask_for
from ..damage import reading
from ..header import ImageHeader
from ..lazy import PlaneArray
from ..listing import stem_of
from ..opened import Axis, OpenedImages
from .deep_pictures import decode_deep, deep_header
from .options import ReadOptions

_pillow_limit = threading.Lock()
_ORIENTATION = 0x0112
_AS_RGB = ("P", "PA", "CMYK", "YCbCr", "LAB", "HSV", "RGBX", "RGBa")
#: Formats whose further pictures follow each other in time; in others they are previews.
_ANIMATED = ("GIF", "PNG", "WEBP")


def open_picture(path: Path, options: ReadOptions) -> OpenedImages:
    """A picture as one frame, or an animation as its frames."""
    header = picture_header(path, options)
    n_frames = _n_frames(path)
    if n_frames > 1:
        if options.as_labels:
            raise FrameError(f"{path.name} is an animation, which has colours for numbers of labels: save them as tif")
        moving = _Animation(path, n_frames, header.shape)
        axes = (Axis("t"), Axis("y"), Axis("x"))
        return OpenedImages(stem_of(path), moving, axes, moving.ndim == 4, mode="stack", files=(path,))
    plane = (*header.shape, header.colours) if header.colour else header.shape

    def read(_: tuple[int, ...]) -> AnyArray:
        pixels = read_picture(path, options)
        if pixels.shape != plane:
            raise FrameError(f"{path.name} declares {plane} pixels and holds {pixels.shape}: it is damaged")
        return pixels

    data = PlaneArray((), plane, header.dtype, read)
    return OpenedImages(stem_of(path), data, (Axis("y"), Axis("x")), header.colour, files=(path,))


def read_picture(path: Path, options: ReadOptions) -> AnyArray:
    """A picture ``(H, W)`` or ``(H, W, C)``, upright as its header says.

    Raises
    ------
    FrameError
        If it cannot be read, has more pixels than there is memory, or labels are wanted and it is stored with loss.
    """
    if options.as_labels:
        _refuse_loss(path)
    with reading(path):
        deep = deep_header(path)
        if deep is not None:
            _ask(path, deep.shape, max(1, deep.colours) * deep.dtype.itemsize)
            return turned(decode_deep(path), _orientation_of(path))
        with opened(path) as image:
            _ask(path, (image.height, image.width), 2 * len(image.getbands()), _png_bits(image))
            return turned(as_array(image, options), _orientation(image))


def picture_header(path: Path, options: ReadOptions) -> ImageHeader:
    """What the header says, before the picture is decoded."""
    from PIL import Image

    with reading(path):
        deep = deep_header(path)
        if deep is not None:
            shape = deep.shape[::-1] if _orientation_of(path) >= 5 else deep.shape
            return ImageHeader(shape, deep.colours, deep.dtype)
        with opened(path) as image:
            alike = as_array(Image.new(image.mode, (1, 1)), options)
            size = (image.height, image.width)
            colours = alike.shape[2] if alike.ndim > 2 else 0
            return ImageHeader(size[::-1] if _orientation(image) >= 5 else size, colours, alike.dtype)


def single_picture(path: Path, options: ReadOptions) -> AnyArray:
    """A picture that is one frame of a folder; raises also for animations."""
    pixels = read_picture(path, options)
    n_frames = _n_frames(path)
    if n_frames > 1:
        raise FrameError(
            f"{path.name} has {n_frames} frames; in a folder every file is one frame. Open that file by itself to "
            "segment it"
        )
    return pixels


class _Animation:
    """The frames of an animation, all decoded when the first is asked for: each may build on those before it."""

    def __init__(self, path: Path, n_frames: int, shape: tuple[int, int]) -> None:
        self._path = path
        self.shape = (n_frames, *shape, 3)
        self.ndim, self.dtype = 4, np.dtype(np.uint8)

    def __getitem__(self, key: Any) -> AnyArray:
        part: AnyArray = self._frames[key]
        return part

    @cached_property
    def _frames(self) -> AnyArray:
        n_frames = self.shape[0]
        _ask(self._path, self.shape[1:3], 3 * n_frames)
        frames = []
        with reading(self._path), opened(self._path) as image:
            for number in range(n_frames):
                image.seek(number)
                frames.append(np.asarray(image.convert("RGB")))
        return np.stack(frames)


def as_array(image: Any, options: ReadOptions) -> AnyArray:
    """Grey stays grey at its depth; palettes, CMYK and the like become RGB; grey with alpha loses the alpha.

    As labels, a palette's indices are read, grey of 2 or 4 bits as it is stored, and what is transparent is 0.
    """
    if options.as_labels and image.mode in ("P", "PA"):
        indices: AnyArray = np.asarray(image)
        return indices if indices.ndim == 2 else indices[..., 0]
    bits = _png_bits(image)
    if options.as_labels and image.mode == "L" and bits in (2, 4):
        spread: AnyArray = np.asarray(image)
        return spread // np.uint8(255 // (2**bits - 1))
    if image.mode in _AS_RGB:
        image = image.convert("RGB")
    elif image.mode in ("LA", "La"):
        grey, alpha = (np.asarray(image.getchannel(band)) for band in "LA")
        return np.where(alpha > 0, grey, np.uint8(0)) if options.as_labels else grey
    array: AnyArray = np.asarray(image)
    return array


def turned(array: AnyArray, orientation: int) -> AnyArray:
    """Make a picture upright that is stored in one of the eight orientations of Exif."""
    if orientation >= 5:
        array = array.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    return np.ascontiguousarray(array)


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


def _n_frames(path: Path) -> int:
    with reading(path):
        if deep_header(path) is not None:
            return 1
        with opened(path) as image:
            return int(getattr(image, "n_frames", 1)) if image.format in _ANIMATED else 1


def _orientation(image: Any) -> int:
    """Which of the eight orientations of Exif a picture is stored in, without decoding it."""
    from PIL import Image

    exif = Image.Exif()
    if image.format == "PNG":  # Pillow would decode it all, to see whether there is one behind the pixels
        exif.load(image.info.get("exif") or _png_exif(Path(image.filename)))
    else:
        exif = image.getexif()
    value = exif.get(_ORIENTATION, 1)
    return value if value in range(1, 9) else 1


def _png_exif(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(8)
        while len(head := file.read(8)) == 8:
            length, kind = int.from_bytes(head[:4], "big"), head[4:]
            if kind == b"eXIf":
                return file.read(length)
            file.seek(length + 4, 1)
    return b""


def _orientation_of(path: Path) -> int:
    """Of a file that Pillow may not know, as a JPEG of 12 bits."""
    from PIL import UnidentifiedImageError

    try:
        with opened(path) as image:
            return _orientation(image)
    except UnidentifiedImageError:
        return 1


def _png_bits(image: Any) -> int:
    """Bits of a sample of a png as it is stored, 0 for other formats."""
    if image.format != "PNG" or not image.tile:
        return 0
    kind, _, bits = str(image.tile[0].args).partition(";")
    return int(bits.rstrip("B") or 1 if kind == "1" else bits.rstrip("B") or 8)


def _ask(path: Path, shape: tuple[int, ...], bytes_a_pixel: int, png_bits: int = 0) -> None:
    """Ask for the memory of a picture; of a png also whether its file can hold so much."""
    height, width = shape
    what = f"{width} x {height} pixels"
    if png_bits:
        ask_for(path, what, height * width * png_bits // 8, stored=path.stat().st_size, compression="deflate")
    ask_for(path, what, height * width * bytes_a_pixel)


def _refuse_loss(path: Path) -> None:
    """Labels that were stored with loss are other numbers than were drawn, above all at the edges."""
    with reading(path), path.open("rb") as file:
        head = file.read(4096)
    lossy = "JPEG" if head.startswith(b"\xff\xd8\xff") else ""
    if head[8:12] == b"WEBP" and b"VP8 " in head:
        lossy = "WebP with loss"
    if lossy:
        raise FrameError(
            f"{path.name} is a {lossy}, which changes numbers: labels are read of png or tif, where they stay as drawn"
        )

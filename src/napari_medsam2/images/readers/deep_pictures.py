"""Pictures with more than 8 bits a colour, which Pillow would make 8 of: read by imagecodecs, which keeps them."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from ...types import AnyArray
from ..header import ImageHeader

_PNG, _JPEG, _JP2, _J2K = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51"
_PNG_COLOURS = {2: 3, 4: 0, 6: 4}  # by colour type: RGB, grey with alpha, RGBA
_START_OF_FRAME = {0xC0, 0xC1, 0xC2, 0xC3}
#: Bytes in which the headers of these formats end, where there is no profile of colours of unusual size before it.
_HEAD = 1 << 18


def deep_header(path: Path) -> ImageHeader | None:
    """The header of a picture with more than 8 bits a colour; ``None`` for any other file."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if head.startswith(_PNG) and len(head) > 25:
        width, height, bits, kind = struct.unpack(">IIBB", head[16:26])
        deep = bits == 16 and kind in _PNG_COLOURS
        return ImageHeader((height, width), _PNG_COLOURS[kind], np.dtype(np.uint16)) if deep else None
    if head.startswith((_JP2, _J2K)):
        return _jpeg2000(head)
    return _jpeg(head) if head.startswith(_JPEG) else None


def decode_deep(path: Path) -> AnyArray:
    """The pixels ``(H, W)`` or ``(H, W, C)`` of a picture that :func:`deep_header` knows; grey loses its alpha."""
    import imagecodecs

    content = path.read_bytes()
    if content.startswith(_PNG):
        decode = imagecodecs.png_decode
    else:
        if content.startswith(_JPEG) and b"\xff\xd9" not in content[content.find(b"\xff\xda") :]:
            raise ValueError("it has no end")  # the rest would be grey
        decode = imagecodecs.jpeg_decode if content.startswith(_JPEG) else imagecodecs.jpeg2k_decode
    pixels: AnyArray = decode(content)
    return pixels[..., 0] if pixels.ndim == 3 and pixels.shape[2] < 3 else pixels


def _jpeg2000(head: bytes) -> ImageHeader | None:
    """Image and offset sizes, number of components and their bits, in the marker at the start of the code stream."""
    start = head.find(_J2K)
    if start < 0 or len(head) < start + 43:
        return None
    right, bottom, left, top = struct.unpack(">4I", head[start + 8 : start + 24])
    n_components, bits = struct.unpack(">HB", head[start + 40 : start + 43])
    if bits & 0x7F < 8:  # one less than there are
        return None
    dtype = np.dtype(np.int16 if bits & 0x80 else np.uint16)
    return ImageHeader((bottom - top, right - left), n_components if n_components >= 3 else 0, dtype)


def _jpeg(head: bytes) -> ImageHeader | None:
    """Follow the segments to the one that says how many bits there are."""
    at = 2
    while at + 11 < len(head) and head[at] == 0xFF:
        length, bits, height, width, n_components = struct.unpack(">HBHHB", head[at + 2 : at + 10])
        if head[at + 1] in _START_OF_FRAME:
            colours = n_components if n_components >= 3 else 0
            return ImageHeader((height, width), colours, np.dtype(np.uint16)) if bits > 8 else None
        at += 2 + length
    return None

"""Pixels on their way: a frame in parts of some rows, each a Blosc2 chunk with a checksum."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import imagecodecs
import numpy as np

from ..errors import WireError
from ..images.header import ImageHeader
from ..types import AnyArray

#: Parts have about so many bytes before they are compressed.
PART_BYTES = 4 << 20
#: The header of a Blosc2 chunk: versions, flags, size of a pixel; bytes unpacked, of a block, and packed.
_HEADER = struct.Struct("<4B3i")
#: A chunk that cannot be compressed is so much longer than its pixels.
OVERHEAD = 64
_KINDS = "buif"


def parts_of(header: ImageHeader) -> list[slice]:
    """The rows of each part of a frame."""
    height = header.shape[0]
    rows = max(1, PART_BYTES // max(1, row_bytes(header)))
    return [slice(start, min(start + rows, height)) for start in range(0, height, rows)]


def row_bytes(header: ImageHeader) -> int:
    """Bytes of a row of pixels."""
    return header.shape[1] * max(1, header.colours) * header.dtype.itemsize


def frame_bytes(header: ImageHeader) -> int:
    """Bytes of a frame."""
    return header.shape[0] * row_bytes(header)


def pack_part(rows: AnyArray) -> bytes:
    """Some rows of a frame, ``(h, W)`` or ``(h, W, C)``, as a chunk."""
    pixels: Any = np.ascontiguousarray(rows, rows.dtype.newbyteorder("<"))
    packed = imagecodecs.blosc2_encode(
        pixels, level=1, compressor="zstd", shuffle="bitshuffle", typesize=pixels.dtype.itemsize, numthreads=1
    )
    return bytes(packed)


def checksum_of(packed: bytes) -> str:
    """Eight hexadecimal digits (CRC-32) of a chunk."""
    return f"{zlib.crc32(packed):08x}"


def check_part(packed: bytes, header: ImageHeader, rows: slice, checksum: str) -> None:
    """Raise a :class:`WireError` unless bytes are the chunk of these rows, by its checksum and by what it says."""
    if checksum_of(packed) != checksum.lower():
        raise WireError(f"the chunk of rows {rows.start} to {rows.stop} was damaged on its way: its checksum differs")
    if len(packed) < _HEADER.size:
        raise WireError(f"a chunk has a header of {_HEADER.size} bytes and more; got {len(packed)}")
    *_, unpacked, _, length = _HEADER.unpack_from(packed)
    wanted = (rows.stop - rows.start) * row_bytes(header)
    if unpacked != wanted or length != len(packed):
        raise WireError(
            f"the chunk of rows {rows.start} to {rows.stop} must hold {wanted} bytes, and says {unpacked} in {length}; "
            f"{len(packed)} came"
        )


def unpack_part(packed: bytes, header: ImageHeader, rows: slice) -> AnyArray:
    """The rows of a chunk that was checked; :class:`WireError` if it cannot be unpacked."""
    pixels = bytearray((rows.stop - rows.start) * row_bytes(header))
    try:
        imagecodecs.blosc2_decode(packed, numthreads=1, out=pixels)
    except (imagecodecs.Blosc2Error, ValueError, RuntimeError) as error:
        raise WireError(f"the chunk of rows {rows.start} to {rows.stop} cannot be unpacked: {error}") from error
    shape = (rows.stop - rows.start, header.shape[1], *((header.colours,) if header.colours else ()))
    return np.frombuffer(pixels, header.dtype.newbyteorder("<")).reshape(shape)


@dataclass(frozen=True)
class ImageLimits:
    """How large images may be.

    Attributes
    ----------
    frames
        Number of frames.
    frame_bytes
        Of the pixels of one frame.
    """

    frames: int = 200_000
    frame_bytes: int = 1 << 30


def headers_as_json(headers: Sequence[ImageHeader]) -> list[Any]:
    """Headers, those alike that follow each other once with their number."""
    told: list[Any] = []
    for header in headers:
        one = [*header.shape, header.colours, header.dtype.newbyteorder("=").str.lstrip("=<>|")]
        if told and told[-1][1:] == one:
            told[-1][0] += 1
        else:
            told.append([1, *one])
    return told


def headers_of(told: Any, limits: ImageLimits) -> tuple[ImageHeader, ...]:
    """The headers; :class:`WireError` if they are none, or of more than is taken."""
    headers: list[ImageHeader] = []
    if not isinstance(told, list):
        raise WireError("the images are told as a list of [frames, height, width, colours, type]")
    for group in told:
        match group:
            case [int(count), int(height), int(width), int(colours), str(dtype)] if bool not in map(type, group):
                headers += [_header(height, width, colours, dtype, limits)] * min(count, limits.frames + 1)
                if count < 1 or len(headers) > limits.frames:
                    raise WireError(f"1 to {limits.frames} frames are taken; got {count}")
            case _:
                raise WireError("the images are told as a list of [frames, height, width, colours, type]")
    if not headers:
        raise WireError("there are no frames")
    return tuple(headers)


def _header(height: int, width: int, colours: int, dtype: str, limits: ImageLimits) -> ImageHeader:
    kind, digits = dtype[:1], dtype[1:]
    if kind not in _KINDS or digits not in ("1", "2", "4", "8"):
        raise WireError(f"pixels are real numbers of 1 to 8 bytes, such as u2; got {dtype[:20]!r}")
    if height < 1 or width < 1 or colours not in (0, 1, 3, 4):
        raise WireError(f"a frame has pixels, and 0, 1, 3 or 4 colours; got {height} x {width}, {colours} colours")
    if dtype not in ("b1", "i1", "u1", "i2", "u2", "f2", "i4", "u4", "f4", "i8", "u8", "f8"):
        raise WireError(f"there are no pixels of type {dtype!r}")
    header = ImageHeader((height, width), colours, np.dtype(dtype))
    if frame_bytes(header) > limits.frame_bytes or row_bytes(header) > PART_BYTES * 64:
        raise WireError(f"a frame may have {limits.frame_bytes >> 20} MB; this one has {frame_bytes(header) >> 20}")
    return header

"""Masks, labels and results as bytes: the part of a frame that has something in it, packed and compressed."""

from __future__ import annotations

import math
import struct
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import SessionFileError, shortened
from ..geometry.compact_mask import logits_of, part_with_object
from ..images.budget import free_memory
from ..results import FrameResult
from ..types import AnyArray, Mask

#: Rows and columns of the part: first row, first column, height, width.
_PART = struct.Struct("<4I")
#: Pixels that nobody has to ask for.
_ALWAYS_FITS = 1 << 26
#: Numbers of a result by name, and what it says yes or no to.
_NUMBERS = ("confidence", "iou", "objectness", "seconds")
_TRUTHS = ("prompted", "drawn", "boxed")


def pack_mask(mask: Mask) -> bytes:
    """A mask ``(H, W)`` as bytes, one bit a pixel of the part that holds the object."""
    rows, columns = part_with_object(mask)
    return _packed(rows, columns, np.packbits(mask[rows, columns]).tobytes())


def unpack_mask(data: bytes, shape: tuple[int, int]) -> Mask:
    """The mask, bool ``(H, W)``; :class:`SessionFileError` if the bytes are no mask of that shape."""
    rows, columns, packed = _unpacked(data, shape, bits=1)
    height, width = rows.stop - rows.start, columns.stop - columns.start
    mask = np.zeros(shape, bool)
    bits = np.unpackbits(np.frombuffer(packed, np.uint8), count=height * width)
    mask[rows, columns] = bits.reshape(height, width).astype(bool)
    return mask


def pack_labels(labels: AnyArray) -> bytes:
    """A label image ``(H, W)`` as bytes."""
    rows, columns = part_with_object(labels != 0)
    return _packed(rows, columns, np.ascontiguousarray(labels[rows, columns], "<u4").tobytes())


def unpack_labels(data: bytes, shape: tuple[int, int]) -> npt.NDArray[np.uint32]:
    """The label image, uint32 ``(H, W)``; :class:`SessionFileError` if the bytes are none of that shape."""
    rows, columns, packed = _unpacked(data, shape, bits=32)
    labels = np.zeros(shape, np.uint32)
    labels[rows, columns] = np.frombuffer(packed, "<u4").reshape(rows.stop - rows.start, columns.stop - columns.start)
    return labels


def pack_result(result: FrameResult) -> tuple[dict[str, Any], bytes]:
    """A result as numbers by name and the bytes of its pixels, with how clear each of them is."""
    numbers = {name: float(getattr(result, name)) for name in _NUMBERS}
    truths = {name: bool(getattr(result, name)) for name in _TRUTHS}
    rows, columns = result.pixels.part
    return {**numbers, **truths}, _packed(rows, columns, result.pixels.clearness.tobytes())


def unpack_result(
    frame: int, object_id: int, values: dict[str, Any], data: bytes, shape: tuple[int, int]
) -> FrameResult:
    """The result; :class:`SessionFileError` if the bytes are none of that shape, or a value is none of a result."""
    numbers = all(type(values[name]) is float and math.isfinite(values[name]) for name in _NUMBERS)
    truths = all(type(values[name]) is bool for name in _TRUTHS)
    if type(object_id) is not int or object_id < 1 or not (numbers and truths):
        raise SessionFileError(f"what was found of object {shortened(object_id)} on frame {frame} says what cannot be")
    rows, columns, packed = _unpacked(data, shape, bits=8)
    clearness = np.zeros(shape, np.uint8)
    clearness[rows, columns] = np.frombuffer(packed, np.uint8).reshape(
        rows.stop - rows.start, columns.stop - columns.start
    )
    return FrameResult(frame, object_id, clearness > 0, logits=logits_of(clearness), **values)


def _packed(rows: slice, columns: slice, pixels: bytes) -> bytes:
    part = _PART.pack(rows.start, columns.start, rows.stop - rows.start, columns.stop - columns.start)
    return part + zlib.compress(pixels, 1)


def _unpacked(data: bytes, shape: tuple[int, int], *, bits: int) -> tuple[slice, slice, bytes]:
    """Rows, columns, and their pixels; never more bytes than such a part has."""
    try:
        top, left, height, width = _PART.unpack_from(data)
        if top + height > shape[0] or left + width > shape[1]:
            raise SessionFileError(f"a mask of {height} x {width} pixels reaches beyond its frame of {shape}")
        if shape[0] * shape[1] > max(_ALWAYS_FITS, free_memory() // 4):
            raise SessionFileError(f"a mask of {shape[0]} x {shape[1]} pixels does not fit into main memory")
        n_bytes = -(-height * width * bits // 8)
        unpacker = zlib.decompressobj()
        pixels = unpacker.decompress(data[_PART.size :], n_bytes + 1)
    except (struct.error, zlib.error, TypeError) as error:
        raise SessionFileError(f"a mask is damaged ({error})") from error
    if len(pixels) == n_bytes and not unpacker.eof:
        raise SessionFileError("a mask is cut off")  # and its checksum with it
    if len(pixels) != n_bytes:
        raise SessionFileError(
            f"a mask needs {n_bytes} bytes and has {'more' if len(pixels) > n_bytes else len(pixels)}"
        )
    return slice(top, top + height), slice(left, left + width), pixels

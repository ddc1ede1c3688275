"""Arrays as JSON, and back, within bounds: what is remembered is told as numbers and small pictures."""

from __future__ import annotations

import base64
import binascii
import math
import zlib
from typing import Any, get_args

import numpy as np

from ..errors import WireError, shortened
from ..types import AnyArray

#: Bytes of the numbers of one array.
MOST_ARRAY_BYTES = 64 << 20
_MOST_AXES = 4
_TYPES = ("|b1", "|u1", "<f4", "<f8")


def array_as_json(value: AnyArray) -> dict[str, Any]:
    """An array of truths, bytes or real numbers as JSON; :class:`WireError` for any other, and one with NaN."""
    plain = np.ascontiguousarray(value, value.dtype.newbyteorder("<"))
    if plain.dtype.str not in _TYPES or not np.isfinite(plain).all():
        raise WireError(f"an array of {value.dtype} never goes over the network, nor one that holds no numbers")
    data = base64.b64encode(zlib.compress(plain.tobytes(), 1)).decode()
    return {"type": plain.dtype.str, "shape": list(value.shape), "data": data}


def array_of(hint: Any, told: Any) -> AnyArray:
    """The array of a type such as ``npt.NDArray[np.float32]``; :class:`WireError` if it is none."""
    match told:
        case {"type": str(dtype), "shape": list(shape), "data": str(data), **others} if not others:
            pass
        case _:
            raise WireError(f"an array is told by type, shape and data; got {shortened(told)}")
    wanted = get_args(get_args(hint)[1])[0]
    kind = np.dtype(dtype) if dtype in _TYPES else None
    if kind is None or not np.issubdtype(kind, getattr(wanted, "__origin__", wanted)):
        raise WireError(f"an array of {wanted} is wanted; got one of {shortened(dtype)}")
    if len(shape) > _MOST_AXES or not all(type(length) is int and 0 <= length < 1 << 31 for length in shape):
        raise WireError(f"there is no array of shape {shortened(shape)}")
    n_bytes = math.prod(shape) * kind.itemsize
    if n_bytes > MOST_ARRAY_BYTES:
        raise WireError(f"at most {MOST_ARRAY_BYTES >> 20} MB are taken of an array; one of {shape} was told")
    unpacking = zlib.decompressobj()
    try:
        plain = unpacking.decompress(base64.b64decode(data, validate=True), n_bytes + 1)
    except (binascii.Error, ValueError, zlib.error) as error:
        raise WireError(f"an array is damaged: {error}") from error
    if len(plain) != n_bytes or (n_bytes and not unpacking.eof):
        raise WireError(f"an array of {shape} has {n_bytes} bytes; others came")
    values = np.frombuffer(bytearray(plain), kind).reshape(shape)
    if kind.str == "|b1" and np.any(values.view(np.uint8) > 1):
        raise WireError("truths are 0 or 1")
    if not np.isfinite(values).all():
        raise WireError("an array has values that are no finite numbers")
    return values

"""Arrays that are read when they are indexed: planes from files, and some axes of another array."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from ..bounded_cache import BoundedCache
from ..types import AnyArray

#: Bytes of an array that is kept whole once its planes were read; of a larger one nothing is.
_WHOLE_BYTES = 256 << 20


class PlaneArray:
    """An array of planes, each read when it is needed; indexed like a numpy array by integers, slices and ``...``.

    Frames along another axis need all planes each time. So planes are kept, where all of them can be.

    Parameters
    ----------
    leading
        Lengths of the axes before a plane's own; empty for a single plane.
    plane
        Shape of a plane, ``(H, W)`` or ``(H, W, C)``.
    dtype
        Of the pixels.
    read
        Gives the plane at an index along the leading axes.
    """

    def __init__(
        self,
        leading: Sequence[int],
        plane: Sequence[int],
        dtype: npt.DTypeLike,
        read: Callable[[tuple[int, ...]], AnyArray],
    ) -> None:
        self.leading = tuple(int(n) for n in leading)
        self.plane = tuple(int(n) for n in plane)
        self.shape = self.leading + self.plane
        self.ndim = len(self.shape)
        self.dtype = np.dtype(dtype)
        self._read = read
        whole = math.prod(self.shape) * self.dtype.itemsize
        self._kept: BoundedCache[tuple[int, ...], AnyArray] = BoundedCache(
            _WHOLE_BYTES if leading and whole <= _WHOLE_BYTES else 0
        )

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> AnyArray:
        parts = parts_of(key, self.ndim)
        wanted = [_positions(part, length) for part, length in zip(parts, self.leading, strict=False)]
        inside = tuple(parts[len(self.leading) :])
        planes = [self._plane(index)[inside] for index in product(*wanted)]
        kept = [len(w) for w, part in zip(wanted, parts, strict=False) if isinstance(part, slice)]
        if not planes:
            return np.zeros((*kept, *np.empty(self.plane, np.bool_)[inside].shape), self.dtype)
        return np.stack(planes).astype(self.dtype, copy=False).reshape((*kept, *planes[0].shape))

    def _plane(self, index: tuple[int, ...]) -> AnyArray:
        return self._kept.get(index, lambda: np.asarray(self._read(index)))


class AxesView:
    """Some axes of an array-like, in another order, the others at fixed positions. Indexing stays lazy.

    Parameters
    ----------
    source
        Anything with a shape, a dtype and numpy's basic indexing.
    order
        Its axes that are kept.
    fixed
        Where other axes stay; those not mentioned stay at 0.

    Attributes
    ----------
    order
        As given: which axis of the source each of the axes is.
    """

    def __init__(self, source: Any, order: Sequence[int], fixed: Mapping[int, int] | None = None) -> None:
        self._source = source
        self.order = tuple(order)
        self._fixed = dict(fixed or {})
        self.shape = tuple(int(source.shape[axis]) for axis in order)
        self.ndim = len(self.shape)
        self.dtype = np.dtype(source.dtype)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> AnyArray:
        parts = parts_of(key, self.ndim)
        wanted: list[Any] = [self._fixed.get(axis, 0) for axis in range(len(self._source.shape))]
        for axis, part in zip(self.order, parts, strict=True):
            wanted[axis] = part
        kept = [axis for axis, part in zip(self.order, parts, strict=True) if isinstance(part, slice)]
        array = np.asarray(self._source[tuple(wanted)])
        ranks = {axis: rank for rank, axis in enumerate(sorted(kept))}
        return array.transpose([ranks[axis] for axis in kept])


def parts_of(key: Any, ndim: int) -> list[Any]:
    """A basic index as one integer or slice an axis."""
    parts = list(key) if isinstance(key, tuple) else [key]
    if any(part is Ellipsis for part in parts):
        at = next(number for number, part in enumerate(parts) if part is Ellipsis)
        parts[at : at + 1] = [slice(None)] * (ndim - len(parts) + 1)
    if len(parts) > ndim:
        raise IndexError(f"an array of {ndim} axes has no index {key!r}")
    return parts + [slice(None)] * (ndim - len(parts))


def _positions(part: Any, length: int) -> Sequence[int]:
    if isinstance(part, slice):
        return range(*part.indices(length))
    index = int(part)
    if not -length <= index < length:
        raise IndexError(f"there is no position {index} along an axis of {length}")
    return [index % length]

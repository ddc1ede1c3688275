"""Masks kept small: only the part of a frame that has the object in it, with how clearly each pixel is the object.

A plain shape takes one or two kilobytes, and a run over thousands of frames keeps one for each of them and each object.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ..errors import WireError
from ..types import AnyArray, Mask

#: Logit from which on a pixel is the object as clearly as can be told.
_CLEAR = 14.0
#: Steps of clearness, small where the object barely is and large deep inside it. More steps are hardly seen where
#: objects meet, and take several times the room.
_STEPS = 15
_CLEARNESS = np.array([0, *np.rint(1 + 254 * (np.arange(_STEPS) / (_STEPS - 1)) ** 2)], np.uint8)


@dataclass(frozen=True, eq=False)
class CompactMask:
    """One object on one frame.

    Attributes
    ----------
    shape
        ``(H, W)`` of the frame.
    part
        Rows and columns that hold the object; empty if it is nowhere.
    packed
        What :attr:`clearness` is unpacked from.
    """

    shape: tuple[int, int]
    part: tuple[slice, slice]
    packed: bytes

    @classmethod
    def of(cls, mask: Mask, logits: npt.NDArray[np.float32] | None) -> CompactMask:
        """Keep a mask ``(H, W)``; ``logits`` ``(H, W)`` say how clear it is, ``None``: fully, all of it."""
        part = part_with_object(mask)
        steps = clearness_steps(mask[part], None if logits is None else logits[part])
        return cls.packing((int(mask.shape[0]), int(mask.shape[1])), part, [steps])

    @classmethod
    def packing(
        cls, shape: tuple[int, int], part: tuple[slice, slice], bands: Iterable[npt.NDArray[np.uint8]]
    ) -> CompactMask:
        """Keep the part of a frame that holds the object.

        Parameters
        ----------
        shape
            ``(H, W)`` of the frame.
        part
            Rows and columns of it.
        bands
            Its rows from the top, some at a time, as :func:`clearness_steps` gives them.
        """
        packer = zlib.compressobj()
        packed = b"".join([*(packer.compress(band.tobytes()) for band in bands), packer.flush()])
        return cls(shape, part, packed)

    @classmethod
    def nothing(cls, shape: tuple[int, int]) -> CompactMask:
        """No object anywhere on a frame of shape ``(H, W)``."""
        return cls.packing(shape, (slice(0, 0), slice(0, 0)), [])

    @classmethod
    def checked(cls, shape: tuple[int, int], part: tuple[slice, slice], packed: bytes) -> CompactMask:
        """A mask of what came from elsewhere; :class:`WireError` unless it is one of this shape ``(H, W)``.

        No more is unpacked than such a part has.
        """
        if any(not 0 <= edge.start <= edge.stop <= length for edge, length in zip(part, shape, strict=True)):
            raise WireError(f"a mask on {part} reaches beyond its frame of {shape}")
        n_pixels = (part[0].stop - part[0].start) * (part[1].stop - part[1].start)
        unpacker = zlib.decompressobj()
        try:
            steps = np.frombuffer(unpacker.decompress(packed, n_pixels + 1), np.uint8)
        except zlib.error as error:
            raise WireError(f"a mask is damaged ({error})") from error
        if len(steps) != n_pixels or not (unpacker.eof or n_pixels == 0):
            raise WireError(f"a mask of {n_pixels} pixels has {'more' if len(steps) > n_pixels else 'fewer'}")
        if n_pixels and int(steps.max()) > _STEPS:
            raise WireError(f"a mask has {_STEPS} steps of clearness; got step {int(steps.max())}")
        return cls(shape, part, packed)

    @property
    def clearness(self) -> npt.NDArray[np.uint8]:
        """Of each pixel of the part: 0 is not the object, else 1 (barely) to 255 (as clearly as can be told).

        Made anew each time.
        """
        rows, columns = self.part
        steps = np.frombuffer(zlib.decompress(self.packed), np.uint8)
        return _CLEARNESS[steps].reshape(rows.stop - rows.start, columns.stop - columns.start)

    @property
    def mask(self) -> Mask:
        """Bool ``(H, W)``, made anew each time."""
        mask = np.zeros(self.shape, bool)
        mask[self.part] = self.clearness > 0
        return mask

    @cached_property
    def area(self) -> int:
        """Pixels of the object."""
        return int(np.count_nonzero(self.clearness))

    @property
    def empty(self) -> bool:
        """True if the object is nowhere."""
        return bool(self.part[0].stop == self.part[0].start)

    def paint(self, labels: AnyArray, number: int) -> None:
        """Write a number into labels ``(H, W)``, wherever the object is."""
        labels[self.part][self.clearness > 0] = number

    def claim(
        self, labels: AnyArray, number: int, claims: npt.NDArray[np.float32], rank: int, confidence: float
    ) -> None:
        """Write a number into labels ``(H, W)`` where no other had a greater claim; ``claims`` are raised.

        A claim is a ``rank`` plus the confidence times how clearly the pixel is the object, which is less than 1.
        """
        clearness = self.clearness
        mine = rank + (confidence / 256 * clearness).astype(np.float32)
        won = (clearness > 0) & (mine >= claims[self.part])
        labels[self.part][won] = number
        claims[self.part][won] = mine[won]

    def count(self, found: npt.NDArray[np.uint16]) -> None:
        """Add 1 to ``found`` ``(H, W)`` wherever the object is."""
        found[self.part] += self.clearness > 0

    def area_shared_with(self, found: npt.NDArray[np.uint16]) -> int:
        """Pixels of the object that others were counted on, too."""
        return int(np.count_nonzero((self.clearness > 0) & (found[self.part] > 1)))

    def area_seen_on(self, labels: AnyArray, number: int) -> int:
        """Pixels of labels ``(H, W)`` that have a number, of those where the object is."""
        return int(np.count_nonzero((self.clearness > 0) & (labels[self.part] == number)))


def shared_area(a: CompactMask, b: CompactMask) -> int:
    """Pixels that belong to both objects."""
    starts = [max(p.start, q.start) for p, q in zip(a.part, b.part, strict=True)]
    stops = [min(p.stop, q.stop) for p, q in zip(a.part, b.part, strict=True)]
    if any(stop <= start for start, stop in zip(starts, stops, strict=True)):
        return 0
    cutouts = []
    for one in (a, b):
        rows, columns = (
            slice(start - part.start, stop - part.start)
            for part, start, stop in zip(one.part, starts, stops, strict=True)
        )
        cutouts.append(one.clearness[rows, columns] > 0)
    return int(np.count_nonzero(cutouts[0] & cutouts[1]))


def part_with_object(mask: Mask) -> tuple[slice, slice]:
    """Rows and columns of a mask ``(H, W)`` that hold the object; empty ones if it is nowhere."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return slice(0, 0), slice(0, 0)
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def logits_of(clearness: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Logits that are as clear as this: what :meth:`CompactMask.of` makes the same ``clearness`` of again."""
    return np.asarray((clearness.astype(np.float32) - 1) * (_CLEAR / 254), np.float32)


def clearness_steps(mask: Mask, logits: npt.NDArray[np.float32] | None) -> npt.NDArray[np.uint8]:
    """Steps of clearness ``(H, W)``: 0 outside a mask, inside 1 for a logit of 0 or less, up to the last."""
    if logits is None:
        return np.where(mask, np.uint8(_STEPS), np.uint8(0))
    return np.where(mask, 1 + np.rint((_STEPS - 1) * np.sqrt(np.clip(logits, 0, _CLEAR) / _CLEAR)), 0).astype(np.uint8)

"""What the stored numbers of a frame mean: real values, colours, padding, and the type that holds all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from highdicom.pixels import apply_lut
from pydicom import Dataset
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut

from ....types import AnyArray
from .facts import Facts

#: Float32 holds integers of so many bits exactly, so that a scale keeps different values apart.
_EXACT_IN_FLOAT32 = 24


@dataclass(frozen=True, eq=False)
class Values:
    """From the stored numbers of one frame to those that are meant.

    Attributes
    ----------
    dtype
        What holds every value that the frame can have.
    stored
        The lowest and the highest number that can be stored; ``None`` for floating point.
    slope, intercept
        The real value is ``slope * stored + intercept``.
    table
        A header with a Modality LUT in it, in place of slope and intercept.
    mapped
        First stored value and entries of a table of real world values, in place of slope and intercept.
    palette
        A header with a palette in it; the stored numbers are its indices.
    inverted
        Whether low numbers are bright, as in MONOCHROME1.
    padding
        The lowest and the highest stored number that stand for "outside the image".
    """

    dtype: np.dtype[Any]
    stored: tuple[int, int] | None = None
    slope: float = 1.0
    intercept: float = 0.0
    table: Dataset | None = None
    mapped: tuple[int, AnyArray] | None = None
    palette: Dataset | None = None
    inverted: bool = False
    padding: tuple[int, int] | None = None

    def apply(self, pixels: AnyArray) -> AnyArray:
        """Real values ``(H, W)``, or colours ``(H, W, 3)``, of stored ones.

        Where low numbers are bright they are turned within the range that can be stored, the same way for all frames;
        padding becomes the lowest value of the rest.
        """
        if self.palette is not None:
            return np.asarray(apply_color_lut(pixels, self.palette)[..., :3], self.dtype)
        outside = None
        if self.padding is not None:
            outside = (pixels >= self.padding[0]) & (pixels <= self.padding[1])
        if self.inverted and self.stored is not None:
            pixels = (sum(self.stored) - pixels.astype(np.int64)).astype(np.int64)
        values = self._scaled(pixels)
        if outside is not None and outside.any():
            values = np.array(values)
            values[outside] = values[~outside].min() if not outside.all() else 0
        return values

    def _scaled(self, pixels: AnyArray) -> AnyArray:
        if self.table is not None:
            return np.asarray(apply_modality_lut(pixels, self.table), self.dtype)
        if self.mapped is not None:
            first, entries = self.mapped
            return np.asarray(apply_lut(pixels, entries, first, clip=True), self.dtype)
        if (self.slope, self.intercept) == (1, 0):
            return np.asarray(pixels, self.dtype)
        exact = np.int64 if self.dtype.kind in "iu" else np.float64
        scaled = pixels.astype(exact) * exact(self.slope) + exact(self.intercept)
        return np.asarray(scaled, self.dtype)


def values_of(facts: Facts, index: int, *, as_labels: bool = False) -> Values:
    """What a header says of the stored numbers of a frame."""
    photometric = str(facts.get("PhotometricInterpretation") or "")
    if facts.get("BitsStored") is None or facts.get("PixelRepresentation") is None:
        return Values(np.dtype(np.float64 if facts.get("BitsAllocated") == 64 else np.float32))
    signed, bits = facts.get("PixelRepresentation") == 1, int(facts.get("BitsStored"))
    stored = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    if int(facts.get("SamplesPerPixel") or 1) > 1:
        return Values(_holding(*stored), stored)
    if photometric == "PALETTE COLOR":
        if as_labels:
            return Values(_holding(*stored), stored)
        deep = int(facts.get("RedPaletteColorLookupTableDescriptor")[2]) > 8
        return Values(np.dtype(np.uint16 if deep else np.uint8), stored, palette=facts.header)
    inverted = photometric == "MONOCHROME1" or facts.get("PresentationLUTShape") == "INVERSE"
    padding = _padding(facts, stored)
    real = _real_world(facts, index)
    if real is not None and "RealWorldValueLUTData" in real:
        mapped = int(real.RealWorldValueFirstValueMapped), np.asarray(real.RealWorldValueLUTData, np.float64)
        return Values(mapped[1].dtype, stored, mapped=mapped, inverted=inverted, padding=padding)
    if real is None and (tables := facts.get("ModalityLUTSequence")):
        dtype = np.dtype(np.uint8 if int(tables[0].LUTDescriptor[2]) <= 8 else np.uint16)
        return Values(dtype, stored, table=facts.header, inverted=inverted, padding=padding)
    slope, intercept = _rescale(facts, index)
    if real is not None and "RealWorldValueSlope" in real:
        slope, intercept = float(real.RealWorldValueSlope), float(real.get("RealWorldValueIntercept") or 0)
    return Values(
        _scaled_type(stored, bits, slope, intercept), stored, slope, intercept, None, None, None, inverted, padding
    )


def _scaled_type(stored: tuple[int, int], bits: int, slope: float, intercept: float) -> np.dtype[Any]:
    if slope.is_integer() and intercept.is_integer():
        ends = [end * int(slope) + int(intercept) for end in stored]
        if max(map(abs, ends)) < 1 << 62:
            return _holding(min(ends), max(ends))
    return np.dtype(np.float32 if bits <= _EXACT_IN_FLOAT32 else np.float64)


def _holding(low: int, high: int) -> np.dtype[Any]:
    """The smallest integer type for both."""
    kinds = (np.int8, np.int16, np.int32, np.int64) if low < 0 else (np.uint8, np.uint16, np.uint32, np.uint64)
    return next(np.dtype(kind) for kind in kinds if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max)


def _rescale(facts: Facts, index: int) -> tuple[float, float]:
    slope, intercept = facts.get("RescaleSlope", index), facts.get("RescaleIntercept", index)
    if slope is None and intercept is None:
        return float(facts.get("DoseGridScaling") or 1), 0.0
    return float(1 if slope is None else slope), float(intercept or 0)


def _real_world(facts: Facts, index: int) -> Dataset | None:
    """The first mapping to real world values, as highdicom chooses it too."""
    mappings = facts.get("RealWorldValueMappingSequence", index)
    return None if mappings is None else mappings[0]


def _padding(facts: Facts, stored: tuple[int, int]) -> tuple[int, int] | None:
    """The stored numbers that stand for "outside"; a value written with the wrong sign is meant all the same."""
    given = [facts.get(keyword) for keyword in ("PixelPaddingValue", "PixelPaddingRangeLimit")]
    ends = [value for value in given if isinstance(value, int)]
    if not ends or given[0] is None:
        return None
    turned = [
        end if stored[0] <= end <= stored[1] else _with_sign(end, stored, facts.get("BitsAllocated")) for end in ends
    ]
    return min(turned), max(turned)


def _with_sign(value: int, stored: tuple[int, int], bits: int) -> int:
    value %= 1 << bits
    return value - (1 << bits) if stored[0] < 0 and value > stored[1] else value

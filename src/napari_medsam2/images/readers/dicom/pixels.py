"""The pixels of one plane at a time: found in its file, decoded, and made what they mean."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from pydicom import Dataset
from pydicom.pixels.utils import as_pixel_options

from ....bounded_cache import BoundedCache
from ....types import AnyArray
from ...damage import reading, without_warnings
from .decoding import decoder_of, plugin_for
from .facts import Facts
from .header import opened, pixel_place, read_header
from .planes import Plane
from .values import values_of

#: Headers that are kept: of a file with many frames it is read once.
_HEADERS_KEPT = 4


@dataclass(frozen=True, eq=False)
class _Source:
    """A file whose header was read: how its pixels are decoded, and where they start."""

    facts: Facts
    start: int
    options: dict[str, Any]


class PixelReader:
    """Reads planes; safe to use from several threads.

    Parameters
    ----------
    as_labels
        Whether of a palette the indices are wanted, not the colours.
    """

    def __init__(self, *, as_labels: bool = False) -> None:
        self._as_labels = as_labels
        self._sources: BoundedCache[Path, _Source] = BoundedCache(_HEADERS_KEPT, size_of=lambda _: 1)

    def __call__(self, plane: Plane) -> AnyArray:
        """The pixels ``(H, W)`` or ``(H, W, 3)`` of a plane, as real values or colours.

        Raises
        ------
        FrameError
            If they cannot be read.
        """
        path = plane.image.path
        part = f"frame {plane.index}" if plane.image.n_frames > 1 else ""
        with reading(path, part), opened(path) as file, without_warnings:
            source = self._sources.get(path, lambda: _source(path, file))
            pixels = _decoded(path, file, source, plane.index)
            return values_of(source.facts, plane.index, as_labels=self._as_labels).apply(pixels)


def _source(path: Path, file: BinaryIO) -> _Source:
    header = read_header(path, file)
    place = pixel_place(path, file, header)
    options = as_pixel_options(header, pixel_keyword=place.keyword, pixel_vr=place.representation)
    return _Source(Facts(header), place.start, options)


def _decoded(path: Path, file: BinaryIO, source: _Source, index: int) -> AnyArray:
    """The stored numbers of a frame, colours as RGB, bits that belong to overlays taken away."""
    syntax = source.facts.header.file_meta.TransferSyntaxUID
    decoder = decoder_of(path, syntax)
    file.seek(source.start)
    below = _bits_below(source.facts.header)
    pixels, _ = decoder.as_array(
        file, index=index, decoding_plugin=plugin_for(syntax), correct_unused_bits=not below, **source.options
    )
    if below:
        allocated = 8 * pixels.dtype.itemsize
        pixels = (
            pixels
            << (allocated - 1 - int(source.facts.header.HighBit))
            >> (allocated - int(source.facts.header.BitsStored))
        )
    return np.asarray(pixels)


def _bits_below(header: Dataset) -> int:
    """Bits below the pixel's own, where its highest bit is not where it usually is; pydicom leaves those in."""
    if "HighBit" not in header or "BitsStored" not in header or header.file_meta.TransferSyntaxUID.is_encapsulated:
        return 0
    return max(0, int(header.HighBit) + 1 - int(header.BitsStored))

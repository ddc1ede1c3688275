"""What a tif declares is compared with what is in it: a file that was cut must not open as a shorter one."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...errors import FrameError, first_few

#: Above this, offsets of 32 bits in files that are no BigTIFF have been counted round by whoever wrote them.
_COUNTED_ROUND = 2**32
_YCBCR = 6
#: By the bytes of a tag, in classic tifs and in BigTIFFs: its fields, and how many bytes of a value
#: are in the tag itself.
_TAG = {12: "@HHII", 20: "@HHQQ"}
_INSIDE = {12: 4, 20: 8}
#: Bytes of a value by its type.
_BYTES = {3: 2, 4: 4, 5: 8, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}


def check_pages(path: Path, tif: Any) -> set[int]:
    """Follow the pages of a file to the last one; returns where they are.

    Raises
    ------
    FrameError
        If the next page, or what its header needs, should lie beyond the end of the file, or the pages go in a circle.
    """
    size = path.stat().st_size
    tiff, seen = tif.tiff, set[int]()
    if size >= _COUNTED_ROUND and not tif.is_bigtiff:
        return seen
    with path.open("rb") as file:
        file.seek(8 if tif.is_bigtiff else 4)
        (offset,) = struct.unpack(tiff.offsetformat, file.read(tiff.offsetsize))
        while offset:
            if offset in seen:
                raise FrameError(f"{path.name} is damaged: its pages go in a circle after {len(seen)}")
            file.seek(offset)
            count = file.read(tiff.tagnosize)
            n_tags = struct.unpack(tiff.tagnoformat, count)[0] if len(count) == tiff.tagnosize else 0
            tags = file.read(n_tags * tiff.tagsize)
            following = file.read(tiff.offsetsize)
            if not n_tags or len(following) < tiff.offsetsize or _end_of_values(tags, tiff) > size:
                raise FrameError(
                    f"{path.name} is truncated: page {len(seen)} at byte {offset} goes beyond the {size} bytes of the "
                    f"file; {len(seen)} before it are whole"
                )
            seen.add(offset)
            (offset,) = struct.unpack(tiff.offsetformat, following)
    return seen


def _end_of_values(tags: bytes, tiff: Any) -> int:
    """Where what the tags of a page point to ends in the file."""
    end = 0
    for _, kind, count, value in struct.iter_unpack(_TAG[tiff.tagsize].replace("@", tiff.byteorder), tags):
        n_bytes = count * _BYTES.get(kind, 1)
        if n_bytes > _INSIDE[tiff.tagsize]:
            end = max(end, value + n_bytes)
    return end


def check_declared(path: Path, tif: Any, series: Any) -> None:
    """Compare the planes that the header declares with those in the file.

    Raises
    ------
    FrameError
        With both numbers.
    """
    planes = [] if lies_together(series) else list(series)
    missing = [number for number, page in enumerate(planes) if page is None]
    if missing:
        raise FrameError(
            f"{path.name} declares {len(planes)} planes, and {len(planes) - len(missing)} are there; missing are "
            f"{first_few([*map(str, missing)], 6)}{_missing_files(path, tif)}"
        )
    if series.kind == "ome":
        return
    declared, there = _declared(tif, series)
    if declared is not None and declared != there:
        raise FrameError(f"{path.name} declares {declared} planes and holds {there}: it is truncated or damaged")


def lies_together(series: Any) -> bool:
    """Whether all pixels of a series lie in one piece, as they are."""
    return series.dataoffset is not None and not series.is_multifile


def check_together(path: Path, series: Any, places: set[int]) -> None:
    """See that the pixels of a series that lie in one piece are all there, without a page among them.

    Raises
    ------
    FrameError
        If they go beyond the end of the file, or a page begins where they should be.
    """
    size, start, end = path.stat().st_size, int(series.dataoffset), int(series.dataoffset + series.nbytes)
    if end > size:
        raise FrameError(f"{path.name} is truncated: its pixels should end at byte {end}, it has {size}")
    between = [place for place in places if start <= place < end]
    if between:
        plane = max(1, int(series.keyframe.nbytes))
        raise FrameError(
            f"{path.name} declares {series.nbytes // plane} planes and holds {(min(between) - start) // plane}: it is "
            "damaged"
        )


def check_stored(path: Path, pages: Sequence[Any], shape: tuple[int, ...]) -> None:
    """See that the bytes of each page are in the file.

    Raises
    ------
    FrameError
        Naming the first page whose bytes are not.
    """
    if sum(math.prod(page.shape) for page in pages) != math.prod(shape):
        raise FrameError(f"{path.name} declares {' x '.join(map(str, shape))} pixels and holds {len(pages)} planes")
    for number, page in enumerate(pages):
        which = f"page {number} of {path.name}" if len(pages) > 1 else path.name
        size = page.parent.filehandle.size
        end = max((a + n for a, n in zip(page.dataoffsets, page.databytecounts, strict=True) if n), default=0)
        if end > size:
            raise FrameError(f"{which} is truncated: its pixels should end at byte {end}, the file has {size}")
        n_parts, declared = len(page.dataoffsets), math.prod(page.keyframe.chunked)
        if n_parts < declared and not page.keyframe.is_contiguous:
            raise FrameError(f"{which} declares {declared} strips or tiles and holds {n_parts}: it is damaged")
        needed, there = _raw_bytes(page.keyframe), sum(page.databytecounts)
        if there < needed:
            raise FrameError(f"{which} is truncated: it needs {needed} bytes, {there} are there")


def _raw_bytes(page: Any) -> int:
    """Bytes that a page needs, if it is not compressed; tiles may be left out, and pairs of colours be stored once."""
    if page.compression != 1 or page.is_tiled or page.photometric == _YCBCR:
        return 0 if page.is_tiled and page.databytecounts else 1
    bits, samples = page.bitspersample, int(page.samplesperpixel)
    together = samples if page.planarconfig == 1 else 1
    a_pixel = sum(bits) if isinstance(bits, tuple) else int(bits) * together
    rows = int(page.imagelength) * int(page.imagedepth) * (samples // together)
    return -(-int(page.imagewidth) * a_pixel // 8) * rows


def _declared(tif: Any, series: Any) -> tuple[int | None, int]:
    """How many planes the header declares, where it says so, and how many there are."""
    there = math.prod(series.shape) // max(1, math.prod(series.keyframe.shape))
    if tif.is_shaped and series.keyframe.is_shaped:
        import json

        told = series.keyframe.shaped_description or ""
        if told.startswith("{"):
            return math.prod(json.loads(told)["shape"]) // max(1, math.prod(series.keyframe.shape)), there
    if tif.is_imagej and not tif.is_ome:
        told = tif.imagej_metadata or {}
        product = math.prod(int(told.get(name, 1)) for name in ("channels", "slices", "frames"))
        images = int(told.get("images", product))
        if series.kind != "imagej":
            return max(product, images), there
        samples = series.keyframe.samplesperpixel
        if images <= there and (there == product or there * samples == product):
            return there, there
        return max(images, product), there
    return None, there


def ome_files(tif: Any) -> tuple[str, ...]:
    """Names of the files that the OME header of a file says its image is in."""
    from xml.etree import ElementTree

    if not tif.ome_metadata:
        return ()
    elements = ElementTree.fromstring(tif.ome_metadata).iter()
    named = [one.attrib.get("FileName", "") for one in elements if str(one.tag).endswith("}UUID")]
    return tuple(dict.fromkeys(name for name in named if name))


def ome_header_file(tif: Any) -> str | None:
    """Name of the file that the OME header is in, where it is not in this one."""
    from xml.etree import ElementTree

    if not tif.ome_metadata:
        return None
    elements = ElementTree.fromstring(tif.ome_metadata).iter()
    return next((one.attrib.get("MetadataFile") for one in elements if str(one.tag).endswith("}BinaryOnly")), None)


def _missing_files(path: Path, tif: Any) -> str:
    gone = [name for name in ome_files(tif) if not (path.parent / name).is_file()]
    return f". It also needs {first_few(gone)} beside it" if gone else ""

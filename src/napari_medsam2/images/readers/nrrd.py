"""NRRD volumes: the header by pynrrd, and the pixels without more memory than they need, which pynrrd would take.

pynrrd reads all of a file at once and unpacks whatever comes; here raw pixels stay on the disk, and compressed ones are
unpacked once, up to what the header declares. Pixels written as text are read by pynrrd.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import FrameError
from ...types import AnyArray
from ..damage import reading, require
from ..lazy import AxesView
from ..listing import stem_of
from ..notes import NOTES_NAMESPACE, notes_in_text, with_notes
from ..opened import CHANNEL, Axis, LabelledObject, OpenedImages, hex_colour
from ..partial import Cut
from ..placing import Matrix, along_axes, is_usable, lps_affine
from ..units import MILLIMETRES, unit_of
from ..unpacking import unpack, unpack_part
from .options import ReadOptions

_COLOURS = {"rgb-color": 3, "3-color": 3, "rgba-color": 4, "4-color": 4}
_SPATIAL = ("domain", "space")
#: Kinds that do not say whether an axis is one of space.
_UNTOLD = ("", "???", "none")
#: Kinds of axes that are told by nothing but their labels.
_LABELLED = {"c": "list", "channel": "list", "channels": "list", "t": "time", "time": "time"}
_COMPRESSED = ("gzip", "gz", "bzip2", "bz2")
#: The field with what we note of labels.
NOTES_FIELD = "napari-medsam2"
_TEXT = ("ascii", "text", "txt")
#: Bytes that a header has at most.
_LONGEST_HEADER = 1 << 24
#: What turns each letter of a space into left, posterior and superior.
_SIGNS = {"l": 1, "r": -1, "p": 1, "a": -1, "s": 1, "i": -1}


def open_nrrd(path: Path, options: ReadOptions) -> OpenedImages:
    """A volume with its axes in the order that the pixels are stored in, slowest first; colours last."""
    nrrd = require("nrrd", path)
    with reading(path):
        header, start = read_nrrd_header(nrrd, path)
        layout = layout_of(path, header)
        pixel_path = _pixel_path(path, header)
        pixels, cut = _pixels(nrrd, path, pixel_path, header, start, partial=options.partial)
        affine = _affine(header, layout)
    # As numpy has it the last axis is the fastest, in the header the first one is.
    fastest = len(layout.names) - 1
    shown = [place for place in range(fastest, -1, -1) if layout.names[place]]
    shown.sort(key=lambda place: layout.names[place] in ("x", "y", "z"))
    colour = [place for place, name in enumerate(layout.names) if not name]
    data = AxesView(pixels, [fastest - place for place in [*shown, *colour]])
    segments = _segments(header)
    names = [layout.names[place] for place in shown]
    channels = _layers(segments, data.shape[names.index(CHANNEL)]) if CHANNEL in names and segments else ()
    images = OpenedImages(
        stem_of(path),
        data,
        tuple(Axis(layout.names[p], layout.spacing[p], layout.units[p], layout.origin[p]) for p in shown),
        colour=bool(colour),
        channels=channels,
        affine=affine,
        left_out=() if cut is None else (cut.words(pixel_path),),
        mode="stack" if any(n > 1 for n, name in zip(data.shape, names, strict=False) if name in ("z", "t")) else None,
        files=tuple(dict.fromkeys((path, pixel_path))),
        labels=bool(segments),
        objects=_objects(header),
    )
    notes = notes_in_text(f"{NOTES_NAMESPACE}\n{header.get(NOTES_FIELD, '')}")
    return with_notes(images, notes) if notes else images


def read_nrrd_header(nrrd: Any, path: Path) -> tuple[dict[str, Any], int]:
    """The fields of a header, and where the data after it start."""
    with path.open("rb") as file:
        lines: list[str] = []
        for line in iter(file.readline, b""):
            if not lines and not line.startswith(b"NRRD"):
                break
            lines.append(_decoded(line))
            if not line.strip() or file.tell() > _LONGEST_HEADER:
                break
        start = file.tell()
    if not lines:
        raise FrameError(f"{path.name} does not begin as an NRRD does: it is empty, damaged or of another format")
    header = dict(nrrd.read_header(lines))
    for field in ("type", "sizes", "encoding", "dimension"):
        if field not in header:
            raise FrameError(f"{path.name} has no field {field!r} in its header")
    sizes = [int(n) for n in header["sizes"]]
    if len(sizes) != header["dimension"] or min(sizes, default=0) < 1:
        raise FrameError(f"{path.name} declares the sizes {sizes} for {header['dimension']} axes, which is no image")
    return header, start


def _decoded(line: bytes) -> str:
    """A line of a header; pynrrd itself would drop what is not ASCII, and take µm for m."""
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("latin-1")


# ---- pixels ----------------------------------------------------------------------------------------------------------


def _pixel_path(path: Path, header: Mapping[str, Any]) -> Path:
    """The file with the pixels: the one with the header, or that it names."""
    named = header.get("data file", header.get("datafile"))
    if named is None:
        return path
    if named.startswith("LIST") or re.search(r"%0?\d*d", named):
        raise FrameError(f"{path.name} keeps its pixels in several files, {named}: save it as a single .nrrd")
    beside = path.parent / str(named)
    if not beside.is_file():
        raise FrameError(f"{path.name} keeps its pixels in {named}, which is not there")
    return beside


def _pixels(
    nrrd: Any, path: Path, pixel_path: Path, header: Mapping[str, Any], start: int, *, partial: bool
) -> tuple[AnyArray, Cut | None]:
    """All of them, slowest axis first; read when they are needed, if they are not compressed; in part, what is left."""
    encoding = str(header["encoding"]).lower()
    with pixel_path.open("rb") as file:
        file.seek(start if pixel_path == path else 0)
        if encoding in _TEXT:
            written: AnyArray = nrrd.read_data(header, file, str(path), index_order="C")
            return written, None
        dtype = _dtype(nrrd, header)
        shape = tuple(int(n) for n in header["sizes"])[::-1]
        n_bytes = math.prod(shape) * dtype.itemsize
        for _ in range(int(header.get("line skip", header.get("lineskip", 0)))):
            file.readline()
        skipped = int(header.get("byte skip", header.get("byteskip", 0)))
        if encoding == "raw":
            offset = pixel_path.stat().st_size - n_bytes if skipped == -1 else file.tell() + skipped
            if partial and offset >= 0 and (there := pixel_path.stat().st_size - offset) < n_bytes:
                return _whole_frames(path, unpack_part(pixel_path, n_bytes, start=offset)[0], dtype, shape, there)
            return _mapped(pixel_path, dtype, shape, offset), None
        if encoding not in _COMPRESSED or skipped < 0:
            raise FrameError(f"{path.name} is encoded as {encoding!r}, which cannot be read: save it as raw or gzip")
        if partial:
            memory, there, _ = unpack_part(pixel_path, skipped + n_bytes, start=file.tell())
            return _whole_frames(path, memory, dtype, shape, there - skipped, skipped)
        memory = unpack(pixel_path, skipped + n_bytes, start=file.tell())
        return np.frombuffer(memory, dtype, math.prod(shape), skipped).reshape(shape), None


def _whole_frames(
    path: Path, memory: Any, dtype: np.dtype[Any], shape: tuple[int, ...], there: int, skipped: int = 0
) -> tuple[AnyArray, Cut | None]:
    pixels = np.frombuffer(memory, dtype, math.prod(shape), skipped).reshape(shape)
    cut = Cut.of(path, shape, there, pixels.nbytes)
    return (pixels if cut is None else pixels[(slice(None),) * cut.axis + (slice(cut.whole),)]), cut


def _mapped(path: Path, dtype: np.dtype[Any], shape: tuple[int, ...], offset: int) -> AnyArray:
    there = path.stat().st_size - max(offset, 0)
    needed = math.prod(shape) * dtype.itemsize
    if offset < 0 or there < needed:
        raise FrameError(
            f"{path.name} is truncated: its header declares {needed} bytes of pixels, and it holds {there}"
        )
    return np.memmap(path, dtype, "r", offset, shape)


def _dtype(nrrd: Any, header: Mapping[str, Any]) -> np.dtype[Any]:
    """Of the pixels, as pynrrd has it, found out by the reading of a single one."""
    kept = {field: header[field] for field in ("type", "endian") if field in header}
    one = nrrd.read_data({**kept, "dimension": 1, "sizes": np.array([1]), "encoding": "raw"}, BytesIO(bytes(16)))
    dtype: np.dtype[Any] = one.dtype
    return dtype


# ---- axes ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class NrrdLayout:
    """What each axis of the header is, fastest first; the name of colours is empty."""

    names: list[str]
    spacing: list[float]
    units: list[str]
    origin: list[float]
    directions: Matrix | None
    corner: Matrix | None


def layout_of(path: Path, header: Mapping[str, Any]) -> NrrdLayout:
    n = len(header["sizes"])
    steps = header.get("space directions")
    directions = np.asarray(steps, np.float64).reshape(n, -1) if steps is not None else None
    names = _names(path, header, directions)
    spacing, units, origin = [1.0] * n, ["pixel"] * n, [0.0] * n
    for place, told in enumerate(header.get("spacings", ())):
        if np.isfinite(told) and told:
            spacing[place] = abs(float(told))
            units[place] = "mm" if names[place] in ("x", "y", "z") else "pixel"
    for place, told in enumerate(header.get("units", ())):
        units[place] = unit_of(told, otherwise=units[place])
    spatial = [names.index(name) for name in ("x", "y", "z") if name in names]
    if directions is None:
        return NrrdLayout(names, spacing, units, origin, None, None)
    matrix = directions[spatial].T
    corner = np.asarray(header.get("space origin", np.zeros(len(matrix))), np.float64)
    corner = np.where(np.isfinite(corner), corner, 0.0)
    if len(corner) != len(matrix) or not is_usable(matrix, corner):
        raise FrameError(f"the axes of {path.name} do not span a space: {np.round(directions, 6).tolist()}")
    unit = _space_unit(header)
    for place, length, start in zip(spatial, *along_axes(matrix, corner), strict=True):
        spacing[place], origin[place], units[place] = length, start, unit
    if "t" in names and np.isfinite(directions[names.index("t")]).all():
        spacing[names.index("t")] = float(np.linalg.norm(directions[names.index("t")])) or 1.0
    return NrrdLayout(names, spacing, units, origin, matrix, corner)


def _names(path: Path, header: Mapping[str, Any], directions: Matrix | None) -> list[str]:
    """What each axis is called; the first three of space are x, y and z."""
    sizes = [int(n) for n in header["sizes"]]
    kinds = [str(kind).lower() for kind in header.get("kinds", ())] or [""] * len(sizes)
    labels = [str(label).lower() for label in header.get("labels", ())] or [""] * len(sizes)
    if len(kinds) != len(sizes):
        raise FrameError(f"{path.name} has {len(sizes)} axes and {len(kinds)} kinds of axes")
    names: list[str] = []
    left = iter(("x", "y", "z", "t"))
    for place, (told, size) in enumerate(zip(kinds, sizes, strict=True)):
        kind = _LABELLED.get(labels[place], told) if told in _UNTOLD and place < len(labels) else told
        placed = directions is not None and bool(np.isfinite(directions[place]).all())
        if kind == "complex":
            raise FrameError(f"{path.name} holds complex numbers: save their magnitude or their phase, and open that")
        if _COLOURS.get(kind) == size and "" not in names:
            names.append("")
        elif kind == "time":
            names.append("t")
        elif placed or (directions is None and (kind in _SPATIAL or kind in _UNTOLD)):
            names.append(next(left, CHANNEL))
        else:
            names.append(CHANNEL)
    named = [name for name in names if name]
    if len(set(named)) < len(named) or "y" not in named:
        raise FrameError(f"the axes of {path.name} cannot be told apart: sizes {sizes}, kinds {kinds}")
    return names


def _space_unit(header: Mapping[str, Any]) -> str:
    """Of the axes of space; Slicer and ITK mean millimetres where they say nothing."""
    told = header.get("space units")
    return unit_of(told[0], otherwise="mm") if told else "mm"


def _affine(header: Mapping[str, Any], layout: NrrdLayout) -> Matrix | None:
    """As of opened images, where the header says what its space is in the patient."""
    space = str(header.get("space", "")).lower()
    letters = space.split("-") if "-" in space else list(space)
    if layout.directions is None or layout.corner is None or len(layout.directions) < 3 or len(letters) < 3:
        return None
    initials = [word[:1] for word in letters[:3]]
    if [initial in pair for initial, pair in zip(initials, ("lr", "pa", "si"), strict=True)] != [True] * 3:
        return None
    if "-" not in space and space not in ("ras", "las", "lps", "rast", "last", "lpst"):
        return None
    signs = np.array([_SIGNS[initial] for initial in initials], np.float64)
    scale = MILLIMETRES.get(_space_unit(header), 1.0)
    return lps_affine(signs[:, None] * layout.directions[:3] * scale, signs * layout.corner[:3] * scale)


# ---- segmentations of 3D Slicer --------------------------------------------------------------------------------------


def _segments(header: Mapping[str, Any]) -> dict[int, str]:
    """The layer of each segment and what the segment is called, in the order of the file."""
    found: dict[int, str] = {}
    number = 0
    while f"Segment{number}_ID" in header:
        layer = int(header.get(f"Segment{number}_Layer", 0))
        name = str(header.get(f"Segment{number}_Name", header[f"Segment{number}_ID"]))
        found[layer] = f"{found[layer]}, {name}" if layer in found else name
        number += 1
    return found


def _layers(segments: Mapping[int, str], n_layers: int) -> tuple[str, ...]:
    return tuple(segments.get(layer, f"layer {layer}") for layer in range(n_layers))


def _objects(header: Mapping[str, Any]) -> dict[int, LabelledObject]:
    """Names and colours of the segments that share no number with another one, by their numbers."""
    found: dict[int, list[LabelledObject]] = {}
    number = 0
    while f"Segment{number}_ID" in header:
        value = str(header.get(f"Segment{number}_LabelValue", ""))
        if value.isdecimal():
            name = str(header.get(f"Segment{number}_Name", ""))
            known = LabelledObject(name, _colour(str(header.get(f"Segment{number}_Color", ""))))
            found.setdefault(int(value), []).append(known)
        number += 1
    return {value: known[0] for value, known in found.items() if len(known) == 1}


def _colour(text: str) -> str:
    """Three fractions as ``#rrggbb``; empty if they are none."""
    try:
        return hex_colour([round(255 * float(part)) for part in text.split()])
    except (OverflowError, ValueError):
        return ""

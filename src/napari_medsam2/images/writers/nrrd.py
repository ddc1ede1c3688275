"""NRRD by pynrrd, in the space of the image, with its objects as the segments of 3D Slicer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import UserError
from ...types import AnyArray
from ..damage import reading
from ..notes import as_text
from ..opened import Axis
from ..readers.nrrd import NOTES_FIELD, NrrdLayout, layout_of, read_nrrd_header
from ..units import MILLIMETRES
from .labels import LabelSet
from .volumes import FASTEST_FIRST, plain_affine, source_with, volume, volume_axes

NRRD_SUFFIXES = (".nrrd", ".seg.nrrd")
#: Of an axis that is none of space.
_NOWHERE = np.full(3, np.nan)


def write_nrrd(path: Path, labels: LabelSet) -> None:
    """Write all labels as one volume that lies on its image."""
    import nrrd

    data = volume(labels)
    axes = dict(volume_axes(labels))
    header = _source_space(nrrd, labels, data.shape) or _space(labels)
    names = FASTEST_FIRST[: data.ndim]
    kinds = {"t": "time", "c": "list"}
    header["kinds"] = [kinds.get(name, "domain") for name in names]
    if len(names) > 3:
        beyond = [axes.get(name, Axis(name)) for name in names[3:]]
        header["spacings"] = [*header.get("spacings", [np.nan] * 3), *(axis.spacing for axis in beyond)]
        header["units"] = [*header.get("units", [""] * 3), *(axis.unit for axis in beyond)]
        if "space directions" in header:
            header["space directions"] = np.vstack([header["space directions"], *[_NOWHERE] * (len(names) - 3)])
    header |= _segments(labels, data)
    places = labels.places([axis.name for axis in axes.values()])
    header[NOTES_FIELD] = as_text(labels.notes(places)).partition("\n")[2]
    nrrd.write(str(path), data, {**header, "encoding": "gzip"}, index_order="F", compression_level=3)
    _leave_out_when(path)


def _leave_out_when(path: Path) -> None:
    """Blank the comment of pynrrd's that says when it was written: the same labels are the same file."""
    with path.open("rb+") as file:
        head = file.read(256)
        place = head.find(b"# on ")
        if place >= 0:
            file.seek(place)
            file.write(b"#".ljust(head.index(b"\n", place) - place))


def _source_space(nrrd: Any, labels: LabelSet, shape: tuple[int, ...]) -> dict[str, Any] | None:
    """The fields that place the image, if it is an NRRD with the same voxels; ``None`` otherwise."""
    path = source_with(labels, (".nrrd", ".nhdr"))
    if path is None:
        return None
    try:
        with reading(path):
            header, _ = read_nrrd_header(nrrd, path)
            layout = layout_of(path, header)
    except UserError:  # it has gone since; what was read of it stays
        return None
    places = [layout.names.index(name) for name in ("x", "y", "z") if name in layout.names]
    if [int(header["sizes"][place]) for place in places] != list(shape[: len(places)]) or len(places) < 3:
        return None
    return _taken_over(header, layout, places)


def _taken_over(header: Mapping[str, Any], layout: NrrdLayout, places: list[int]) -> dict[str, Any]:
    fields = ("space", "space dimension", "space origin", "space units", "measurement frame")
    taken = {field: header[field] for field in fields if field in header}
    for field in ("spacings", "units"):
        if field in header and "space directions" not in header:
            taken[field] = [header[field][place] for place in places]
    if layout.directions is not None:
        taken["space directions"] = layout.directions.T
    return taken


def _space(labels: LabelSet) -> dict[str, Any]:
    """The fields that place labels by what is known of their axes."""
    axes = dict(volume_axes(labels))
    unit = axes["x"].unit if axes["x"].unit in MILLIMETRES else "mm"
    affine = labels.images.affine
    known = affine is not None
    if affine is None:
        affine = plain_affine(labels, lambda axis: MILLIMETRES.get(axis.unit, MILLIMETRES[unit]))
    if affine is None:
        return {}
    space = {"space": "left-posterior-superior"} if known else {"space dimension": 3}
    return {
        **space,
        "space directions": affine[:3, 2::-1].T / MILLIMETRES[unit],
        "space origin": affine[:3, 3] / MILLIMETRES[unit],
        "space units": [unit] * 3,
    }


def _segments(labels: LabelSet, data: AnyArray) -> dict[str, str]:
    """What 3D Slicer knows of segments; names in ASCII, as the format has it."""
    fields: dict[str, str] = {}
    extent = " ".join(f"0 {n - 1}" for n in data.shape[:3])
    for number, (value, known) in enumerate(sorted(labels.objects.items())):
        name = " ".join((known.name or f"object {value}").encode("ascii", "replace").decode().split())
        segment = {"ID": f"Segment_{value}", "Name": name, "LabelValue": str(value), "Layer": "0", "Extent": extent}
        if known.rgb:
            segment["Color"] = " ".join(f"{channel / 255:.6g}" for channel in known.rgb)
        fields |= {f"Segment{number}_{field}": text for field, text in segment.items()}
    return fields

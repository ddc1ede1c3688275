"""What formats have no place for, written beside labels as texts by name: what objects are called, colours, the affine.

The writers note it, the readers bring it back. In OME-TIFF it is a ``MapAnnotation``; other formats put the same texts
where they have room for pairs of keys and values.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt

from ..errors import JsonError
from ..json_files import parse_json
from ..types import Mode
from .lazy import AxesView
from .opened import Axis, LabelledObject, OpenedImages, hex_colour
from .units import unit_of

#: Whose notes these are, as OME wants to know it.
NOTES_NAMESPACE = "napari-medsam2/labels"


@dataclass(frozen=True, eq=False)
class Notes:
    """What was noted beside labels.

    Attributes
    ----------
    objects
        By number.
    frames
        What the frames are called; empty where they are numbered.
    axes
        In the order of the stored pixels.
    order
        Names of the axes in the order of the image, where that is another one.
    lengths
        Pixels along each of the axes.
    affine
        As that of :class:`..opened.OpenedImages`.
    mode
        Whether the frames follow each other.
    """

    objects: Mapping[int, LabelledObject] = field(default_factory=dict)
    frames: tuple[str, ...] = ()
    axes: tuple[Axis, ...] = ()
    order: tuple[str, ...] = ()
    lengths: tuple[int, ...] = ()
    affine: npt.NDArray[np.float64] | None = None
    mode: Mode | None = None


def notes_of(
    images: OpenedImages,
    names: Sequence[str],
    mode: Mode,
    axes: Sequence[Axis],
    order: Sequence[str],
    lengths: Sequence[int],
) -> dict[str, str]:
    """The notes on labels, each as JSON in ASCII.

    Parameters
    ----------
    images
        With the ``objects`` and the affine.
    names
        What the frames are called.
    mode
        Whether they follow each other.
    axes
        In the order that they are stored in.
    order
        Their names in the order of the image; empty where that is the same.
    lengths
        Pixels along each of them.
    """
    notes: dict[str, Any] = {
        "mode": mode,
        "axes": [[axis.name, axis.spacing, axis.unit, axis.origin] for axis in axes],
        "order": list(order),
        "lengths": list(lengths),
        "objects": {str(n): {"name": known.name, "colour": known.colour} for n, known in images.objects.items()},
        "frames": [] if are_numbers(names) else list(names),
        "affine": None if images.affine is None else images.affine.tolist(),
    }
    return {name: json.dumps(value) for name, value in notes.items() if value}


def are_numbers(names: Sequence[str]) -> bool:
    """Whether the frames have no names of their own."""
    return all(name == f"frame {t}" for t, name in enumerate(names))


def read_notes(texts: Mapping[str, str]) -> Notes:
    """Read what :func:`notes_of` wrote; what is not as it should be is left out, since people edit files."""
    found: dict[str, Any] = {}
    for name, text in texts.items():
        try:
            found[name] = parse_json(text)
        except JsonError:
            continue
    return Notes(
        _objects(found.get("objects")),
        tuple(str(name) for name in _list(found.get("frames"))),
        tuple(axis for axis in map(_axis, _list(found.get("axes"))) if axis is not None),
        tuple(str(name) for name in _list(found.get("order"))),
        tuple(n for n in _list(found.get("lengths")) if isinstance(n, int)),
        _affine(found.get("affine")),
        found["mode"] if found.get("mode") in ("stack", "flow") else None,
    )


def notes_in_ome(xml: str) -> Notes | None:
    """The notes in the header of an OME-TIFF that we wrote; ``None`` in any other."""
    if NOTES_NAMESPACE not in xml:
        return None
    for annotation in ElementTree.fromstring(xml).iter():
        if annotation.attrib.get("Namespace") == NOTES_NAMESPACE:
            return read_notes({str(pair.get("K")): pair.text or "" for pair in annotation.iter() if pair.get("K")})
    return None


def as_text(notes: Mapping[str, str]) -> str:
    """Notes as a single text, for formats that have room for one."""
    return f"{NOTES_NAMESPACE}\n{json.dumps(dict(notes))}"


def notes_in_text(text: str) -> Notes | None:
    """The notes of :func:`as_text`; ``None`` in any other text."""
    if not text.startswith(NOTES_NAMESPACE):
        return None
    try:
        found = parse_json(text.removeprefix(NOTES_NAMESPACE).strip(" \n\0"))
    except JsonError:
        return None
    return read_notes({str(k): str(v) for k, v in found.items()}) if isinstance(found, dict) else None


def with_notes(images: OpenedImages, notes: Notes) -> OpenedImages:
    """What was opened, with what was noted: they are labels, and their axes are in the order of their image.

    Axes that the header tells otherwise, as after an edit, are those of the header.
    """
    noted = {axis.name: axis for axis in notes.axes}
    if "image" in noted:
        noted["t"] = noted["image"]
    axes = tuple(_noted(axis, noted.get(axis.name)) for axis in images.axes)
    affine = images.affine if notes.affine is None else notes.affine
    told = replace(images, axes=axes, affine=affine, mode=notes.mode, labels=True, objects=notes.objects)
    names = [axis.name for axis in axes]
    if sorted(names) != sorted(notes.order):
        return told
    places = [names.index(name) for name in notes.order]
    data, *levels = (AxesView(array, places) for array in (images.data, *images.levels))
    return replace(told, data=data, levels=tuple(levels), axes=tuple(axes[place] for place in places))


def _noted(told: Axis, noted: Axis | None) -> Axis:
    """An axis of a header with what the header has no place for: its name, a reversed direction, an odd unit."""
    if noted is None:
        return told
    same = unit_of(noted.unit, otherwise=noted.unit) == told.unit and math.isclose(abs(noted.spacing), told.spacing)
    return noted if same or told == Axis(told.name) else told


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _objects(value: Any) -> dict[int, LabelledObject]:
    entries = value.items() if isinstance(value, dict) else ()
    return {
        int(number): LabelledObject(str(entry.get("name", "")), _colour(entry.get("colour")))
        for number, entry in entries
        if number.isdecimal() and isinstance(entry, dict)
    }


def _colour(value: Any) -> str:
    try:
        return hex_colour(bytes.fromhex(str(value).removeprefix("#")))
    except ValueError:
        return ""


def _axis(value: Any) -> Axis | None:
    try:
        name, spacing, unit, origin = value
        return Axis(str(name), float(spacing), str(unit), float(origin))
    except (TypeError, ValueError):
        return None


def _affine(value: Any) -> npt.NDArray[np.float64] | None:
    try:
        affine = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        return None
    return affine if affine.shape == (4, 4) and np.isfinite(affine).all() else None

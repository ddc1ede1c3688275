"""What formats have no place for, as texts by name: what objects and frames are called, colours, the affine."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ...types import Mode
from ..opened import Axis
from .labels import LabelledObject, LabelSet

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
    affine
        As that of :class:`..opened.OpenedImages`.
    mode
        Whether the frames follow each other.
    """

    objects: Mapping[int, LabelledObject] = field(default_factory=dict)
    frames: tuple[str, ...] = ()
    axes: tuple[Axis, ...] = ()
    affine: npt.NDArray[np.float64] | None = None
    mode: Mode | None = None


def notes_of(labels: LabelSet, order: Sequence[str]) -> dict[str, str]:
    """The notes on labels whose axes are stored in this order, each as JSON."""
    axes = {axis.name: axis for axis in labels.axes}
    objects = {str(n): {"name": o.name, "colour": o.colour} for n, o in labels.objects.items()}
    notes: dict[str, Any] = {
        "mode": labels.mode,
        "axes": [[axes[n].name, axes[n].spacing, axes[n].unit, axes[n].origin] for n in order],
        "objects": objects,
        "frames": [] if are_numbers(labels.names) else labels.names,
        "affine": None if labels.images.affine is None else labels.images.affine.tolist(),
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
            found[name] = json.loads(text)
        except (ValueError, RecursionError):
            continue
    return Notes(
        _objects(found.get("objects")),
        tuple(str(name) for name in _list(found.get("frames"))),
        tuple(axis for axis in map(_axis, _list(found.get("axes"))) if axis is not None),
        _affine(found.get("affine")),
        found["mode"] if found.get("mode") in ("stack", "flow") else None,
    )


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _objects(value: Any) -> dict[int, LabelledObject]:
    entries = value.items() if isinstance(value, dict) else ()
    return {
        int(number): LabelledObject(str(entry.get("name", "")), str(entry.get("colour", "")))
        for number, entry in entries
        if number.isdecimal() and isinstance(entry, dict)
    }


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

"""OME-TIFF by tifffile: compressed, with spacing, units and origin, and notes of what OME has no place for."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import numpy as np

from ...types import AnyArray
from ..notes import NOTES_NAMESPACE
from ..opened import Axis
from ..units import MILLIMETRES, TIMES, unit_of
from .labels import STORED_ORDER, Labelled, LabelSet

#: From so many bytes on, not compressed, a tif is one of the kind that may be larger than 4 GB.
_LARGE = 2**31
#: napari takes whole numbers of 32 bits for labels, and those of 8 or 16 for an image, which is then nearly black.
_STORED = np.uint32
#: What tifffile raises in place of the system's errors: a number that is too large for a field of the file.
TIF_ERRORS = (struct.error,)


def refuse_tif(labelled: Labelled) -> str:
    """One tif holds one block of pixels; empty if they are that."""
    if labelled.uniform:
        return ""
    return (
        f"the images of {labelled.images.name} differ in size and do not fit into one tif without padding: name a "
        "folder, and each gets a file of its own"
    )


def write_tif(path: Path, labels: LabelSet) -> None:
    """Write all frames, one in memory at a time where files store them in the same order."""
    import tifffile

    order = labels.image_order
    shape = tuple(labels.lengths[place] for place in order)
    in_order = order == sorted(order)
    planes: Iterator[AnyArray] = (plane.astype(_STORED) for plane in labels.planes())
    data: AnyArray | Iterator[AnyArray] = planes if in_order else labels.array(order).astype(_STORED)
    tifffile.imwrite(
        path,
        data,
        shape=shape,
        dtype=_STORED,
        bigtiff=math.prod(shape) * np.dtype(_STORED).itemsize > _LARGE,
        ome=True,
        compression="zlib",
        photometric="minisblack",
        metadata=_metadata(labels, [labels.axes[place] for place in order], order, shape),
    )


def write_frame(path: Path, labels: LabelSet, t: int) -> None:
    """Write one frame alone, in its own size, with the spacing of its two axes."""
    import tifffile

    frame = labels.labels(t).astype(_STORED)
    plane = [replace(axis, name=name) for axis, name in zip(labels.axes[-2:], "yx", strict=True)]  # as OME wants them
    tifffile.imwrite(
        path,
        frame,
        ome=True,
        compression="zlib",
        photometric="minisblack",
        metadata=_metadata(_placed_at(labels, t), plane, range(len(labels.axes)), frame.shape),
    )


def _placed_at(labels: LabelSet, t: int) -> LabelSet:
    """Labels whose first frame lies where frame ``t`` does: what is noted with that frame, and with the whole of it."""
    images = labels.images
    at = [int(n) for n in np.unravel_index(t, labels.lengths[:-2])] if len(images.axes) > 2 else []
    axes, affine = list(images.axes), None if images.affine is None else images.affine.copy()
    for place, (name, number) in enumerate(zip([axis.name for axis in labels.axes], at, strict=False)):
        if name and name in STORED_ORDER:
            axes[place] = replace(axes[place], origin=axes[place].origin + number * axes[place].spacing)
        if affine is not None and name in ("z", "y", "x"):
            affine[:3, 3] += number * affine[:3, "zyx".index(name)]
    return replace(labels, names=(), images=replace(images, axes=tuple(axes), affine=affine))


def _metadata(labels: LabelSet, axes: Sequence[Axis], noted: Sequence[int], shape: Sequence[int]) -> dict[str, Any]:
    """The header of all frames, or of one, by the axes that are stored and the places of those that are noted."""
    letters = _letters([axis.name for axis in axes])
    told = {
        "axes": letters,
        "Name": "".join(c for c in labels.images.name if c.isprintable()) or "labels",
        **_sizes(axes, letters),
        **_places(axes, letters, shape),
        "MapAnnotation": {
            "Namespace": NOTES_NAMESPACE,
            "Value": labels.notes(noted),
        },
    }
    # By chance, as tifffile has it, the same labels would be another file each time.
    same = repr((told, tuple(shape), sorted(labels.found.items())))
    return {**told, "UUID": str(uuid5(NAMESPACE_URL, same))}


def _letters(names: Sequence[str]) -> str:
    """OME's letters for axes; what it has no letter for takes the place of one that is free."""
    letters = [name.upper() if name and name in STORED_ORDER else "" for name in names]
    for place, letter in enumerate(letters):
        if not letter:
            letters[place] = next(free for free in "TZCAPRHEQ" if free not in letters)
    return "".join(letters)


def _sizes(axes: Sequence[Axis], letters: str) -> dict[str, Any]:
    sizes: dict[str, Any] = {}
    for axis, letter in zip(axes, letters, strict=True):
        unit = unit_of(axis.unit)
        length = unit in MILLIMETRES or (unit == axis.unit and axis.spacing != 1)
        if letter in "XYZ" and length:
            sizes |= {f"PhysicalSize{letter}": abs(axis.spacing), f"PhysicalSize{letter}Unit": ome_unit(unit)}
        elif letter == "T" and unit in TIMES:
            sizes |= {"TimeIncrement": axis.spacing, "TimeIncrementUnit": ome_unit(unit)}
    return sizes


def _places(axes: Sequence[Axis], letters: str, shape: Sequence[int]) -> dict[str, Any]:
    """Where each plane lies, if not at 0."""
    spatial = {letter: axis for letter, axis in zip(letters, axes, strict=True) if letter in "XYZ"}
    if not any(axis.origin for axis in spatial.values()):
        return {}
    leading = tuple(shape[:-2])
    planes: dict[str, Any] = {}
    for letter, axis in spatial.items():
        place = letters.index(letter)
        steps = np.zeros(leading or (1,))
        if place < len(leading):
            steps = steps + np.arange(shape[place]).reshape([-1 if a == place else 1 for a in range(len(leading))])
        planes[f"Position{letter}"] = [axis.origin + float(step) * axis.spacing for step in steps.ravel()]
        planes[f"Position{letter}Unit"] = [ome_unit(axis.unit)] * math.prod(leading)
    return {"Plane": planes}


def ome_unit(unit: str) -> str:
    """A unit as OME spells it."""
    short = unit_of(unit)
    return {"um": "µm", "us": "µs", "angstrom": "Å"}.get(short, short)

"""Labels as a volume with x, y and z, and time: what formats of medical volumes have in common."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ...types import AnyArray
from ..opened import Axis
from .labels import Labelled, LabelSet

#: The axes of a volume, fastest first, as these formats have them.
FASTEST_FIRST = ("x", "y", "z", "t", "c")


def refuse_volume(labelled: Labelled) -> str:
    """Why labels are no volume, in a sentence; empty if they are one."""
    if not labelled.uniform:
        return (
            f"the images of {labelled.images.name} differ in size and are no volume: name a folder, and each gets a "
            "file of its own"
        )
    names = [name for name, _ in volume_axes(labelled)]
    if len(set(names)) < len(names):
        axes = ", ".join(axis.name or "one without a name" for axis in labelled.axes)
        return f"a volume has the axes x, y, z, time and channels, and {labelled.images.name} has {axes}: write a .tif"
    return ""


def volume_axes(labelled: Labelled) -> list[tuple[str, Axis]]:
    """The axes of labels, fastest first, by the names of a volume: images of a stack are slices, of a flow times."""
    other = "z" if labelled.mode == "stack" else "t"
    named = [(axis.name if axis.name in FASTEST_FIRST else other, axis) for axis in labelled.axes]
    return sorted(named, key=lambda one: FASTEST_FIRST.index(one[0]))


def volume(labels: LabelSet) -> AnyArray:
    """All labels, (x, y, z), with t, or with t and c; axes that they do not have are of length 1."""
    axes = volume_axes(labels)
    array = labels.array(labels.places([axis.name for _, axis in axes]))
    names = [name for name, _ in axes]
    wanted = FASTEST_FIRST[: max(3, 1 + max(map(FASTEST_FIRST.index, names)))]
    missing = [place for place, name in enumerate(wanted) if name not in names]
    return np.expand_dims(array, tuple(missing))


def plain_affine(labelled: Labelled, unit_of: Callable[[Axis], float]) -> npt.NDArray[np.float64] | None:
    """An affine as that of opened images, as if the axes lay along the patient; ``None`` if nothing is told of them.

    Parameters
    ----------
    labelled
        What has no affine of its own.
    unit_of
        Of an axis: the length of its unit in the unit of the result.
    """
    axes = {name: axis for name, axis in volume_axes(labelled) if name in ("x", "y", "z")}
    if all(axis.unit == "pixel" and (axis.spacing, axis.origin) == (1, 0) for axis in axes.values()):
        return None
    affine = np.diag([0.0, 0.0, 0.0, 1.0])
    for row, name in enumerate(("x", "y", "z")):
        axis = axes.get(name, Axis(name))
        affine[row, 2 - row], affine[row, 3] = axis.spacing * unit_of(axis), axis.origin * unit_of(axis)
    return affine


def source_with(labelled: Labelled, suffixes: tuple[str, ...]) -> Path | None:
    """The file that the labels are of, if it is called so."""
    return next((path for path in labelled.images.files if path.name.lower().endswith(suffixes)), None)

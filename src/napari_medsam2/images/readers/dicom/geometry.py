"""How planes lie in space: in which order behind each other, how far apart, and the affine that says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from highdicom.spatial import create_affine_matrix_from_attributes, get_normal_vector

from ....errors import FrameError, first_few
from ...opened import Axis
from .planes import Plane

#: Positions nearer than this part of a pixel are the same place; headers round them.
_SAME_PLACE = 0.001

#: Slices may leave their line by this part of a pixel, or of their distance.
_STRAIGHT = 0.01

#: Distances that differ by less than this part of themselves are equal; as highdicom has it.
_EVEN = 0.01

#: Slices that are shifted against each other by more than this angle are sheared, in degrees.
_UPRIGHT = 0.1


@dataclass(frozen=True, eq=False)
class Geometry:
    """How a stack lies in space.

    Attributes
    ----------
    axes
        z, y and x: their spacing in mm, and where they begin along their own directions.
    affine
        Float ``(4, 4)``: from the index (z, y, x, 1) to (x, y, z, 1) in mm (LPS); ``None`` where no affine is right.
    told
        What is to be told, a sentence each.
    """

    axes: tuple[Axis, Axis, Axis]
    affine: npt.NDArray[np.float64] | None
    told: tuple[str, ...] = ()


def places_of(planes: Sequence[Plane]) -> npt.NDArray[np.int64]:
    """For each plane the number of the place where it lies, counted along the normal of the slices; ``(n,)``.

    Raises
    ------
    FrameError
        If planes lie beside each other instead of behind each other.
    """
    positions = _positions(planes)
    depths = positions @ _normal(planes[0])
    tolerance = _SAME_PLACE * min(planes[0].spacing or (1.0, 1.0))
    order = np.argsort(depths, kind="stable")
    numbers = np.zeros(len(planes), np.int64)
    numbers[order[1:]] = np.cumsum(np.diff(depths[order]) > tolerance)
    for number in np.flatnonzero(np.bincount(numbers) > 1):
        same = np.flatnonzero(numbers == number)
        apart = np.linalg.norm(positions[same] - positions[same[0]], axis=1)
        if apart.max() > tolerance:
            one, other = planes[same[0]], planes[same[int(apart.argmax())]]
            raise FrameError(
                f"{name_of(one)} and {name_of(other)} lie beside each other, {apart.max():.3g} mm apart in "
                "the same plane, and not behind each other: such images are no stack"
            )
    return numbers


def geometry_of(planes: Sequence[Plane]) -> Geometry:
    """Of planes that are in order, one a place."""
    first = planes[0]
    spacing = first.spacing
    if first.position is None or first.directions is None:
        return Geometry((_by_location(planes), *_in_plane(spacing, (0.0, 0.0))), None)
    normal, (row, column) = _normal(first), first.directions
    positions = _positions(planes)
    depths = positions @ normal
    origins = float(positions[0] @ column), float(positions[0] @ row)
    steps = np.diff(depths)
    step = float(np.median(steps)) if len(steps) else first.thickness or 1.0
    told = list(_gaps(planes, steps, step))
    even = not told
    vector = (positions[-1] - positions[0]) / len(steps) if len(steps) else step * normal
    bent = np.abs(positions - (positions[0] + np.outer(np.arange(len(planes)), vector))).max()
    if even and bent > _STRAIGHT * max(step, *(spacing or (1.0, 1.0))):
        told.append(f"the slices are not on one line, by up to {bent:.3g} mm: where they lie is not told")
        even = False
    tilt = float(np.degrees(np.arccos(np.clip(vector @ normal / np.linalg.norm(vector), -1, 1))))
    if even and tilt > _UPRIGHT:
        told.append(f"the slices are shifted against each other by {tilt:.1f} degrees, as with a tilted gantry")
    axes = (Axis("z", step, "mm", float(depths[0])), *_in_plane(spacing, origins))
    if spacing is None or not even:
        return Geometry(axes, None, tuple(told))
    affine = create_affine_matrix_from_attributes(
        image_position=positions[0],
        image_orientation=first.directions.ravel().tolist(),
        pixel_spacing=spacing,
        index_convention="DR",
        slices_first=True,
    )
    affine[:3, 0] = vector  # that of the slices as they lie, tilted or not
    return Geometry(axes, np.asarray(affine, np.float64), tuple(told))


def name_of(plane: Plane) -> str:
    """What to call a plane in a message."""
    name = plane.image.path.name
    return f"frame {plane.index} of {name}" if plane.image.n_frames > 1 else name


def _gaps(planes: Sequence[Plane], steps: npt.NDArray[np.float64], step: float) -> list[str]:
    """What is to be told of distances that differ."""
    odd = np.flatnonzero(np.abs(steps - step) > _EVEN * step)
    if not len(odd):
        return []
    where = [f"{steps[n]:.3g} mm between {name_of(planes[n])} and {name_of(planes[n + 1])}" for n in odd.tolist()]
    listed = first_few(where, 3, "; ")
    multiples = steps[odd] / step
    if np.all(np.abs(multiples - multiples.round()) <= _EVEN * multiples) and np.all(multiples > 1):
        n_missing = int((multiples.round() - 1).sum())
        what = "1 slice is missing" if n_missing == 1 else f"{n_missing} slices are missing"
        return [f"{what}: the slices are {step:.3g} mm apart, but {listed}; the frames follow each other without them"]
    return [
        f"the slices are not evenly spaced: most are {step:.3g} mm apart, but {listed}; the frames follow each other "
        "without regard to it"
    ]


def _by_location(planes: Sequence[Plane]) -> Axis:
    """Of files that say how high a slice lies, and not where."""
    heights = [plane.location for plane in planes if plane.location is not None]
    if len(heights) < 2 or len(heights) < len(planes):
        return Axis("z")
    return Axis("z", float(np.median(np.diff(heights))), "mm", heights[0])


def _in_plane(spacing: tuple[float, float] | None, origins: tuple[float, float]) -> tuple[Axis, Axis]:
    if spacing is None:
        return Axis("y"), Axis("x")
    return Axis("y", spacing[0], "mm", origins[0]), Axis("x", spacing[1], "mm", origins[1])


def _positions(planes: Sequence[Plane]) -> npt.NDArray[np.float64]:
    return np.asarray([plane.position for plane in planes], np.float64)


def _normal(plane: Plane) -> npt.NDArray[np.float64]:
    return np.asarray(get_normal_vector(np.asarray(plane.directions).ravel().tolist()), np.float64)

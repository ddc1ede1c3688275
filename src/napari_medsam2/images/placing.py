"""From the matrix of a header to spacing and origin of each axis, and to the affine of opened images."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]


def along_axes(directions: Matrix, corner: Matrix) -> tuple[list[float], list[float]]:
    """Spacing and origin of each axis.

    Parameters
    ----------
    directions
        ``(space, axes)``: a column is the step to the next pixel along an axis.
    corner
        ``(space,)``: where the centre of the first pixel is.

    Returns
    -------
    spacing, origin
        The length of each step; and how far along it the first pixel is from the origin of space.
    """
    spacing = np.linalg.norm(directions, axis=0)
    origin = corner @ (directions / spacing)
    return [float(length) for length in spacing], [float(place) for place in origin]


def lps_affine(directions: Matrix, corner: Matrix) -> Matrix:
    """The affine ``(4, 4)`` of opened images, of a space in millimetres to the left, back and head.

    Parameters
    ----------
    directions
        ``(3, 2 or 3)``: a column is the step along x, y and z; without z, a step of one millimetre across x and y.
    corner
        ``(3,)``: where the centre of the first pixel is.
    """
    if directions.shape[1] == 2:
        across = np.cross(directions[:, 0], directions[:, 1])
        directions = np.column_stack([directions, across / np.linalg.norm(across)])
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = directions[:, ::-1], corner
    return affine


def is_usable(directions: Matrix, corner: Matrix) -> bool:
    """Whether all is finite and no axis has a step of zero or is another one's."""
    if not (np.isfinite(directions).all() and np.isfinite(corner).all()):
        return False
    return bool(np.linalg.matrix_rank(directions) == directions.shape[1])

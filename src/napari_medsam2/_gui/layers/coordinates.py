"""Points between the data coordinates of layers, by way of world coordinates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from napari.layers import Layer

from .layout import Layout


def affine_of(layer: Layer) -> npt.NDArray[np.float64]:
    """Return the matrix ``(ndim + 1, ndim + 1)`` from the layer's data to world coordinates.

    It is probed through :meth:`data_to_world`, so scale, translate, rotate, shear and affine are all in it.
    """
    n = layer.ndim
    origin = np.asarray(layer.data_to_world(np.zeros(n)), dtype=float)
    matrix = np.eye(n + 1)
    matrix[:n, n] = origin
    for axis, unit in enumerate(np.eye(n)):
        matrix[:n, axis] = np.asarray(layer.data_to_world(unit), dtype=float) - origin
    return matrix


def map_points(
    points: npt.ArrayLike, source: Layer, target: Layer, viewer_point: Sequence[float]
) -> npt.NDArray[np.float64]:
    """Map data coordinates of one layer to those of another, through the world.

    Parameters
    ----------
    points
        ``(N, source.ndim)``.
    source, target
        Layers; they share their last axes, as in the viewer.
    viewer_point
        The viewer's position in world coordinates: fills axes that the source does not have.

    Returns
    -------
    float ``(N, target.ndim)``
    """
    points = np.atleast_2d(np.asarray(points, dtype=float))
    forward = affine_of(source)
    world = points @ forward[:-1, :-1].T + forward[:-1, -1]
    missing = target.ndim - source.ndim
    if missing > 0:
        lead = np.asarray(viewer_point, dtype=float)[-target.ndim :][:missing]
        world = np.hstack([np.tile(lead, (len(world), 1)), world])
    elif missing < 0:
        world = world[:, -missing:]
    back = np.linalg.inv(affine_of(target))
    return np.asarray(world @ back[:-1, :-1].T + back[:-1, -1])


def placed_like(image: Layer, layout: Layout) -> dict[str, Any]:
    """Arguments that put a new layer exactly on the image's used level."""
    factors = np.asarray(layout.factors) if layout.factors else np.ones(image.ndim)
    return {
        "scale": np.asarray(image.scale) * factors,
        "translate": image.translate,
        "rotate": image.rotate,
        "shear": image.shear,
        "affine": image.affine,
        "units": image.units,
        "axis_labels": image.axis_labels,
    }

"""Points between the data coordinates of layers, by way of world coordinates.

Every layer measures its world in units of its own. A viewer lays all layers on each other in shared units, as long as
those of each axis measure the same kind of thing; where some do not, such as pixels beside micrometres, it takes the
numbers of all layers as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from napari.components import ViewerModel
from napari.layers import Layer

from .layout import Layout

#: Units of the axes; ``None`` where they do not count.
Units = tuple[Any, ...] | None


@dataclass(frozen=True)
class WorldPoint:
    """A position in the world, and the units that its numbers are in."""

    values: tuple[float, ...]
    units: Units = None

    @staticmethod
    def of(viewer: ViewerModel) -> WorldPoint:
        """Where the viewer's sliders are."""
        return WorldPoint(tuple(viewer.dims.point), world_units(viewer))


def world_units(viewer: ViewerModel) -> Units:
    """The units that a viewer shows its layers in; ``None`` if it takes their numbers as they are."""
    return getattr(viewer.dims, "units", None)  # before napari 0.9 they never counted


def per_unit(units: Units, layer: Layer) -> npt.NDArray[np.float64]:
    """What one of these units is on each axis of a layer, in the units of the layer, ``(layer.ndim,)``."""
    if units is None or len(units) < layer.ndim:
        return np.ones(layer.ndim)
    pairs = zip(units[-layer.ndim :], layer.units, strict=True)
    return np.array([float((1 * unit).to(own).magnitude) if unit != own else 1.0 for unit, own in pairs])


def alike(source: Layer, target: Layer) -> bool:
    """True if a viewer with these two layers would count their units: each shared axis measures the same."""
    pairs = zip(reversed(source.units), reversed(target.units), strict=False)
    return all(one.dimensionality == other.dimensionality for one, other in pairs)


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
    points: npt.ArrayLike,
    source: Layer,
    target: Layer,
    viewer_point: WorldPoint | Sequence[float],
    *,
    counted: bool | None = None,
) -> npt.NDArray[np.float64]:
    """Map data coordinates of one layer to those of another, through the world.

    Parameters
    ----------
    points
        ``(N, source.ndim)``.
    source, target
        Layers; they share their last axes, as in the viewer.
    viewer_point
        The viewer's position in world coordinates: fills axes that the source does not have. Plain numbers are in the
        units of the target.
    counted
        Whether the viewer counts the units of layers; ``None``: as it would with these two.

    Returns
    -------
    float ``(N, target.ndim)``
    """
    counted = alike(source, target) if counted is None else counted
    at = viewer_point if isinstance(viewer_point, WorldPoint) else WorldPoint(tuple(viewer_point))
    points = np.atleast_2d(np.asarray(points, dtype=float))
    forward = affine_of(source)
    world = points @ forward[:-1, :-1].T + forward[:-1, -1]
    shared = min(source.ndim, target.ndim)
    world = world[:, source.ndim - shared :]
    if counted:
        own = source.units[source.ndim - shared :]
        pairs = zip(own, target.units[target.ndim - shared :], strict=True)
        world = world * [float((1 * unit).to(other).magnitude) if unit != other else 1.0 for unit, other in pairs]
    missing = target.ndim - shared
    if missing:
        lead = np.asarray(at.values, dtype=float)[-target.ndim :] * (per_unit(at.units, target) if counted else 1.0)
        world = np.hstack([np.tile(lead[:missing], (len(world), 1)), world])
    back = np.linalg.inv(affine_of(target))
    return np.asarray(world @ back[:-1, :-1].T + back[:-1, -1])


def lie_on_each_other(layer: Layer, image: Layer, layout: Layout, *, counted: bool | None = None) -> bool:
    """True if a layer of the shape of the image's used level is on its pixel grid, to a hundredth of a pixel."""
    corners = np.vstack([np.zeros(image.ndim), np.diag(np.array(layout.shape, float))])
    factors = np.asarray(layout.factors) if layout.factors else 1.0
    found = map_points(corners, layer, image, [0.0] * image.ndim, counted=counted) / factors
    return bool(np.allclose(found, corners, rtol=1e-4, atol=1e-2))


def measure_in(units: Units, layer: Layer) -> None:
    """Have a layer of ours measure its world in these units, in the same place.

    napari hands positions of the mouse to a layer in the viewer's units, and the layer reads them in its own.
    """
    factors = 1 / per_unit(units, layer)
    if units is None or np.all(factors == 1):
        return
    plain = np.eye(layer.ndim)
    if all(np.array_equal(matrix, plain) for matrix in (layer.rotate, layer.affine.linear_matrix)) and not (
        np.any(layer.shear) or np.any(layer.affine.translate)
    ):
        layer.scale, layer.translate = layer.scale * factors, layer.translate * factors
    else:
        layer.affine = np.diag([*factors, 1.0]) @ layer.affine.affine_matrix
    layer.units = units[-layer.ndim :]


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

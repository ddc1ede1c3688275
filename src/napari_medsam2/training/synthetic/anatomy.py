"""Parts of a body: organs that fill the frame, folded sheets, vessels, ragged lesions, and the body in the air."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from .scenes import Array, Ids, Scene, Smooth, lengths, within


def add_regions(scene: Scene, classes: list[int], wavelength: float) -> None:
    """Organ-like regions that fill the frame: where one of several smooth functions is largest."""
    functions = [(scene.new_instance(c), Smooth(scene.rng, wavelength)) for c in classes]

    def layer(points: Array, ids: Ids) -> Ids:
        values = np.stack([f(points) for _, f in functions])
        own = np.array([i for i, _ in functions], np.int32)
        return np.asarray(own[values.argmax(0)], np.int32)

    scene.layers.append(layer)


def add_sheets(scene: Scene, class_id: int, wavelength: float, thickness: float) -> None:
    """Thin folded sheets, as of fat between muscles, bowel walls or a cortex; ``thickness`` in frame sides."""
    fold = Smooth(scene.rng, wavelength)
    level = scene.rng.normal(0, 0.5)
    slope = 2 * np.pi / wavelength  # of a wave of unit size
    own = scene.new_instance(class_id)

    def layer(points: Array, ids: Ids) -> Ids:
        return np.where(np.abs(fold(points) - level) < 0.5 * slope * thickness, own, ids).astype(np.int32)

    scene.layers.append(layer)


def add_tube(scene: Scene, class_id: int, radius: float, *, flat: bool = False) -> None:
    """A vessel: points near a smooth random curve.

    A ``flat`` one lies along the slice at height 0, and takes the warp of the scene out of that direction.
    """
    rng = scene.rng
    knots = np.cumsum(rng.normal(0, 0.16, (9, 3)), 0)
    knots[:, 0] = knots[:, 0] * rng.uniform(0.5, 3.0)
    knots += (0, 0.5, 0.5) - knots[rng.integers(9)] + rng.normal(0, 0.12, 3)
    if flat:
        knots += rng.normal(0, 0.25, 3)
        knots[:, 0] = rng.normal(0, 0.3 * radius, 9)
        scene.warps = [(f, amplitude * (axis > 0)) for axis, (f, amplitude) in enumerate(scene.warps)]
    curve = ndimage.zoom(knots, (14, 1), order=3, mode="nearest")
    tree = cKDTree(curve)
    own = scene.new_instance(class_id)
    wide = Smooth(rng, 0.5)

    def layer(points: Array, ids: Ids) -> Ids:
        distance, _ = tree.query(points, k=1, distance_upper_bound=radius * 2, workers=1)
        return np.where(distance < radius * (1 + 0.25 * wide(points)), own, ids).astype(np.int32)

    scene.layers.append(layer)


def add_infiltrate(scene: Scene, class_id: int, radius: float, *, inner_class: int | None = None) -> None:
    """A lesion that grows into what is around it: ragged, in pieces that meet and part from slice to slice.

    With ``inner_class`` patches of that class lie in it.
    """
    rng = scene.rng
    centre = rng.uniform((-0.1, 0.15, 0.15), (0.1, 0.85, 0.85)).astype(np.float32)
    stretch = np.exp(rng.normal(0, 0.25, 3)).astype(np.float32)
    field = Smooth(rng, radius * rng.uniform(0.8, 2.5))
    ragged = rng.uniform(0.2, 0.8)
    patches = Smooth(rng, radius * rng.uniform(0.4, 1.2))
    level = rng.normal(0.3, 0.5)
    own = scene.new_instance(class_id)
    inner = scene.new_instance(inner_class, own) if inner_class is not None else 0

    def layer(points: Array, ids: Ids) -> Ids:
        ids = ids.copy()
        near = within(points, centre, 4 * radius * stretch)
        away = lengths((points[near] - centre) / (radius * stretch))
        inside = near[away < 1 + ragged * field(points[near])]
        ids[inside] = own
        if inner:
            ids[inside[patches(points[inside]) > level]] = inner
        return ids

    scene.layers.append(layer)


def add_body(scene: Scene, air: int, shells: list[int], centre: tuple[float, float], radius: float) -> None:
    """What is outside of a body is air; inside of its outline lie ``shells`` as of skin, fat and bone."""
    rng = scene.rng
    stretch = np.exp(rng.normal(0, 0.15, 3)) * (0.5, 1.0, 1.0)  # long along the axis
    middle = np.array([0.0, *centre])
    turn = np.linalg.qr(rng.normal(size=(2, 2)))[0]
    wobble = Smooth(rng, rng.uniform(0.4, 1.2))
    outside = scene.new_instance(air)
    edges, depth = [], 1.0
    for c in shells:
        depth -= rng.uniform(0.02, 0.12)
        edges.append((depth, scene.new_instance(c)))

    def layer(points: Array, ids: Ids) -> Ids:
        local = (points - middle) * stretch
        local[:, 1:] = local[:, 1:] @ turn
        away = lengths(local) / (radius * (1 + 0.06 * wobble(points)))
        painted = ids.copy()
        for edge, own in reversed(edges):  # from the inside out
            painted[away > edge] = own
        painted[away > 1] = outside
        return painted

    scene.layers.append(layer)

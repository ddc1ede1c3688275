"""Masks with errors: those that a long propagation gathers, and large ones that a click corrects."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ..types import Mask


def shrunk(mask: Mask, rng: np.random.Generator) -> Mask:
    """What might be left of an object ``[S, S]`` where it has ended: the middle of where it was."""
    depth = ndimage.distance_transform_edt(mask)
    return np.asarray(depth > rng.uniform(0.2, 0.9) * depth.max())


def with_drift(mask: Mask, rng: np.random.Generator) -> Mask:
    """A mask ``[S, S]`` with the errors that propagation gathers: grown or shrunk, shifted, ragged."""
    if rng.random() < 0.2:
        return mask
    inside = ndimage.distance_transform_edt(mask)
    signed = inside - ndimage.distance_transform_edt(~mask)
    radius = max(float(inside.max()), 2.0)
    field = ndimage.zoom(rng.normal(size=(6, 6)), mask.shape[0] / 6, order=3)
    threshold = rng.normal(0.0, 0.25) * radius + field * rng.uniform(0, 0.4) * radius
    shifted = ndimage.shift(signed, rng.normal(0, 0.12, 2) * radius, order=1, mode="nearest")
    return np.asarray(shifted > threshold)


def with_large_error(mask: Mask, rng: np.random.Generator) -> Mask:
    """A mask ``[S, S]`` with one large error: a piece at its border too much, or missing, or all of it elsewhere."""
    size = len(mask)
    border = np.argwhere(mask & ~ndimage.binary_erosion(mask))
    radius = max(float(np.sqrt(mask.sum() / np.pi)), size / 20)
    place = border[rng.integers(len(border))] if len(border) else rng.uniform(0.25, 0.75, 2) * size
    kind = rng.choice(["too much", "missing", "elsewhere"], p=[0.5, 0.3, 0.2])
    if kind == "elsewhere" and len(border):
        turn = rng.uniform(0, 2 * np.pi)
        away = rng.uniform(0.8, 2.0) * radius * np.array([np.sin(turn), np.cos(turn)])
        return np.asarray(ndimage.shift(mask.astype(np.float32), away, order=1) > 0.5)
    rows, columns = np.indices(mask.shape)
    field = 1 + 0.3 * ndimage.zoom(rng.normal(size=(6, 6)), size / 6, order=3)
    centre = place + rng.normal(0, 0.4, 2) * radius
    piece = np.hypot(rows - centre[0], columns - centre[1]) < rng.uniform(0.5, 1.4) * radius * field
    return np.asarray(mask & ~piece if kind == "missing" else mask | piece)


def bridge_over(masks: npt.NDArray[np.bool_], rng: np.random.Generator) -> Mask:
    """What a long propagation might have left on the second frame of a sequence ``[T, S, S]``; see
    :attr:`.batches.Batch.bridge`."""
    return with_drift(masks[1] if masks[1].any() else shrunk(masks[0], rng), rng)

"""Masks with the errors that a long propagation gathers, for stacks that are trained on from the middle."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage


def shrunk(mask: npt.NDArray[np.bool_], rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """What might be left of an object where it has ended: the middle of where it was."""
    depth = ndimage.distance_transform_edt(mask)
    return np.asarray(depth > rng.uniform(0.2, 0.9) * depth.max())


def worn(mask: npt.NDArray[np.bool_], rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """A mask with the errors that propagation gathers: grown or shrunk, shifted, ragged."""
    if rng.random() < 0.2:
        return mask
    inside = ndimage.distance_transform_edt(mask)
    signed = inside - ndimage.distance_transform_edt(~mask)
    radius = max(float(inside.max()), 2.0)
    field = ndimage.zoom(rng.normal(size=(6, 6)), mask.shape[0] / 6, order=3)
    threshold = rng.normal(0.0, 0.25) * radius + field * rng.uniform(0, 0.4) * radius
    shifted = ndimage.shift(signed, rng.normal(0, 0.12, 2) * radius, order=1, mode="nearest")
    return np.asarray(shifted > threshold)


def bridge_over(masks: npt.NDArray[np.bool_], rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """What a long propagation might have left on the second frame of a sequence ``[T, S, S]``; see
    :attr:`.data.Batch.bridge`."""
    return worn(masks[1] if masks[1].any() else shrunk(masks[0], rng), rng)

"""Masks with the errors that a long propagation gathers, for stacks that are trained on from the middle."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor


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


def swollen(mask: Tensor) -> Tensor:
    """Masks that have grown or shrunk by up to about half of their width, drawn from torch's generator.

    Parameters
    ----------
    mask
        Probabilities ``[B, 1, S, S]``; the result too.
    """
    changed = []
    for one in mask.float().split(1):
        radius = float((one.sum() / torch.pi).sqrt())
        share, level = torch.rand(2).tolist()
        reach = min(round(radius * (0.15 + 0.35 * share)), mask.shape[-1] // 4)
        smooth = F.avg_pool2d(one, 2 * reach + 1, stride=1, padding=reach, count_include_pad=False)
        changed.append((12 * (smooth - 0.2 - 0.6 * level)).sigmoid())
    return torch.cat(changed)

"""Augmentation: views of a frame with a drawn mask, as other frames might show the object, to adapt a network on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from ..geometry.window import Window, crop, crop_mask
from ..network.interface import AdaptationSet
from ..types import Mask, Mode

#: Pixels of the network's input that an object covers at least; see the synthetic stacks.
_LEAST = 20


@dataclass(frozen=True)
class AugmentationOptions:
    """How views are made. Lengths are shares of half the window's side, chances and spreads those of one view.

    Attributes
    ----------
    views
        Number of views of the object: shifted, rotated, bent, and often smaller than it was.
    elsewhere
        Number of views of other places on the frame, where the object is not, though it was on the slice before.
    turn, scale, shift
        Spread of the rotation in radians, of the logarithm of the size, and of the place.
    swell
        Spread of how much larger or smaller the object alone is; it is smaller in three of four views.
    taper, shut
        Chance that what is around has moved in, as where an object ends, and how far at most: in standard deviations of
        the object's extent, so that with 2 it is gone.
    bend
        Spread of a smooth displacement.
    overlap
        Share of the object's pixels in a window elsewhere that may lie where it was.
    """

    views: int = 16
    elsewhere: int = 8
    turn: float = 0.15
    scale: float = 0.1
    shift: float = 0.06
    swell: float = 0.2
    taper: float = 0.6
    shut: float = 2.4
    bend: float = 0.05
    overlap: float = 0.1


#: A stack's next slice is much like this one; on the next image of a flow the object is anywhere, in any orientation.
AUGMENTATION: Mapping[Mode, AugmentationOptions] = {
    "stack": AugmentationOptions(),
    "flow": AugmentationOptions(views=12, elsewhere=0, turn=1.5, scale=0.2, shift=0.2, swell=0.1, taper=0.0),
}


def make_adaptation_set(
    image: npt.NDArray[np.float32],
    mask: Mask,
    window: Window,
    size: int,
    *,
    mode: Mode,
) -> AdaptationSet | None:
    """Make what a network adapts on of a frame; the same frame always makes the same.

    Parameters
    ----------
    image, mask
        The frame, float32 ``(H, W, 3)`` in 0..1, and the object drawn on it, ``(H, W)``.
    window
        What the network saw of it.
    size
        Side of the network's input.
    mode
        What the frames are: other slices are much like this one, other images are not.

    Returns
    -------
    AdaptationSet or None
        ``None`` where too little of the object is to be seen in the network's input, as of a line that is too thin.
    """
    rng = np.random.default_rng(0)
    options = AUGMENTATION[mode]
    shown, drawn = crop(image, window, size), crop_mask(mask, window, size)
    if np.count_nonzero(drawn > 0.5) < _LEAST:
        return None
    views, masks = [], []
    for _ in range(options.views):
        grid = _other_view(drawn[0, 0].numpy() > 0.5, rng, options)
        view, there = (F.grid_sample(m, grid, padding_mode="border", align_corners=False) for m in (shown, drawn))
        gain, offset = float(np.exp(rng.normal(0, 0.08))), float(rng.normal(0, 0.03))
        views.append((view * gain + offset).clamp(0, 1))
        masks.append((there > 0.5).float())
    weights = [torch.ones_like(drawn)] * len(views)
    for other in _windows_elsewhere(mask, drawn, window, size, rng, options):
        views.append(crop(image, other, size))
        masks.append(torch.zeros_like(drawn))
        weights.append(1 - crop_mask(mask, other, size))
    return AdaptationSet(shown, drawn, torch.cat(views), torch.cat(masks), torch.cat(weights), mode)


def _other_view(drawn: Mask, rng: np.random.Generator, options: AugmentationOptions) -> Tensor:
    """Where each pixel of a view is taken from, ``[1, S, S, 2]`` as (x, y) in -1..1."""
    size = len(drawn)
    places = (np.argwhere(drawn)[:, ::-1] + 0.5) * (2 / size) - 1
    middle = places.mean(0)
    turn, scale = rng.normal(0, options.turn), np.exp(rng.normal(0, options.scale))
    rotation = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    axis = (np.arange(size) + 0.5) * (2 / size) - 1
    grid = np.stack(np.meshgrid(axis, axis), -1) @ rotation.T + rng.normal(0, options.shift, 2)
    grid = middle + _swollen(grid - middle, np.sqrt(len(places) / np.pi) * 2 / size, rng, options)
    if rng.random() < options.taper:
        grid = middle + _tapered(grid - middle, np.cov((places - middle).T, bias=True), options.shut * rng.random())
    bent = torch.from_numpy(rng.normal(0, options.bend, (1, 2, 6, 6)))
    bend = F.interpolate(bent, (size, size), mode="bicubic", align_corners=True).permute(0, 2, 3, 1)
    return (torch.from_numpy(grid)[None] + bend).float()


def _swollen(
    away: npt.NDArray[np.float64], radius: float, rng: np.random.Generator, options: AugmentationOptions
) -> npt.NDArray[np.float64]:
    """Places ``[S, S, 2]`` relative to the object's middle, so that the object alone is smaller or larger."""
    smaller = rng.random() < 0.75
    factor = np.exp(abs(rng.normal(0, options.swell)) * (1 if smaller else -0.5))
    near = np.exp(-(away**2).sum(-1, keepdims=True) / (2 * (1.3 * radius) ** 2))
    return np.asarray(away * (1 + (factor - 1) * near))


def _tapered(away: npt.NDArray[np.float64], spread: npt.NDArray[np.float64], shut: float) -> npt.NDArray[np.float64]:
    """Places ``[S, S, 2]`` relative to the object's middle, so that an inner part of it is gone and the rest closes.

    ``spread`` is the covariance of the object's pixels, ``shut`` the extent of what is gone, in its units.
    """
    axes = np.linalg.cholesky(spread + 1e-4 * np.eye(2))
    even = away @ np.linalg.inv(axes).T
    square = (even**2).sum(-1, keepdims=True)
    moved = np.sqrt(1 + shut**2 * np.exp(-square / 18) / (square + 1e-6))
    return np.asarray(even * moved @ axes.T)


def _windows_elsewhere(
    mask: Mask, drawn: Tensor, window: Window, size: int, rng: np.random.Generator, options: AugmentationOptions
) -> list[Window]:
    """Windows of the same side on the frame in which the object, if it is there, is not where it was."""
    found: list[Window] = []
    for _ in range(8 * options.elsewhere):
        y, x = (
            rng.uniform(0, max(length - side, 0)) - 0.5
            for length, side in zip(mask.shape, (window.size_y, window.size_x), strict=True)
        )
        other = Window(float(y), float(x), window.size_y, window.size_x)
        if float((crop_mask(mask, other, size) * drawn).sum()) <= options.overlap * float(drawn.sum()):
            found.append(other)
        if len(found) == options.elsewhere:
            break
    return found

"""Synthetic labels painted as images, as their appearance says."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage

from .appearance import Appearance
from .scenes import LAST_BACKGROUND, Array


def _grains(rng: np.random.Generator, shape: tuple[int, ...]) -> list[Array]:
    """Three textures of unit size, fine to coarse, alike on neighbouring slices."""
    grains = []
    for sigma in (0.6, 1.6, 4.0):
        step = 1 if sigma < 1 else 2
        small = (shape[0], -(-shape[1] // step), -(-shape[2] // step))
        noise = rng.standard_normal(small, dtype=np.float32)
        noise = ndimage.gaussian_filter(noise, (0.7 if shape[0] > 1 else 0, sigma / step, sigma / step))
        noise = noise.repeat(step, 1).repeat(step, 2)[:, : shape[1], : shape[2]]
        grains.append((noise / (noise.std() + 1e-6)).astype(np.float32))
    return grains


def _shading(rng: np.random.Generator, shape: tuple[int, int]) -> Array:
    coarse = rng.normal(size=(4, 4))
    fine = ndimage.zoom(coarse, (shape[0] / 4, shape[1] / 4), order=3)[: shape[0], : shape[1]]
    return np.asarray(fine, np.float32)


def _coarsened(image: Array, factor: float, noise: float, rng: np.random.Generator) -> Array:
    """``[T, H, W, C]`` as from a sensor ``factor`` times coarser, its noise too, drawn again at full size."""
    h, w = image.shape[1:3]
    small = torch.nn.functional.interpolate(
        torch.from_numpy(np.ascontiguousarray(np.moveaxis(image, -1, 1), np.float32)),
        size=(max(12, int(h / factor)), max(12, int(w / factor))),
        mode="area",
    )
    small += noise * torch.from_numpy(rng.standard_normal(tuple(small.shape), dtype=np.float32))
    large = torch.nn.functional.interpolate(small, size=(h, w), mode="bilinear", align_corners=False)
    return np.asarray(np.moveaxis(large.numpy(), 1, -1), np.float32)


def _shadows(rng: np.random.Generator, shape: tuple[int, ...], strength: float) -> Array:
    """Factors ``[T, H, W]`` of a few dark bands along the beam, at about the same place on neighbouring slices."""
    columns = np.zeros(shape[2], np.float32)
    for _ in range(rng.integers(1, 4)):
        columns[rng.integers(shape[2])] += 1
    columns = ndimage.gaussian_filter1d(columns, rng.uniform(0.02, 0.08) * shape[2])
    rows = np.linspace(0, 1, shape[1], dtype=np.float32) > rng.uniform(0, 0.5)
    return np.asarray(1 - strength * np.outer(rows, columns / (columns.max() + 1e-6)), np.float32)[None]


def _walls(ids: npt.NDArray[np.int32], appearance: Appearance) -> Array:
    """How much of a wall between two instances is seen, ``[T, H, W]``, up to 1 and a little more where walls meet.

    A wall across the slices is a line. With an axial point spread, one that lies in the slice is a haze, which is as
    bright in its middle, once the slices have been blurred along the axis.
    """
    line = np.zeros(ids.shape, np.float32)
    line[:, 1:] = ids[:, 1:] != ids[:, :-1]
    line[:, :, 1:] = np.maximum(line[:, :, 1:], ids[:, :, 1:] != ids[:, :, :-1])
    width = appearance.membrane_width
    walls = np.minimum(ndimage.gaussian_filter(line, (0, width, width)) * 1.6 * max(width, 1.0), 1.0)
    if appearance.axial:
        face_on = np.zeros(ids.shape, np.float32)
        crossed = 0.5 * (ids[1:] != ids[:-1])
        face_on[1:] += crossed
        face_on[:-1] += crossed
        face_on = ndimage.gaussian_filter(face_on, (0, 0.5 * width, 0.5 * width))
        walls += max(2.5 * appearance.axial, 1.0) * face_on
    return np.asarray(walls, np.float32)


def render(
    ids: npt.NDArray[np.int32], class_of: npt.NDArray[np.int64], appearance: Appearance, rng: np.random.Generator
) -> Array:
    """Paint instance ids ``[T, H, W]`` as images ``[T, 3, H, W]`` in 0..1, stretched as contrast limits would."""
    classes = class_of[ids]
    individual = (
        rng.normal(0, appearance.individual, len(class_of)).astype(np.float32) if appearance.individual else None
    )
    channels = 1 if appearance.grey else 3
    image = appearance.colour[classes][..., :channels]
    if appearance.uneven:
        factor = np.exp(rng.normal(0, appearance.uneven, len(class_of))).clip(0.35, 2.0).astype(np.float32)
        factor[class_of <= LAST_BACKGROUND] = 1
        ground = appearance.colour[appearance.ground, :channels]
        image = ground + (image - ground) * factor[ids][..., None]
    plain = np.zeros(ids.shape, np.float32)
    grains = _grains(rng, ids.shape)
    amplitude, grain = appearance.texture[classes], appearance.grain[classes]
    for g, noise in enumerate(grains):
        plain += np.where(grain == g, amplitude, 0) * noise
    if individual is not None:
        plain += individual[ids]
    if appearance.membrane:
        plain += appearance.membrane * _walls(ids, appearance)
    image = image + plain[..., None]
    if appearance.axial and len(image) > 1:
        image = ndimage.gaussian_filter1d(image, appearance.axial, axis=0, mode="nearest", truncate=2.0)
    if appearance.blur:
        image = ndimage.gaussian_filter(image, (0, appearance.blur, appearance.blur, 0))
    if appearance.shading:
        image = image * (1 + appearance.shading * _shading(rng, ids.shape[1:])[None, :, :, None])
    if appearance.speckle:
        image = image * (1 + appearance.speckle * grains[0][..., None])
    if appearance.shadow:
        image = image * _shadows(rng, ids.shape, appearance.shadow)[..., None]
    if appearance.coarse > 1:
        image = _coarsened(image, appearance.coarse, appearance.noise, rng)
    elif appearance.noise:
        image = image + appearance.noise * rng.standard_normal(image.shape, dtype=np.float32)
    low, high = np.percentile(image[:, ::2, ::2], (appearance.clipped[0], 100 - appearance.clipped[1]))
    image = np.clip((image - low) / max(high - low, 0.05), 0, 1) ** appearance.gamma
    if appearance.span < 1:
        image = image * appearance.span + rng.uniform(0, 1 - appearance.span)
    image = np.broadcast_to(image, (*ids.shape, 3))
    return np.ascontiguousarray(np.moveaxis(image, -1, 1), np.float32)

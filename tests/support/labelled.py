"""Small labelled sequences: a disc that moves through a stack, red discs on images of a flow."""

from __future__ import annotations

import numpy as np
from fakes import disc, moving_disc

from napari_medsam2.images.datasets import Dataset
from napari_medsam2.images.formats import as_frames


def stack(*, ends_after: int | None = None, spacing: tuple[float, float, float] | None = None) -> Dataset:
    images, masks = moving_disc(8, ends_after=ends_after)
    return Dataset("discs", "stack", as_frames(images), masks.astype(np.uint8), {1: "disc"}, spacing)


def flow() -> Dataset:
    """Red discs here and there; on the fourth image there is none."""
    masks = np.stack([disc((48, 48), 12 + 4 * t, 34 - 4 * t, 7) for t in range(6)])
    masks[3] = False
    images = np.where(masks[..., None], (230, 60, 50), (20, 22, 24)).astype(np.uint8)
    return Dataset("coins", "flow", as_frames(images), masks.astype(np.uint8), {1: "coin"})

"""Frames with their contrast applied, as a canvas of a giant frame: some rows at a time."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..geometry.canvas import Canvas
from ..images.contrast import ContrastLike
from ..types import AnyArray


def prepared_on(canvas: Canvas, raw: AnyArray, contrast: ContrastLike) -> npt.NDArray[np.float32]:
    """A raw frame ``(H, W)`` or ``(H, W, C)`` as a canvas, float32 ``(h, w, 3)`` in 0..1; grey: one plane repeated."""
    bands, grey = [], True
    for _, under in canvas.bands():
        band = contrast.apply(raw[under, canvas.x0 : canvas.x1])
        grey = grey and band.strides[-1] == 0
        bands.append(canvas.mean(band[..., 0] if grey else band))
    done = np.concatenate(bands)
    return np.broadcast_to(done[..., None], (*done.shape, 3)) if grey else done

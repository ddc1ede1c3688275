"""One synthetic sequence, and what is done to it as a whole."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ...types import Mask, Mode
from ..flips import flipped
from .scenes import Array


@dataclass(frozen=True)
class Sample:
    """One training sequence.

    Attributes
    ----------
    images
        float32 ``[T, 3, S, S]`` in 0..1.
    masks
        bool ``[T, S, S]``, the target object; may be empty on some frames, never on frame 0.
    mode
        True for a stack, whose frames follow each other from frame 0 on; False for a flow.
    bridge
        With it, frame 1 of the stack lies farther on, and this is the mask, bool ``[S, S]``, that a long propagation
        might have left there: not quite right, or still there where the object has ended.
    hollow
        The target is what surrounds another part. A box around it would mean the two together.
    windows
        Of a stack, what each frame shows: float32 ``[T, 4]`` as (y0, x0, height, width).
    """

    images: Array
    masks: npt.NDArray[np.bool_]
    mode: Mode
    bridge: Mask | None = None
    hollow: bool = False
    windows: Array | None = None


def inside_of_a_border(size: int, rng: np.random.Generator) -> Mask:
    """Where there is a frame that ends on one or two sides of a canvas: bool ``[size, size]``."""
    inside = np.ones((size, size), bool)
    for flip in (slice(None), slice(None, None, -1)):
        if flip.step and rng.random() < 0.6:
            continue
        inside[:, flip][:, : int(rng.uniform(0.02, 0.35) * size)] = False
    return inside


def repeated_beyond(images: Array, inside: Mask) -> Array:
    """Images ``[T, 3, S, S]`` in which the border's pixels are repeated beyond the frame's end."""
    columns = np.flatnonzero(inside[0])
    return np.asarray(images[..., np.arange(images.shape[-1]).clip(columns[0], columns[-1])])


def flipped_sample(sample: Sample, rng: np.random.Generator) -> Sample:
    """The whole sequence mirrored and transposed, or not."""
    masks = sample.masks if sample.bridge is None else np.concatenate([sample.masks, sample.bridge[None]])
    windows = sample.windows if sample.windows is not None else np.zeros((len(sample.images), 4), np.float32)
    images, masks, windows = flipped(sample.images, masks, windows, rng)
    images, masks = np.ascontiguousarray(images), np.ascontiguousarray(masks)
    return replace(
        sample,
        images=images,
        masks=masks[: len(images)],
        bridge=masks[-1] if sample.bridge is not None else None,
        windows=windows if sample.windows is not None else None,
    )

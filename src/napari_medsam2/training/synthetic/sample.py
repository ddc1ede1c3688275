"""One synthetic sequence, and what is done to it as a whole."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ..turning import turned
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
    ordered
        True for a stack, whose frames follow each other from frame 0 on; False for a flow.
    bridge
        With it, frame 1 of the stack lies farther on, and this is the mask, bool ``[S, S]``, that a long propagation
        might have left there: not quite right, or still there where the object has ended.
    hollow
        The target is what surrounds another part. A box around it would mean the two together.
    windows
        Of a stack, what each frame shows of the scene: float32 ``[T, 4]`` as (y0, x0, height, width).
    """

    images: Array
    masks: npt.NDArray[np.bool_]
    ordered: bool
    bridge: npt.NDArray[np.bool_] | None = None
    hollow: bool = False
    windows: Array | None = None


def at_the_border(
    images: Array, masks: npt.NDArray[np.bool_], rng: np.random.Generator
) -> tuple[Array, npt.NDArray[np.bool_]]:
    """What is seen where the frame ends, on one or two sides: from there on the border's pixels are repeated."""
    images, masks = images.copy(), masks.copy()
    size = images.shape[-1]
    for flip in (slice(None), slice(None, None, -1)):
        if flip.step and rng.random() < 0.6:
            continue
        beyond = int(rng.uniform(0.02, 0.35) * size)
        images[..., flip][..., :beyond] = images[..., flip][..., beyond : beyond + 1]
        masks[..., flip][..., :beyond] = False
    return images, masks


def turned_sample(sample: Sample, rng: np.random.Generator) -> Sample:
    """The whole sequence mirrored and transposed, or not."""
    masks = sample.masks if sample.bridge is None else np.concatenate([sample.masks, sample.bridge[None]])
    windows = sample.windows if sample.windows is not None else np.zeros((len(sample.images), 4), np.float32)
    images, masks, windows = turned(sample.images, masks, windows, rng)
    images, masks = np.ascontiguousarray(images), np.ascontiguousarray(masks)
    return replace(
        sample,
        images=images,
        masks=masks[: len(images)],
        bridge=masks[-1] if sample.bridge is not None else None,
        windows=windows if sample.windows is not None else None,
    )

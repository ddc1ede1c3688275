"""One synthetic sequence, and what is done to it as a whole."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

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
    """

    images: Array
    masks: npt.NDArray[np.bool_]
    ordered: bool
    bridge: npt.NDArray[np.bool_] | None = None
    hollow: bool = False


def at_the_border(sample: Sample, rng: np.random.Generator) -> Sample:
    """A window that reaches beyond the frame, on one or two sides: there the border's pixels are repeated."""
    images, masks = sample.images.copy(), sample.masks.copy()
    bridge = sample.bridge.copy() if sample.bridge is not None else None
    size = images.shape[-1]
    for flip in (slice(None), slice(None, None, -1)):
        if flip.step and rng.random() < 0.6:
            continue
        beyond = int(rng.uniform(0.02, 0.35) * size)
        images[..., flip][..., :beyond] = images[..., flip][..., beyond : beyond + 1]
        for mask in (masks, bridge):
            if mask is not None:
                mask[..., flip][..., :beyond] = False
    if masks[0].sum() < max(20, 0.4 * sample.masks[0].sum()):
        return sample
    return replace(sample, images=images, masks=masks, bridge=bridge)


def flipped(sample: Sample, rng: np.random.Generator) -> Sample:
    """The whole sequence mirrored and transposed, or not."""
    images, masks, bridge = sample.images, sample.masks, sample.bridge
    if rng.random() < 0.5:
        images, masks = images[..., ::-1], masks[..., ::-1]
        bridge = bridge[..., ::-1] if bridge is not None else None
    if rng.random() < 0.5:
        images, masks = images.swapaxes(-1, -2), masks.swapaxes(-1, -2)
        bridge = bridge.swapaxes(-1, -2) if bridge is not None else None
    bridge = np.ascontiguousarray(bridge) if bridge is not None else None
    return replace(sample, images=np.ascontiguousarray(images), masks=np.ascontiguousarray(masks), bridge=bridge)

"""What the decoder of SAM 2 made of prompts: one mask that was chosen, and what else an ambiguous prompt may mean."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from torch import Tensor

from ..readings import choose, told_apart
from .mask_decoder import Candidates


@dataclass(frozen=True)
class Decoded:
    """The mask that was chosen, and what was predicted along with it.

    Attributes
    ----------
    logits
        Mask logits ``[B, 1, S / 4, S / 4]``; far below zero where the object is not on the frame.
    iou
        Predicted IoU of the chosen mask, 0..1, ``[B, 1]``.
    score
        Object logit ``[B, 1]``: above 0 the object is on the frame.
    pointer
        Object pointer ``[B, C]``.
    candidates
        All masks that the choice was made from.
    shown
        Which of them was chosen, int64 ``[B]``.
    """

    logits: Tensor
    iou: Tensor
    score: Tensor
    pointer: Tensor
    candidates: Candidates
    shown: Tensor


def as_chosen(
    run: Decoded, clicks: Tensor | None, size: int, pointer_of: Callable[[Tensor], Tensor]
) -> tuple[Decoded, tuple[Tensor, ...]]:
    """The mask of one prompt that clicks choose, and all its readings, that one first; none where it is clear.

    After the mask that was shown, the likeliest of masks 1 to 3 is the best guess.

    Parameters
    ----------
    run
        Of a batch of one.
    clicks, size
        See :func:`napari_medsam2.network.readings.choose`.
    pointer_of
        Makes the object pointer of an output token.
    """
    found, best = run.candidates, int(run.shown)
    if not bool(run.score > 0):
        return run, ()
    likeliest = [1 + k for k in found.iou[0, 1:].argsort(descending=True).tolist()]
    masks = {k: found.logits[:, k : k + 1] for k in (best, *likeliest)}
    readings = told_apart(list(masks.values()))
    if len(readings) < 2:
        return run, ()
    chosen = choose(readings, clicks, size)
    if chosen:
        k = next(k for k, mask in masks.items() if mask is readings[chosen])
        run = replace(run, logits=masks[k], iou=found.iou[:, k : k + 1], pointer=pointer_of(found.tokens[:, k]))
    return run, (readings.pop(chosen), *readings)

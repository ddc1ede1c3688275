"""Losses of masks that both adaptation and training use."""

from __future__ import annotations

from torch import Tensor


def dice_loss(logits: Tensor, target: Tensor) -> Tensor:
    """One minus the soft Dice of logits ``[B, 1, H, W]`` with a target in 0..1, ``[B]``; 0 where that is empty."""
    present = (target.sum((1, 2, 3)) > 0).float()
    return soft_dice_loss(logits.sigmoid(), target, 1.0) * present


def soft_dice_loss(shown: Tensor, target: Tensor, forgiven: float) -> Tensor:
    """One minus the Dice of probabilities ``[B, N, H, W]`` with a target, ``[B]``.

    ``forgiven`` pixels of overlap come for nothing.
    """
    overlap = (shown * target).sum((1, 2, 3))
    total = shown.sum((1, 2, 3)) + target.sum((1, 2, 3))
    return 1 - (2 * overlap + forgiven) / (total + forgiven)

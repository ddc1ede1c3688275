"""Losses: masks by balanced cross-entropy and Dice, objectness, and the calibration of the predicted IoU."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ...network.losses import soft_dice_loss


def mask_bce(logits: Tensor, target: Tensor, balance: float) -> Tensor:
    """Cross-entropy a frame ``[B]``, partly with object and background weighing the same.

    Plain cross-entropy collapses to "no object" early in training, because most pixels are background. Balanced
    cross-entropy makes masks too large, and in a stack each slice makes the next one larger.

    Parameters
    ----------
    logits, target
        ``[B, 1, H, W]``; the target in 0..1.
    balance
        Share of the balanced part, 0 to 1.
    """
    loss = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    inside = target.sum((1, 2, 3))
    outside = (1 - target).sum((1, 2, 3))
    per_class = 0.5 * (loss * target).sum((1, 2, 3)) / inside.clamp(min=1.0)
    per_class = per_class + 0.5 * (loss * (1 - target)).sum((1, 2, 3)) / outside.clamp(min=1.0)
    return balance * per_class + (1 - balance) * loss.mean((1, 2, 3))


def volume_loss(shown: Tensor, target: Tensor) -> Tensor:
    """One minus the soft Dice of whole stacks ``[B]``.

    Parameters
    ----------
    shown
        Probabilities ``[B, T, H, W]`` that a pixel is shown: of the mask, times that of the object being there.
    target
        ``[B, T, H, W]`` in 0..1; may be empty. A quarter of a percent of a frame is forgiven.
    """
    return soft_dice_loss(shown, target, 0.0025 * shown.shape[-1] * shown.shape[-2])


def true_iou(logits: Tensor, target: Tensor) -> Tensor:
    """IoU of the mask as it would be shown, ``[B]``; 1 where both are empty."""
    shown, truth = logits > 0, target > 0.5
    union = (shown | truth).sum((1, 2, 3)).float()
    overlap = (shown & truth).sum((1, 2, 3)).float()
    return torch.where(union > 0, overlap / union.clamp(min=1.0), torch.ones_like(union))


def calibration_loss(iou_logit: Tensor, logits: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy between predicted and true IoU a frame ``[B]``: a proper score, so its minimum tells the truth.

    Only frames that have the object count; whether it is there at all is the objectness' matter. After the calibration
    loss of MedSAM-2 (arXiv 2408.00874), which follows Ji et al. 2021.
    """
    truth = true_iou(logits.detach(), target)
    present = (target.sum((1, 2, 3)) > 0).float()
    return F.binary_cross_entropy_with_logits(iou_logit, truth, reduction="none") * present

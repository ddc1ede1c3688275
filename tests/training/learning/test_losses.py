"""Losses tell right from wrong."""

from __future__ import annotations

from functools import partial

import torch

from napari_medsam2.network.losses import dice_loss
from napari_medsam2.training.learning.losses import calibration_loss, mask_bce, true_iou, volume_loss


def test_losses_prefer_the_truth() -> None:
    target = torch.zeros(1, 1, 8, 8)
    target[..., 2:6, 2:6] = 1
    right, wrong = 10 * (2 * target - 1), -10 * (2 * target - 1)
    for loss in (partial(mask_bce, balance=0.5), partial(mask_bce, balance=0.0), dice_loss):
        assert loss(right, target) < 0.01 < loss(wrong, target)
    assert true_iou(right, target) == 1 and true_iou(wrong, target) == 0
    sure, unsure = torch.tensor([4.0]), torch.tensor([-4.0])
    assert calibration_loss(sure, right, target) < calibration_loss(unsure, right, target)
    assert calibration_loss(unsure, wrong, target) < calibration_loss(sure, wrong, target)


def test_the_loss_of_a_volume_counts_what_vanishes_and_what_goes_on_too_long() -> None:
    truth = torch.zeros(1, 4, 16, 16)
    truth[:, :3, 4:12, 4:12] = 1  # the object ends after three slices
    vanished, spilled = truth.clone(), truth.clone()
    vanished[:, 2] = 0
    spilled[:, 3] = truth[:, 2]
    assert volume_loss(truth, truth) == 0
    assert volume_loss(vanished, truth) > 0.15 and volume_loss(spilled, truth) > 0.1
    nothing = torch.zeros_like(truth)
    assert volume_loss(nothing, nothing) == 0 and volume_loss(truth, nothing) > 0.9

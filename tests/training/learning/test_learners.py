"""What of a network may learn, in which precision, and with how much memory."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from training_helpers import (
    TINY,
    small_micro,
    small_setup,
)

from napari_medsam2.training.learning.learners import learner_for


def test_the_bundled_network_learns_the_same_in_mixed_precision_and_with_less_memory() -> None:
    losses, gradients = [], []
    for changes in ({}, {"precision": "bfloat16"}, {"checkpointing": True}):
        config = replace(TINY, **changes)
        setup = small_setup(config)
        setup.learner.network.train()
        torch.manual_seed(0)
        loss, _ = setup.learner.loss(setup.make(1, 0), 0)
        loss.backward()
        losses.append(loss.item())
        gradients.append(setup.learner.network.match.weight.grad)
    assert losses[1] != losses[0] and losses[1] == pytest.approx(losses[0], rel=0.03)
    torch.testing.assert_close(gradients[2], gradients[0], atol=1e-6, rtol=1e-3)


def test_the_ridge_regression_stays_in_float32() -> None:
    learner = learner_for(small_micro(), replace(TINY, precision="bfloat16"))
    kinds = []
    learner.network.trunk.stage2[0][0].register_forward_hook(lambda _, __, made: kinds.append(made.dtype))
    with learner.precision():
        features, _ = learner.network.encode(torch.rand(1, 3, 64, 64))
        memory = learner.network.memory.remember(features, torch.rand(1, 1, 64, 64))
    assert kinds == [torch.bfloat16]
    assert memory.gram.dtype == torch.float32


def test_only_the_decoder_of_the_bundled_network_may_change() -> None:
    learner = learner_for(small_micro(), replace(TINY, trainable="decoder"))
    assert not any(p.requires_grad for p in learner.network.trunk.parameters())
    assert all(p.requires_grad for p in learner.network.decoder.parameters())

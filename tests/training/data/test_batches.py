"""Batches of synthetic sequences: the same for the same step, short ones, and rings without boxes."""

from __future__ import annotations

from dataclasses import replace

import torch
from training_helpers import TINY

from napari_medsam2.training.data.batches import make_batch


def test_the_same_step_makes_the_same_batch() -> None:
    first, second = make_batch(TINY, 7), make_batch(TINY, 7)
    assert torch.equal(first.images, second.images) and torch.equal(first.masks, second.masks)
    assert not torch.equal(first.images[0], make_batch(TINY, 8).images[0])


def test_short_sequences_come_as_often_as_asked_and_to_all_processes_at_once() -> None:
    config = replace(TINY, short=0.5, first_length=6, length=6, bridges=0.0, rollouts=0.0)
    lengths = [[make_batch(config, 2 * step + rank, step).images.shape[1] for rank in (0, 1)] for step in range(24)]
    assert all(first == second for first, second in lengths)
    assert {first for first, _ in lengths} == {2, 6}
    assert 5 < sum(first == 2 for first, _ in lengths) < 19


def test_what_surrounds_a_part_is_never_prompted_with_a_box() -> None:
    config = replace(TINY, flows=0.5, bridges=0.0, rollouts=0.0)
    rings = 0
    for number in range(60):
        made = make_batch(config, number)
        for prompt, hollow in zip(made.prompts, made.hollow, strict=True):
            rings += hollow
            assert not (hollow and len(prompt.boxes)), "a box around it would mean the two together"
    assert rings > 3

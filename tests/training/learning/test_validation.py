"""Scoring between steps of training: what is scored is what is trained, and comes back to where it is trained."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from accelerator import CPU, DEVICE, Accelerator
from training_helpers import discs, small_micro

from napari_medsam2.images.datasets import Dataset
from napari_medsam2.images.formats import as_frames
from napari_medsam2.network.micro.network import MicroNetwork
from napari_medsam2.training.data.split import Part
from napari_medsam2.training.learning.validation import Validation


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[Accelerator]:
    """An accelerator with a memory that can be filled."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    with Accelerator() as device:
        yield device


@pytest.fixture
def validation() -> Validation:
    """Two stacks of a moving disc, with a box around it on one slice each."""
    datasets = []
    for seed in range(2):
        frames, masks = discs(3, seed=seed, mode="stack")
        datasets.append(Dataset(f"stack {seed}", "stack", as_frames(frames), masks, {1: "disc"}))
    return Validation([Part(dataset, (1,)) for dataset in datasets], "box", "micro", region=False)


def averaged(seed: int) -> MicroNetwork:
    """What training has scored: weights that are averaged, not learned, where the others learn."""
    return small_micro(seed).requires_grad_(False).to(DEVICE)


def test_a_network_that_was_scored_on_the_cpu_for_lack_of_memory_is_trained_where_it_was(
    gpu: Accelerator, validation: Validation
) -> None:
    expected = validation.score(small_micro(), CPU)
    assert np.isfinite(expected.dice)
    network, learner = averaged(0), averaged(1)
    network.autocast = torch.bfloat16  # as a SAM 2 may be; the micro network leaves it aside
    before = {name: value.cpu() for name, value in network.state_dict().items()}
    gpu.capacity = gpu.used  # room for the two networks, for no image
    with pytest.warns(RuntimeWarning, match="it continues on the CPU") as warned:
        assert validation.score(network, DEVICE) == expected
    assert sum("continues on the CPU" in str(one.message) for one in warned) == 1, "the second stack goes on there"
    assert {value.device for value in network.state_dict().values()} == {DEVICE}
    assert network.autocast == torch.bfloat16
    assert all(torch.equal(value.cpu(), before[name]) for name, value in network.state_dict().items())
    gpu.capacity = float("inf")
    with torch.no_grad():  # what a step does to the averaged weights
        for mean, new in zip(network.parameters(), learner.parameters(), strict=True):
            mean.lerp_(new, 0.5)


def test_a_network_comes_back_also_when_scoring_fails(
    gpu: Accelerator, validation: Validation, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = averaged(0)
    gpu.capacity = gpu.used
    truth = Dataset.truth

    def damaged(dataset: Dataset, frame: int, object_id: int) -> np.ndarray:
        if dataset.name == "stack 1":
            raise OSError("the file of stack 1 is gone")
        return truth(dataset, frame, object_id)

    monkeypatch.setattr(Dataset, "truth", damaged)
    with pytest.warns(RuntimeWarning, match="it continues on the CPU"), pytest.raises(OSError, match="stack 1 is gone"):
        validation.score(network, DEVICE)
    assert {value.device for value in network.state_dict().values()} == {DEVICE}

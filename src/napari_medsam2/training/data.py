"""Batches of synthetic sequences, each made from the run's seed and the step's number: resuming repeats nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from .config import TrainConfig
from .simulate import SimulatedPrompt, simulate_prompt
from .synthetic import make_flow, make_stack


@dataclass(frozen=True)
class Batch:
    """Sequences of one kind and length.

    Attributes
    ----------
    images, masks
        float32 ``[B, T, 3, S, S]`` and ``[B, T, 1, S, S]``.
    prompts
        One a sequence, on frame 0.
    ordered
        Stacks or flows.
    bridge
        Masks for frame 1 ``[B, 1, S, S]``, which is then given and not judged; see :class:`.synthetic.Sample`.
    """

    images: Tensor
    masks: Tensor
    prompts: list[SimulatedPrompt]
    ordered: bool
    bridge: Tensor | None = None

    def to(self, device: torch.device) -> Batch:
        bridge = self.bridge.to(device) if self.bridge is not None else None
        return Batch(self.images.to(device), self.masks.to(device), self.prompts, self.ordered, bridge)


def make_batch(config: TrainConfig, step: int) -> Batch:
    """The batch of one step."""
    rng = np.random.default_rng([config.seed, step])
    ordered = bool(rng.random() >= config.flows)
    length = config.first_length if step < config.steps // 5 else config.length
    size = int(rng.choice([config.size * 3 // 4, config.size, config.size * 3 // 2], p=[0.2, 0.55, 0.25])) // 16 * 16
    count = max(2, round(config.pixels / (length * size * size)))
    bridged = ordered and bool(rng.random() < config.bridges) and length > 2
    any_scale = ordered and not bridged and bool(rng.random() < 0.6)
    shares = (0.55, 0.3, 0.15) if ordered else (0.5, 0.25, 0.25)
    if any_scale:
        shares = (0.2, 0.8, 0.0)
    samples = [
        make_stack(rng, length, size, bridged=bridged, any_scale=any_scale) if ordered else make_flow(rng, length, size)
        for _ in range(count)
    ]
    bridges = [s.bridge for s in samples if s.bridge is not None]
    return Batch(
        torch.from_numpy(np.stack([s.images for s in samples])),
        torch.from_numpy(np.stack([s.masks for s in samples])).float()[:, :, None],
        [simulate_prompt(s.masks[0], rng, shares) for s in samples],
        ordered,
        torch.from_numpy(np.stack(bridges)).float()[:, None] if bridges else None,
    )


class _Steps(IterableDataset[Batch]):
    def __init__(self, config: TrainConfig, first: int) -> None:
        self.config, self.first = config, first

    def __iter__(self) -> Iterator[Batch]:
        info = get_worker_info()
        offset, stride = (info.id, info.num_workers) if info else (0, 1)
        for step in range(self.first + offset, self.config.steps, stride):
            yield make_batch(self.config, step)


def _one_thread(_: int) -> None:
    torch.set_num_threads(1)


def batches(config: TrainConfig, first: int = 0) -> Iterator[Batch]:
    """Batches from step ``first`` on, made ahead by ``config.workers`` processes (0: in this one)."""
    loader = DataLoader(
        _Steps(config, first),
        batch_size=None,
        num_workers=config.workers,
        prefetch_factor=4 if config.workers else None,
        worker_init_fn=_one_thread,
    )
    return iter(loader)

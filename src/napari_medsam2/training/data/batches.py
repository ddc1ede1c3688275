"""Batches of training sequences, each made from the run's seed and its number: resuming repeats nothing."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from ...errors import TrainingError
from ...types import Mode
from ..config import TrainConfig
from ..synthetic.flows import make_flow
from ..synthetic.stacks import make_stack
from .prompts import PROMPT_SHARES, SimulatedPrompt, chance_of_few, prompt_shares, simulate_prompt

#: Frames in a sequence that is there for its prompted frame: one more, so that what is remembered of it counts too.
SHORT = 2


@dataclass(frozen=True)
class Batch:
    """Sequences of one kind and length.

    Attributes
    ----------
    images, masks
        float32 ``[B, T, 3, S, S]`` and ``[B, T, 1, S, S]``.
    prompts
        One a sequence, on frame 0.
    mode
        Of all its sequences.
    bridge
        Masks for frame 1 ``[B, 1, S, S]``, which is then given and has no loss; see :class:`.sample.Sample`.
    rollout
        How many frames after the first are propagated through without a loss.
    windows
        Which window of its slice each frame shows, float32 ``[B, T, 4]`` as (y0, x0, height, width) in any unit;
        ``None`` where they stay as they are, from the second frame on after a bridge.
    hollow
        For each sequence, whether a box would mean more than the object; see :class:`.sample.Sample`.
    """

    images: Tensor
    masks: Tensor
    prompts: list[SimulatedPrompt]
    mode: Mode
    bridge: Tensor | None = None
    rollout: int = 0
    windows: Tensor | None = None
    hollow: tuple[bool, ...] = ()

    def to(self, device: torch.device) -> Batch:
        bridge = self.bridge.to(device) if self.bridge is not None else None
        windows = self.windows.to(device) if self.windows is not None else None
        images, masks = self.images.to(device), self.masks.to(device)
        return replace(self, images=images, masks=masks, bridge=bridge, windows=windows)


class MakeBatch(Protocol):
    """Makes batch ``number``, for step ``step``; it travels to the worker processes."""

    def __call__(self, number: int, step: int) -> Batch: ...


@dataclass(frozen=True)
class SyntheticBatches:
    """Batches of synthetic sequences."""

    config: TrainConfig

    def __call__(self, number: int, step: int) -> Batch:
        return make_batch(self.config, number, step)


def make_batch(config: TrainConfig, number: int, step: int | None = None) -> Batch:
    """Synthetic batch ``number``; ``step`` is the step that it is for, where that is another number."""
    rng = np.random.default_rng([config.seed, number])
    mode: Mode = "stack" if rng.random() >= config.flows else "flow"
    step = number if step is None else step
    length = config.first_length if step < config.steps // 5 else config.length
    # By the step alone: processes that train together have to wait for each other.
    if np.random.default_rng([config.seed, step, 2]).random() < config.short:
        length = min(length, SHORT)
    size = int(rng.choice([config.size * 3 // 4, config.size, config.size * 3 // 2], p=[0.2, 0.55, 0.25])) // 16 * 16
    count = max(2, round(config.pixels / (length * size * size)))
    bridged = mode == "stack" and bool(rng.random() < config.bridges) and length > 2
    rollout = 0
    if mode == "stack" and not bridged and length > 2 and rng.random() < config.rollouts:
        rollout = int(rng.integers(length // 3, length + 1))
    any_scale = False
    if mode == "stack" and not bridged and not rollout:
        any_scale = bool(rng.random() < (0.8 if length > SHORT else 0.5))
    followed = mode == "stack" and bool(rng.random() < config.followed)
    shares = PROMPT_SHARES if mode == "stack" else (0.5, 0.25, 0.25)
    if any_scale:
        shares = (0.2, 0.8, 0.0)
    few = chance_of_few(mode)
    samples = [
        make_stack(rng, length + rollout, size, bridged=bridged, any_scale=any_scale, followed=followed)
        if mode == "stack"
        else make_flow(rng, length, size)
        for _ in range(count)
    ]
    bridges = [s.bridge for s in samples if s.bridge is not None]
    windows = [s.windows for s in samples if s.windows is not None] if followed else []
    return Batch(
        torch.from_numpy(np.stack([s.images for s in samples])),
        torch.from_numpy(np.stack([s.masks for s in samples])).float()[:, :, None],
        [simulate_prompt(s.masks[0], rng, prompt_shares(s.hollow, shares), few=few) for s in samples],
        mode,
        torch.from_numpy(np.stack(bridges)).float()[:, None] if bridges else None,
        rollout,
        torch.from_numpy(np.stack(windows)) if windows else None,
        hollow=tuple(s.hollow for s in samples),
    )


@dataclass(frozen=True)
class Share:
    """Which batches a process takes: of every ``count`` of them the one with number ``rank``."""

    rank: int = 0
    count: int = 1


class _Batches(IterableDataset[Batch | Exception]):
    """All batches of a run from a step on, in order: ``accumulate`` of them a step."""

    def __init__(self, make: MakeBatch, config: TrainConfig, first: int, share: Share) -> None:
        self.make, self.config, self.first, self.share = make, config, first, share

    def __iter__(self) -> Iterator[Batch | Exception]:
        info = get_worker_info()
        offset, stride = (info.id, info.num_workers) if info else (0, 1)
        accumulate = self.config.accumulate
        for own in range(self.first * accumulate + offset, self.config.steps * accumulate, stride):
            try:
                yield self.make(own * self.share.count + self.share.rank, own // accumulate)
            except (ValueError, OSError) as error:  # as it is: from another process it would come as a traceback
                yield error
                return


def _begin_worker(_: int) -> None:
    """One thread; and a SIGTERM to all processes of the run, as cluster schedulers send it, is for the main one."""
    torch.set_num_threads(1)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def batches(
    config: TrainConfig, first: int = 0, make: MakeBatch | None = None, share: Share = Share()
) -> Iterator[Batch]:
    """Batches from step ``first`` on, made ahead by ``config.workers`` processes (0: in this one).

    Parameters
    ----------
    make
        Makes them; ``None`` makes synthetic ones.
    share
        Which of them this process takes.
    """
    loader = DataLoader(
        _Batches(make or SyntheticBatches(config), config, first, share),
        batch_size=None,
        num_workers=config.workers,
        prefetch_factor=4 if config.workers else None,
        worker_init_fn=_begin_worker,
    )
    try:
        for made in loader:
            if isinstance(made, Exception):
                raise made
            yield made
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise TrainingError(
            "a process that makes data ended unexpectedly, maybe for want of memory; --resume goes on from the last "
            "saved state, and --workers 0 makes data in the training process"
        ) from error

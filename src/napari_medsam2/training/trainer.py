"""The training loop of the bundled model: sequences as videos, memory as in inference, resumable at any step."""

from __future__ import annotations

import copy
import csv
import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

from ..network.interface import PromptTensors
from ..network.micro import MicroConfig, MicroFeatures, MicroMemory, MicroNetwork, pooled
from ..network.prompt_maps import prompt_maps
from .config import TrainConfig
from .data import Batch, batches
from .losses import calibration_loss, dice_loss, mask_bce, true_iou

STATE, WEIGHTS, CURVE = "state.pt", "weights.safetensors", "curve.csv"


#: Chance that a frame of a stack recalls the prompted frame alone: memories of late slices may be wrong.
RECENT_DROPOUT = 0.4


class TrainingError(RuntimeError):
    """Training cannot go on; the last good state is kept on disk."""


def sequence_loss(
    network: MicroNetwork, batch: Batch, *, teacher: float, balance: float = 0.5
) -> tuple[Tensor, dict[str, float]]:
    """Run a batch of sequences as inference would, frame by frame, and judge every frame.

    Parameters
    ----------
    network
        In training mode.
    batch
        Frame 0 is prompted, the others are reached through memory alone.
    teacher
        Chance that a remembered mask is the true one.
    balance
        See :func:`.losses.mask_bce`.

    Returns
    -------
    tuple
        The loss, and figures for the training curve.
    """
    b, length, _, size, _ = batch.images.shape
    device = batch.images.device
    features, _ = network.encode(batch.images.flatten(0, 1).contiguous(memory_format=torch.channels_last))

    def frame(t: int) -> MicroFeatures:
        return MicroFeatures(*(m.view(b, length, *m.shape[1:])[:, t] for m in vars(features).values()))

    drawn = torch.tensor([p.mask for p in batch.prompts], device=device)
    memories: list[MicroMemory] = []
    previous: Tensor | None = None
    total = batch.images.new_zeros(())
    figures: dict[str, list[float]] = {"prompted": [], "others": [], "objectness": []}
    for t in range(length):
        target = batch.masks[:, t]
        if t == 1 and batch.bridge is not None:
            previous = batch.bridge
            memories.append(network.memory.remember(frame(t), batch.bridge))
            continue
        maps = _maps(batch, t, previous, size // 2, device)
        bank, weights = None, None
        if memories:
            kept = memories[:1] if batch.ordered and float(torch.rand(())) < RECENT_DROPOUT else memories
            bank = MicroMemory.cat(kept)
            weights = _weights(b, len(kept), batch.ordered, device)
        logits2, iou, objectness, score, carried = network.decode(frame(t), maps, bank, weights, batch.ordered)
        if t == 0:
            # Second look, as in inference: what the prompts alone gave is remembered, and finds what else is alike.
            bank = network.memory.remember(frame(t), _full(logits2, size).sigmoid().detach())
            weights = torch.ones(b, 1, device=device)
            total = total + 0.5 * ((mask_bce(_full(logits2, size), target, balance)) * (~drawn)).sum() / (b * length)
            logits2, iou, objectness, score, carried = network.decode(frame(t), maps, bank, weights, batch.ordered)
        logits = _full(logits2, size)
        counts = torch.ones(b, device=device)
        if t == 0:
            counts = (~drawn).float()
        present = (target.sum((1, 2, 3)) > 0).float()
        loss = mask_bce(logits, target, balance) + dice_loss(logits, target)
        loss = loss + 0.3 * F.binary_cross_entropy_with_logits(objectness, present, reduction="none")
        loss = loss + 0.3 * calibration_loss(iou, logits, target)
        if bank is not None:
            small4 = pooled(target, score)
            small8 = pooled(target, carried)
            loss = loss + 0.2 * present * mask_bce(4.0 * score, small4, 0.5)
            loss = loss + 0.2 * present * ((carried - small8).square().mean((1, 2, 3)) * 4)
        total = total + (loss * counts).sum() / (b * length)
        with torch.no_grad():
            shown = torch.where((objectness > 0)[:, None, None, None], logits, torch.full_like(logits, -10))
            dice = 2 * (i := true_iou(shown, target)) / (1 + i)
            judged = counts > 0
            if judged.any():
                figures["prompted" if t == 0 else "others"].append(float(dice[judged].mean()))
            figures["objectness"].append(float(((objectness > 0).float() == present).float().mean()))
            prob = logits.sigmoid()
            true = torch.rand(b, device=device) < teacher
            if t == 0:
                true = true | drawn
            remembered = torch.where(true[:, None, None, None], target, prob)
            if batch.ordered:
                previous = remembered
        if t + 1 < length:
            memories.append(network.memory.remember(frame(t), remembered))
    return total, {k: sum(v) / max(len(v), 1) for k, v in figures.items()}


def _full(logits: Tensor, size: int) -> Tensor:
    return F.interpolate(logits, size=(size, size), mode="bilinear", align_corners=False)


def _weights(b: int, n: int, ordered: bool, device: torch.device) -> Tensor:
    """Pick-up weights: equal in stacks, unequal by chance in flows, so that the network meets both."""
    if ordered:
        return torch.ones(b, n, device=device)
    return n * torch.softmax(torch.randn(b, n, device=device) * torch.rand(b, 1, device=device), 1)


def _maps(batch: Batch, t: int, previous: Tensor | None, side: int, device: torch.device) -> Tensor:
    maps = []
    for i, prompt in enumerate(batch.prompts):
        given = None
        if t == 0 and not prompt.mask:
            given = PromptTensors(
                torch.from_numpy(prompt.points).to(device),
                torch.from_numpy(prompt.labels).to(device),
                torch.from_numpy(prompt.boxes).to(device),
            )
        before = previous[i : i + 1] if previous is not None else None
        maps.append(prompt_maps(given, before, ordered=batch.ordered, side=side, device=device))
    return torch.cat(maps)


def _rate(config: TrainConfig, step: int) -> float:
    left = (config.steps - step) / max(config.steps * config.decay, 1)
    return config.learning_rate * min(1.0, (step + 1) / config.warmup, max(left, 0.0))


class Trainer:
    """Owns network, averaged network, optimiser and the folder of one run."""

    def __init__(self, folder: Path, config: TrainConfig, device: torch.device) -> None:
        self.folder, self.config, self.device = folder, config, device
        torch.manual_seed(config.seed)
        self.network = MicroNetwork(MicroConfig()).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = copy.deepcopy(self.network).eval().requires_grad_(False)
        decayed = [p for p in self.network.parameters() if p.ndim > 1]
        others = [p for p in self.network.parameters() if p.ndim <= 1]
        groups = [{"params": decayed, "weight_decay": config.weight_decay}, {"params": others, "weight_decay": 0.0}]
        self.optimiser = torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.98))
        self.step = 0
        folder.mkdir(parents=True, exist_ok=True)

    def resume(self) -> None:
        """Go on from the folder's saved state; from the start, if the run ended before its first save."""
        if not (self.folder / STATE).exists():
            return
        state: dict[str, Any] = torch.load(self.folder / STATE, map_location=self.device, weights_only=True)
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step = int(state["step"])

    def save(self) -> None:
        """Write state and averaged weights; a kill in the middle leaves the older files whole."""
        state = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
        }
        draft = self.folder / (STATE + ".part")
        torch.save(state, draft)
        os.replace(draft, self.folder / STATE)
        export(self.average, self.folder / WEIGHTS, self.config, self.step)

    def run(self, on_step: Callable[[int, dict[str, float]], None], *, save_every: float = 120.0) -> None:
        """Train to ``config.steps``.

        Parameters
        ----------
        on_step
            Called after every step with its number and figures.
        save_every
            Seconds between saved states.

        Raises
        ------
        TrainingError
            If the loss is not finite; the state on disk is from before.
        """
        source = batches(self.config, self.step)
        saved = time.monotonic()
        while self.step < self.config.steps:
            started = time.monotonic()
            batch = next(source).to(self.device)
            waited = time.monotonic() - started
            figures = self._train_step(batch)
            figures |= {"waited": waited, "seconds": time.monotonic() - started}
            self._log(figures)
            on_step(self.step, figures)
            if time.monotonic() - saved > save_every:
                self.save()
                saved = time.monotonic()
        self.save()

    def _train_step(self, batch: Batch) -> dict[str, float]:
        torch.manual_seed(self.config.seed * 1_000_003 + self.step)  # so that a resumed run draws the same chances
        rate = _rate(self.config, self.step)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.network.train()
        loss, figures = sequence_loss(
            self.network, batch, teacher=self.config.teacher, balance=0.5 if self.step < self.config.balanced else 0.0
        )
        if not bool(torch.isfinite(loss)):
            raise TrainingError(
                f"the loss became {loss.item()} at step {self.step}; the state before it is in {self.folder / STATE}. "
                "Resume with a lower learning rate."
            )
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimiser.step()
        decay = min(self.config.ema, (self.step + 1) / (self.step + 10))
        with torch.no_grad():
            for mean, new in zip(self.average.parameters(), self.network.parameters(), strict=True):
                mean.lerp_(new, 1 - decay)
        self.step += 1
        return {"loss": loss.item(), "rate": rate, "ordered": float(batch.ordered), **figures}

    def _log(self, figures: dict[str, float]) -> None:
        path = self.folder / CURVE
        fresh = not path.exists()
        with path.open("a", newline="") as file:
            writer = csv.writer(file)
            if fresh:
                writer.writerow(["step", *figures])
            writer.writerow([self.step, *(f"{v:.5g}" for v in figures.values())])


def export(network: MicroNetwork, path: Path, config: TrainConfig, step: int) -> None:
    """Write weights as float16 safetensors, with the network's and the training's configuration beside them."""
    tensors = {k: v.detach().to("cpu", torch.float16).contiguous() for k, v in network.state_dict().items()}
    metadata = {
        "config": json.dumps(asdict(network.config)),
        "training": json.dumps(asdict(config) | {"step": step}),
    }
    draft = path.with_suffix(".part")
    save_file(tensors, draft, metadata)
    draft.chmod(0o644)  # it is made for its owner alone
    os.replace(draft, path)

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
from safetensors.torch import save_file

from ..network.micro import MicroConfig, MicroNetwork
from .config import TrainConfig
from .data import Batch, batches
from .sequence import sequence_loss

STATE, WEIGHTS, CURVE = "state.pt", "weights.safetensors", "curve.csv"


class TrainingError(RuntimeError):
    """Training cannot go on; the last good state is kept on disk."""


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

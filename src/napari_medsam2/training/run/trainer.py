"""The training loop: sequences as videos, memory as in inference, resumable at any step, on one process or many."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from ...errors import TrainingError
from ..config import TrainConfig
from ..data.batches import Batch, Share, batches
from ..folder import prepare_folder
from ..learning.validation import Score
from .curve import Curve
from .files import CURVE, PICTURE, STATE, WEIGHTS, export, load_state, save_state
from .picture import draw_curve
from .ranks import Ranks
from .setup import TrainingSetup, synthetic_setup

#: Steps in a row whose loss or gradient is not finite, after which a run ends; each is left out.
MOST_SKIPPED = 3


@dataclass(frozen=True)
class Best:
    """The best weights so far: their Dice on what was held out, the step they are of, and the Dice at the start."""

    dice: float
    step: int
    before: float


def rate_share(config: TrainConfig, step: int) -> float:
    """The learning rate of a step, as a share of the highest one."""
    left = (config.steps - step) / max(config.steps * config.decay, 1)
    return min(1.0, (step + 1) / config.warmup, max(left, 0.0))


class Trainer:
    """Owns network, averaged network, optimiser and the folder of one run.

    Parameters
    ----------
    folder
        Of the run; it is made.
    config, device
        How and where to train.
    setup
        What to train; ``None`` is the bundled network from nothing, on synthetic data.
    ranks
        The processes that train together; the first one writes.

    Attributes
    ----------
    step
        Steps done.
    stop
        Set it to end the run after the step in progress, with its state saved.
    best
        ``None`` until something was scored.

    Raises
    ------
    TrainingError
        If the folder cannot be written to.
    """

    def __init__(
        self,
        folder: Path,
        config: TrainConfig,
        device: torch.device,
        setup: TrainingSetup | None = None,
        ranks: Ranks = Ranks(),  # noqa: B008 (a frozen value)
    ) -> None:
        if ranks.is_first:
            prepare_folder(folder)
        self.folder, self.config, self.device, self.ranks = folder, config, device, ranks
        self.setup = setup = setup or synthetic_setup(config, device)
        self.network, self.average = setup.learner.network, setup.learner.average
        self.parameters = [p for p in self.network.parameters() if p.requires_grad]
        decayed = [p for p in self.parameters if p.ndim > 1]
        others = [p for p in self.parameters if p.ndim <= 1]
        groups = [{"params": decayed, "weight_decay": config.weight_decay}, {"params": others, "weight_decay": 0.0}]
        self.rate = config.learning_rate or setup.learner.usual_rate
        self.optimiser = torch.optim.AdamW(groups, lr=self.rate, betas=(0.9, 0.98))
        self.step = 0
        self.stop = False
        self.best: Best | None = None
        self._stopping = False
        self._skipped = 0
        self._curve: Curve | None = None

    # ---- the run on disk -------------------------------------------------------------------------------------------

    def resume(self) -> None:
        """Go on from the folder's saved state; from the start, if the run ended before its first save.

        Raises
        ------
        TrainingError
            If the state is damaged or of another network.
        """
        path = self.folder / STATE
        if path.exists():
            self._take(path)
        if self.ranks.from_first(self.step) != self.step:
            raise TrainingError(
                f"process {self.ranks.rank} would go on from step {self.step}, the first one from another: all need "
                f"to see the same folder {self.folder}"
            )

    def _take(self, path: Path) -> None:
        """Load networks, optimiser, step and best score from a file of state."""
        state = load_state(path, self.device)
        try:
            self.network.load_state_dict(state["network"])
            self.average.load_state_dict(state["average"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.step = int(state["step"])
            self.best = Best(**state["best"]) if state.get("best") else None
        except (RuntimeError, ValueError, KeyError, TypeError) as error:
            raise TrainingError(f"{path} is the state of another network: {str(error).splitlines()[0]}") from error

    def save(self) -> None:
        """Write state, weights and the picture of the curve; a kill in the middle leaves the older files whole."""
        if not self.ranks.is_first:
            return
        if self.setup.validation is None:
            self._export(self.step)
        state: dict[str, Any] = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "best": vars(self.best) if self.best is not None else None,
        }
        save_state(self.folder / STATE, state)
        if self._curve is not None and self._curve.rows:
            before = self.best.before if self.best is not None else None
            draw_curve(self._curve.rows, self.folder / PICTURE, before)

    def _export(self, step: int) -> None:
        training = self.config.as_json() | {"step": step, "learning_rate": self.rate}
        if self.best is not None:
            training |= {"dice_before": self.best.before, "dice": self.best.dice}
        export(self.average, self.folder / WEIGHTS, training)

    # ---- the run ---------------------------------------------------------------------------------------------------

    def run(self, on_step: Callable[[int, dict[str, float]], None], *, save_every: float | None = None) -> None:
        """Train to ``config.steps``, or until :attr:`stop` is set.

        Parameters
        ----------
        on_step
            Called after every step with its number and figures.
        save_every
            Seconds between saved states, if not the configuration's.

        Raises
        ------
        TrainingError
            If the loss stays without a finite value, or the disk is full; the last good state is on disk.
        """
        every = self.config.save_every if save_every is None else save_every
        if self.ranks.is_first:
            self._curve = Curve(self.folder / CURVE, self.step)
        if self.best is None and self.setup.validation is not None:
            self._score()
        if not (self.folder / STATE).exists():
            self.save()  # a disk that is full says so now
        share = Share(self.ranks.rank, self.ranks.count)
        source = batches(self.config, self.step, self.setup.make, share)
        saved = time.monotonic()
        self._stopping = False
        while self.step < self.config.steps and not self._stopping:
            started = time.monotonic()
            waited, given = 0.0, []
            for _ in range(self.config.accumulate):
                asked = time.monotonic()
                given.append(next(source))
                waited += time.monotonic() - asked
            figures = self._train_step(given)
            figures |= {"waited": waited, "seconds": time.monotonic() - started}
            if self._is_time_to_score():
                scored = self._score()
                figures |= {"held_out": scored.dice, "held_out_prompted": scored.prompted}
            if self._curve is not None:
                self._curve.add(self.step, figures)
            on_step(self.step, figures)
            if time.monotonic() - saved > every:
                self.save()
                saved = time.monotonic()
        self.save()
        self.ranks.wait()  # until the first one has written

    def _train_step(self, given: list[Batch]) -> dict[str, float]:
        # The chances of a step depend on its number alone, so that a resumed run draws the same.
        torch.manual_seed((self.config.seed * 1_000_003 + self.step) * self.ranks.count + self.ranks.rank)
        rate = self.rate * rate_share(self.config, self.step)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.network.train()
        self.optimiser.zero_grad(set_to_none=True)
        losses: list[float] = []
        told: list[dict[str, float]] = []
        for batch in given:
            loss, figures = self.setup.learner.loss(batch.to(self.device), self.step)
            losses.append(float(loss.detach()))
            told.append(figures)
            if loss.requires_grad and math.isfinite(losses[-1]):
                (loss / len(given)).backward()
        self.ranks.average_gradients(self.parameters)
        norm = float(torch.nn.utils.clip_grad_norm_(self.parameters, 1.0))
        good = all(map(math.isfinite, (*losses, norm)))
        bad, self._stopping = self.ranks.any(not good, self.stop)  # all leave after the same step
        if bad:
            self._skip(losses, norm)
        else:
            self._skipped = 0
            self._update()
        self.step += 1
        names = list(told[0])
        means = self.ranks.mean([_mean(losses), *(_mean([one[name] for one in told]) for name in names)])
        return {
            "loss": means[0],
            "rate": rate,
            "ordered": float(given[0].mode == "stack"),  # the name of the column in every curve.csv there is
            **dict(zip(names, means[1:], strict=True)),
            "skipped": float(bad),
        }

    def _update(self) -> None:
        self.optimiser.step()
        decay = min(self.config.ema, (self.step + 1) / (self.step + 10))
        with torch.no_grad():
            for mean, new in zip(self.average.parameters(), self.network.parameters(), strict=True):
                if new.requires_grad:
                    mean.lerp_(new, 1 - decay)

    def _skip(self, losses: list[float], norm: float) -> None:
        """Leave a step out; end the run when there are too many in a row."""
        self._skipped += 1
        what = f"loss became {_mean(losses)}" if not all(map(math.isfinite, losses)) else f"gradient became {norm}"
        if self._skipped >= MOST_SKIPPED:
            raise TrainingError(
                f"the {what} in {self._skipped} steps in a row, up to step {self.step}; nothing was learned from them, "
                f"and the last good state is in {self.folder / STATE}. Resume with a lower --learning-rate, or with "
                "--precision float32"
            )

    # ---- scoring ---------------------------------------------------------------------------------------------------

    def _is_time_to_score(self) -> bool:
        if self.setup.validation is None:
            return False
        times, steps = max(self.config.validations, 1), self.config.steps
        return self.step in {round(steps * (k + 1) / times) for k in range(times)}

    def _score(self) -> Score:
        """Score the averaged weights on what was held out, and keep them if they are the best so far."""
        validation = self.setup.validation
        assert validation is not None
        score = validation.score(self.average, self.device) if self.ranks.is_first else Score(0.0, 0.0)
        dice = self.ranks.from_first(score.dice)
        if self.best is None:
            self.best = Best(dice, self.step, dice)
        elif dice > self.best.dice:
            self.best = replace(self.best, dice=dice, step=self.step)
        else:
            return score
        if self.ranks.is_first:
            self._export(self.step)
        return score


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)

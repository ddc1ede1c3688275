"""Trains the bundled network on accepted frames, and says whether that finds frames better that it did not learn from.

What learns is the decoder's finest layers, as where a session adapts to one drawn mask, but from all accepted frames
and objects at once, each found by the others as templates: that is how the learned weights are used. Whether it helps
is judged by cross-validation: each frame is scored once, with weights that did not learn from it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ...errors import DatasetError, TrainingError
from ...geometry.overlap import dice
from ...models.loading import load_model
from ...network.micro.adaptation import fit_fine_layers
from ...network.micro.decoder import FineLayers, MaskDecoder
from ...network.micro.network import MicroNetwork
from ...network.resample import resize
from ..folder import prepare_folder
from ..run.files import WEIGHTS, export
from .examples import ExampleMaker, Examples, n_examples
from .lesson import Lesson

#: Steps of each training that are usual, and trainings that leave a part of the frames out, at most.
STEPS, FOLDS = 40, 4


@dataclass(frozen=True)
class Progress:
    """How far learning is.

    Attributes
    ----------
    step, steps
        Views encoded and steps of training done, and those there are in all.
    seconds_left
        About how long the others take; ``None`` before anything was done.
    """

    step: int
    steps: int
    seconds_left: float | None = None


@dataclass(frozen=True)
class Learned:
    """What came of it.

    Attributes
    ----------
    before, after
        Mean Dice on the judged frames, with the weights of before and with weights that learned from other frames.
    weights
        Those that learned from all frames; ``None`` if learning did not help.
    judged
        How many frames that was judged on.
    """

    before: float
    after: float
    weights: Path | None
    judged: int = 0


class _Pace:
    """Counts what is done; each view and each step takes about as long as another."""

    def __init__(self, steps: int, tell: Callable[[Progress], None]) -> None:
        self._steps, self._tell = steps, tell
        self._step, self._began = 0, time.monotonic()
        tell(Progress(0, steps))

    def note(self) -> None:
        """One more is done."""
        self._step = min(self._step + 1, self._steps)
        took = time.monotonic() - self._began
        self._tell(Progress(self._step, self._steps, took / self._step * (self._steps - self._step)))


def learn(
    folder: Path,
    lesson: Lesson,
    *,
    model: str = "micro",
    steps: int = STEPS,
    device: torch.device,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Learned:
    """Train on what was accepted.

    Parameters
    ----------
    folder
        Gets the weights.
    lesson
        What to learn from.
    model
        Name or file of the weights to begin with: those of the bundled network, or learned from them.
    steps
        Of each training.
    on_progress
        Told how far it is; what it raises ends the training.

    Raises
    ------
    DatasetError
        If the lesson cannot be learned from.
    TrainingError, ModelError
        If the folder, the weights or the numbers are no good.
    """
    lesson.check()
    prepare_folder(folder)
    begun = load_model(model, device=str(device), precision="float32")
    network = begun.network
    if not isinstance(network, MicroNetwork):
        raise TrainingError(f"learning from accepted frames is for the bundled network, micro; {begun.name} is another")
    folds = _folds(lesson)
    pace = _Pace(n_examples(lesson.dataset, lesson.accepted) + steps * (len(folds) + 1), on_progress)
    torch.set_flush_denormal(True)  # gradients are full of numbers that small
    try:
        examples = ExampleMaker(begun, lesson.dataset, pace.note).make(lesson.accepted)
        if examples is None:
            raise DatasetError("no object is on two of the accepted frames: accept more frames")
        scores = [_scored(network, lesson, examples, fold, steps, pace.note) for fold in folds]
        before, after = (np.concatenate(each) for each in zip(*scores, strict=True))
        weights = None
        if _helps(after - before):
            layers = _fitted(network.decoder, lesson, examples, range(len(examples.frames)), steps, pace.note)
            network.decoder.load_state_dict(layers.state_dict(), strict=False)
            weights = folder / WEIGHTS
            told = {"model": model, "data": [lesson.dataset.name], "step": steps, "dice_before": float(before.mean())}
            export(network, weights, {**told, "dice": float(after.mean())})
    finally:
        torch.set_flush_denormal(False)
    return Learned(float(before.mean()), float(after.mean()), weights, len(lesson.judged))


def _folds(lesson: Lesson) -> list[tuple[int, ...]]:
    """The judged frames in some parts, each spread evenly."""
    count = min(FOLDS, len(lesson.judged))
    return [lesson.judged[k::count] for k in range(count)]


def _helps(gains: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> bool:
    """True if the mean gain of the frames, two or more, is above its standard error: no gain by chance is offered."""
    return bool(gains.mean() > gains.std(ddof=1) / np.sqrt(len(gains)))


def _fitted(
    decoder: MaskDecoder,
    lesson: Lesson,
    examples: Examples,
    which: range | list[int],
    steps: int,
    note: Callable[[], None],
) -> FineLayers:
    some = examples.only(which)
    weights, mode = torch.ones_like(some.masks), lesson.dataset.mode
    return fit_fine_layers(
        decoder, some.features, some.coarse, some.masks, weights, mode=mode, steps=steps, on_step=note
    )


def _scored(
    network: MicroNetwork,
    lesson: Lesson,
    examples: Examples,
    fold: tuple[int, ...],
    steps: int,
    note: Callable[[], None],
) -> tuple[list[float], list[float]]:
    """Dice on each frame of a fold, the mean of its objects, before and after learning from the other frames."""
    left = [k for k, frame in enumerate(examples.frames) if frame in fold and examples.plain[k]]
    others = [k for k, frame in enumerate(examples.frames) if frame not in fold]
    own = FineLayers(network.decoder)
    learned = _fitted(network.decoder, lesson, examples, others, steps, note)
    some = examples.only(left)
    return _dice(network.decoder, some, own), _dice(network.decoder, some, learned)


@torch.no_grad()
def _dice(decoder: MaskDecoder, examples: Examples, layers: FineLayers) -> list[float]:
    logits, _ = decoder.fine(examples.features, examples.coarse, layers)
    found = resize(logits, (examples.masks.shape[-2], examples.masks.shape[-1])) > 0
    pairs = zip(found[:, 0].cpu().numpy(), (examples.masks[:, 0] > 0.5).cpu().numpy(), strict=True)
    of_frame: dict[int, list[float]] = {}
    for frame, (mask, truth) in zip(examples.frames, pairs, strict=True):
        of_frame.setdefault(frame, []).append(dice(mask, truth))
    return [float(np.mean(each)) for each in of_frame.values()]

"""Trains a network on accepted frames, and keeps what it learned only if that is better on those that were left out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ...geometry.overlap import dice
from ...models.device import Model
from ...network.interface import SegmentationNetwork
from ...prompts import MaskPrompt
from ...session.options import SessionOptions
from ...session.session import Session
from ..config import TrainConfig, make_config
from ..data.labelled import LabelledBatches
from ..data.split import Part, subset
from ..learning.learners import learner_for
from ..learning.validation import Score, Scorer
from ..run.files import WEIGHTS
from ..run.setup import TrainingSetup, load_to_train, view_of
from ..run.trainer import Trainer
from .lesson import Lesson

#: Steps that are usual, and pixels in a batch of them: a few minutes on two cores.
STEPS, PIXELS = 80, 131_072


@dataclass(frozen=True)
class Learned:
    """What came of it.

    Attributes
    ----------
    before, after
        Mean Dice of the objects on the frames that were left out, with the weights of before and with the best ones.
    weights
        The better weights; ``None`` if none were better.
    """

    before: float
    after: float
    weights: Path | None


@dataclass(frozen=True, eq=False)
class LeftOut(Scorer):
    """Scores a network as it will be used: the frames that it learned from are templates, the others are found.

    Attributes
    ----------
    lesson
        Says which is which.
    name, region
        Of the model.
    adapt
        Whether the session learns from masks by itself; see :class:`~napari_medsam2.session.options.SessionOptions`.
    """

    lesson: Lesson
    name: str
    region: bool | None
    adapt: bool | None = None

    def score(self, network: SegmentationNetwork, device: torch.device) -> Score:
        """See :meth:`.validation.Scorer.score`."""
        autocast = network.autocast
        model = Model(self.name, network.eval(), device, self.region)
        try:
            return Score(mean_dice(taught(model, self.lesson, self.adapt), self.lesson), 1.0)
        finally:
            if model.has_left(device):
                network.to(device)
                network.autocast = autocast


def taught(model: Model, lesson: Lesson, adapt: bool | None) -> Session:
    """A session in which the frames that are learned from are templates, with what it finds on the others."""
    options = SessionOptions(adapt=adapt)
    session = Session(model, lesson.dataset.frames, mode=lesson.dataset.mode, options=options)
    add_templates(session, lesson, lesson.learned)
    first, last = min(lesson.left_out), max(lesson.left_out)
    for _ in session.propagate(start=first, stop=last + 1):
        pass
    return session


def add_templates(session: Session, lesson: Lesson, frames: tuple[int, ...]) -> None:
    """Add the labels of some accepted frames as masks; that an object is not there, too."""
    prompts = [MaskPrompt(t, lesson.dataset.truth(t, n), n, True) for n in lesson.dataset.objects for t in frames]
    shown = {prompt.object_id for prompt in prompts if prompt.mask.any()}
    for prompt in sorted(prompts, key=lambda prompt: not prompt.mask.any()):
        if prompt.object_id in shown:
            session.add(prompt)


def mean_dice(session: Session, lesson: Lesson) -> float:
    """Mean Dice of the objects on the frames that were left out, in what the session shows."""
    found = []
    for t in lesson.left_out:
        labels = session.labels(t)
        found += [dice(labels == number, lesson.dataset.truth(t, number)) for number in lesson.dataset.objects]
    return float(np.mean(found))


def learn(
    folder: Path,
    lesson: Lesson,
    *,
    model: str = "micro",
    steps: int = STEPS,
    pixels: int = PIXELS,
    adapt: bool | None = None,
    device: torch.device,
    on_step: Callable[[Trainer], None] = lambda trainer: None,
) -> Learned:
    """Train on what was accepted.

    Parameters
    ----------
    folder
        Gets weights, curve and state, as any run of training.
    lesson
        What to learn from.
    model
        Name or file of the weights to begin with.
    steps, pixels
        Of training, and in a batch of it.
    adapt
        See :class:`LeftOut`.
    on_step
        Told after each step, and once before the first; setting ``stop`` of the trainer ends it.

    Raises
    ------
    DatasetError
        If the lesson cannot be learned from.
    TrainingError, ModelError
        If the folder, the weights or the numbers are no good.
    """
    lesson.check()
    asked = {
        "data": (lesson.dataset.name,),
        "mode": lesson.dataset.mode,
        "model": model,
        "steps": steps,
        "pixels": pixels,
    }
    config = make_config({**asked, "holdout": 0.0, "validations": 2, "workers": 0, "warmup": max(1, steps // 10)})
    begun = load_to_train(config, device)
    setup = _setup(config, lesson, begun, adapt)
    trainer = Trainer(folder, config, device, setup)
    torch.set_flush_denormal(True)  # as for any training: gradients of attention are full of numbers that small
    try:
        trainer.run(lambda step, figures: on_step(trainer))
    finally:
        torch.set_flush_denormal(False)
    best = trainer.best
    assert best is not None, "a run scores before its first step"
    return Learned(best.before, best.dice, folder / WEIGHTS if best.step else None)


def _setup(config: TrainConfig, lesson: Lesson, model: Model, adapt: bool | None) -> TrainingSetup:
    make = LabelledBatches(config, view_of(model))
    part = subset(lesson.dataset, lesson.learned)
    make.load((Part(part, tuple(part.objects)),))
    return TrainingSetup(learner_for(model.network, config), make, LeftOut(lesson, model.name, model.region, adapt))

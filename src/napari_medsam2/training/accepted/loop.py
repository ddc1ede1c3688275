"""Simulates a user who annotates a third of the frames, has the network learn from them, and annotates the next third.

The other arm is the same user without learning: the same frames are accepted, and the network is the one of before.
What a user would do comes from the truth: accept what is nearly right, click on the largest error, and draw what is
not right after a few clicks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ...errors import DatasetError, PromptError
from ...evaluation.prompting import make_prompts, prompt_frame
from ...geometry.overlap import dice
from ...geometry.parts import largest_error, most_interior
from ...images.datasets import Dataset
from ...models.device import Model
from ...models.loading import load_model
from ...prompts import MaskPrompt, PointPrompt
from ...session.options import SessionOptions
from ...session.session import Session
from ...types import Mask
from .learning import STEPS, Learned, learn
from .lesson import LEAST_FRAMES, Lesson

#: From this Dice on a user says that an object is right.
RIGHT = 0.9
#: After so many clicks on one object of a frame it is drawn.
MOST_CLICKS = 3


@dataclass(frozen=True)
class Annotated:
    """What it took to annotate some frames.

    Attributes
    ----------
    frames
        How many.
    dice
        Mean Dice of the objects there before anybody corrected them.
    clicks
        Clicks, boxes, and masks that were drawn.
    drawn
        How many of those were drawn.
    corrected
        The frames that needed any.
    """

    frames: int
    dice: float
    clicks: int
    drawn: int
    corrected: tuple[int, ...] = ()


@dataclass(frozen=True)
class LoopRow:
    """What learning is worth on one dataset.

    Attributes
    ----------
    dataset, mode
        What was annotated.
    first
        The first third, with the network as it is.
    learned
        What learning from it came to.
    without, with_learning
        The next third, without learning and with what was learned (the same network where that was not better).
    """

    dataset: str
    mode: str
    first: Annotated
    learned: Learned
    without: Annotated
    with_learning: Annotated

    @property
    def saved(self) -> float:
        """The share of the clicks of the next third that learning saves; NaN where there were none."""
        return 1 - self.with_learning.clicks / self.without.clicks if self.without.clicks else float("nan")


def simulate(
    model: Model,
    dataset: Dataset,
    folder: Path,
    *,
    steps: int = STEPS,
    adapt: bool | None = None,
    told: Callable[[str], None] = lambda words: None,
) -> LoopRow:
    """Annotate a third, learn, annotate the next third, with and without.

    Parameters
    ----------
    model
        To begin with; its weights stay as they are.
    folder
        For the weights that are learned.
    adapt
        Whether sessions learn from masks by themselves; see :class:`~napari_medsam2.session.options.SessionOptions`.
    told
        Is told what is done now.

    Raises
    ------
    DatasetError
        If the dataset has too few frames for thirds.
    """
    first, second = thirds(dataset)
    told(f"{dataset.name}: annotating {len(first)} frames")
    session = _session(model, dataset, adapt)
    prompts = 0
    for number in dataset.objects:
        frame = prompt_frame(dataset, number)
        for prompt in make_prompts(dataset.truth(frame, number), "box", frame=frame, object_id=number):
            session.add(prompt)
            prompts += 1
    began = _annotate(session, dataset, first)
    began = replace(began, clicks=began.clicks + prompts)
    lesson = Lesson(_labelled(session, dataset, first), first, began.corrected)
    told(f"{dataset.name}: learning from them")
    learned = learn(folder, lesson, model=model.source or model.name, steps=steps, device=model.device)
    told(f"{dataset.name}: annotating {len(second)} more without it: Dice {learned.before:.3f} to {learned.after:.3f}")
    without = _go_on(model, dataset, lesson, second, adapt)
    with_learning = without
    if learned.weights is not None:
        told(f"{dataset.name}: annotating {len(second)} more with it")
        with_learning = _go_on(
            load_model(str(learned.weights), device=str(model.device)), dataset, lesson, second, adapt
        )
    return LoopRow(dataset.name, dataset.mode, began, learned, without, with_learning)


def thirds(dataset: Dataset) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The frames that are annotated first and next: in a stack outwards from the prompt, in a flow as they come.

    Frames of a stack without any object are left out, but for one at each end of them.
    """
    frames = list(range(len(dataset.frames)))
    if dataset.mode == "stack":
        there = [t for t in frames if np.isin(dataset.masks[t], list(dataset.objects)).any()]
        frames = [t for t in frames if there[0] - 1 <= t <= there[-1] + 1]
        middle = prompt_frame(dataset, next(iter(dataset.objects)))
        frames.sort(key=lambda t: (abs(t - middle), t))
    count = len(frames) // 3
    if count < LEAST_FRAMES:
        raise DatasetError(
            f"{dataset.name} has {len(frames)} frames with objects: thirds of it are too few to learn from"
        )
    return tuple(sorted(frames[:count])), tuple(frames[count : 2 * count])


def _session(model: Model, dataset: Dataset, adapt: bool | None) -> Session:
    return Session(model, dataset.frames, mode=dataset.mode, options=SessionOptions(undo_depth=0, adapt=adapt))


def _labelled(session: Session, dataset: Dataset, accepted: Sequence[int]) -> Dataset:
    """The dataset with what the user has accepted in place of the truth, and nothing elsewhere."""
    dtype = np.min_scalar_type(max(dataset.objects))
    masks = [
        session.labels(t, dtype) if t in accepted else np.zeros(dataset.masks[t].shape, dtype)
        for t in range(len(dataset.frames))
    ]
    return replace(dataset, masks=masks)


def _go_on(model: Model, dataset: Dataset, lesson: Lesson, frames: Sequence[int], adapt: bool | None) -> Annotated:
    """Annotate further frames, with what was accepted as templates."""
    session = _session(model, dataset, adapt)
    add_templates(session, lesson, lesson.accepted)
    return _annotate(session, dataset, frames)


def add_templates(session: Session, lesson: Lesson, frames: tuple[int, ...]) -> None:
    """Add the labels of some accepted frames as masks; that an object is not there, too."""
    prompts = [MaskPrompt(t, lesson.dataset.truth(t, n), n, True) for n in lesson.dataset.objects for t in frames]
    shown = {prompt.object_id for prompt in prompts if prompt.mask.any()}
    for prompt in sorted(prompts, key=lambda prompt: not prompt.mask.any()):
        if prompt.object_id in shown:
            session.add(prompt)


def _annotate(session: Session, dataset: Dataset, frames: Sequence[int]) -> Annotated:
    """Find all, then go through frames: click until it is right, draw what does not get right, accept."""
    for _ in session.propagate(start=min(frames), stop=max(frames) + 1):
        pass
    before: list[float] = []
    clicks = drawn = 0
    corrected: set[int] = set()
    for t in frames:
        for number in dataset.objects:
            truth = dataset.truth(t, number)
            before.append(dice(session.labels(t, np.int64) == number, truth))
            used, was_drawn = _correct(session, t, number, truth)
            clicks, drawn = clicks + used, drawn + was_drawn
            corrected |= {t} if used else set()
        if any(session.result(t, number) is not None for number in dataset.objects):
            session.accept(t)
    return Annotated(len(frames), float(np.mean(before)), clicks, drawn, tuple(sorted(corrected)))


def _correct(session: Session, frame: int, number: int, truth: Mask) -> tuple[int, bool]:
    """Click until an object is right on a frame, or draw it; returns how many gestures that took, and if it was."""
    for used in range(MOST_CLICKS + 1):
        found: Mask = session.labels(frame, np.int64) == number
        if dice(found, truth) >= RIGHT:
            return used, False
        with suppress(PromptError):  # a click on a pixel that another one says the opposite of
            if used < MOST_CLICKS and truth.any():
                session.add(_click(truth, found, frame, number))
                session.segment(frame, number)
                continue
        break
    session.replace_prompts(number, frame, [MaskPrompt(frame, truth, number)])
    session.segment(frame, number)
    return used + 1, True


def _click(truth: Mask, found: Mask, frame: int, number: int) -> PointPrompt:
    """A click in the middle of the largest error."""
    error = largest_error(truth, found)
    assert error is not None, "it was not right"
    part, missing = error
    y, x = most_interior(part)
    return PointPrompt(frame, float(y), float(x), missing, number)

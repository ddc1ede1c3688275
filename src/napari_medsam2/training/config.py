"""The training configuration, declared once: it makes the command line and is saved with the weights."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides a training run.

    The learning rate warms up, stays, and falls to zero over the last ``decay`` of the steps, so a run can be prolonged
    from any state before the fall. ``steps`` may be changed when a run is resumed.

    Attributes
    ----------
    steps
        Optimiser steps in all.
    pixels
        Pixels in a step; decides how many sequences fit.
    size
        Usual side of the frames; some steps use three quarters of it and some three halves. A multiple of 64.
    first_length
        Frames in a sequence during the first fifth of the steps.
    length
        Frames in a sequence after that.
    flows
        Share of the steps that train on flows, 0 to 1; the others train on stacks.
    balanced
        Steps in which object and background weigh the same in half of the cross-entropy; plain cross-entropy after.
    bridges
        Share of the stacks in which slices are left out after the prompted one, and propagation goes on from a mask
        with errors in it, as late in a long stack.
    learning_rate
        Highest learning rate of AdamW.
    weight_decay
        Of AdamW.
    warmup
        Steps over which the learning rate rises.
    decay
        Share of the steps over which the learning rate falls to zero.
    ema
        Decay of the averaged weights, which are the ones exported.
    teacher
        Chance that a memory holds the true mask instead of the predicted one.
    seed
        Of data and weights.
    workers
        Processes that make data; 0 makes it in the training process.
    """

    steps: int = 5000
    pixels: int = 450_000
    size: int = 128
    first_length: int = 4
    length: int = 7
    flows: float = 0.35
    balanced: int = 1500
    bridges: float = 0.6
    learning_rate: float = 8e-4
    weight_decay: float = 0.02
    warmup: int = 100
    decay: float = 0.3
    ema: float = 0.998
    teacher: float = 0.25
    seed: int = 0
    workers: int = 1

    def __post_init__(self) -> None:
        positive = ("steps", "pixels", "size", "first_length", "length", "learning_rate", "warmup")
        for name in positive:
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be more than 0; got {getattr(self, name)}")
        for name in ("flows", "bridges", "decay", "ema", "teacher"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie between 0 and 1; got {getattr(self, name)}")
        if self.size % 64:
            raise ValueError(f"size must be a multiple of 64; got {self.size}")
        if self.length < 2 or self.first_length < 2:
            raise ValueError("a training sequence needs at least two frames: one prompted, one reached through memory")


def describe_options() -> dict[str, str]:
    """The sentence about each field, read from the docstring above."""
    lines = (TrainConfig.__doc__ or "").split("Attributes\n    ----------\n", 1)[-1].splitlines()
    told: dict[str, str] = {}
    names: list[str] = []
    for line in lines:
        text = line.strip()
        if line.startswith("        ") and names:
            for name in names:
                told[name] = f"{told.get(name, '')} {text}".strip()
        elif text:
            names = [n.strip() for n in text.split(",")]
    return {f.name: told.get(f.name, "") for f in fields(TrainConfig)}

"""``train --lesson``: learns from frames that a user accepted, as the dock asks it of a process of its own."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .console import tell

if TYPE_CHECKING:
    from ..training.run.trainer import Trainer


def add_lesson_options(parser: argparse.ArgumentParser) -> None:
    """The lesson, and how its progress is told."""
    parser.add_argument(
        "--lesson",
        type=Path,
        metavar="FILE.npz",
        help="learn from accepted frames: a dataset whose json names them; a quarter is left out and scored (--steps, "
        "--model and --device count)",
    )
    parser.add_argument("--report-json", action="store_true", help="with --lesson: progress as a line of JSON a step")


def run_lesson(arguments: argparse.Namespace) -> int:
    """Learn; returns the exit code.

    Raises
    ------
    UserError
        For a lesson that cannot be learned from, in words.
    """
    import torch

    from ..models.device import choose_device, leave_a_core
    from ..training.accepted.learning import STEPS, learn
    from ..training.accepted.lesson import read_lesson

    leave_a_core()
    lesson = read_lesson(arguments.lesson)
    steps = STEPS if arguments.steps is None else arguments.steps

    def report(**values: Any) -> None:
        if arguments.report_json:
            tell(json.dumps(values))

    def on_step(trainer: Trainer) -> None:
        best = trainer.best
        report(step=trainer.step, steps=steps, before=best and best.before, after=best and best.dice)

    report(step=0, steps=steps, before=None, after=None)
    device = torch.device(choose_device(arguments.device))
    learned = learn(
        arguments.folder, lesson, model=arguments.model or "micro", steps=steps, device=device, on_step=on_step
    )
    weights = None if learned.weights is None else str(learned.weights.absolute())
    report(step=steps, steps=steps, before=learned.before, after=learned.after, weights=weights)
    if not arguments.report_json:
        told = (
            f"Dice on {len(lesson.left_out)} frame(s) left out: before {learned.before:.3f}, after {learned.after:.3f}"
        )
        tell(told if weights else f"{told}; no better, so the weights are those of before")
        tell(f"weights: {weights}" if weights else "")
    return 0

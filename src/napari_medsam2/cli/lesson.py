"""``train --lesson``: learns from frames that a user accepted, as the dock asks it of a process of its own."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .console import tell


def add_lesson_options(parser: argparse.ArgumentParser) -> None:
    """The lesson, and how its progress is told."""
    parser.add_argument(
        "--lesson",
        type=Path,
        metavar="FILE.npz",
        help="learn from accepted frames: a dataset whose json names them; each is left out once and scored "
        "(--steps, --model and --device count)",
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

    device = torch.device(choose_device(arguments.device))
    learned = learn(
        arguments.folder,
        lesson,
        model=arguments.model or "micro",
        steps=steps,
        device=device,
        on_progress=lambda progress: report(**asdict(progress)),
    )
    weights = None if learned.weights is None else str(learned.weights.absolute())
    report(before=learned.before, after=learned.after, judged=learned.judged, weights=weights)
    if not arguments.report_json:
        scores = f"{learned.before:.3f} before, {learned.after:.3f} after"
        told = f"Dice on {learned.judged} frame(s), each left out once: {scores}"
        tell(told if weights else f"{told}; that may be chance or is no better, so nothing was written")
        tell(f"weights: {weights}" if weights else "")
    return 0

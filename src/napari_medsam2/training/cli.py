"""``napari-medsam2 train``: the arguments, derived from :class:`TrainConfig`, and the run with its live display."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, fields, replace
from pathlib import Path

from ..console import INTERRUPTED, add_device_option
from .config import TrainConfig, describe_options

CONFIG = "config.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the folder, the options of every field of :class:`TrainConfig`, and how to go on."""
    parser.add_argument("folder", type=Path, help="folder of the run: state, weights, configuration and curve")
    parser.add_argument("--resume", action="store_true", help="go on from the state in the folder")
    add_device_option(parser)
    told = describe_options()
    for field in fields(TrainConfig):
        parser.add_argument(
            "--" + field.name.replace("_", "-"),
            type=type(field.default),
            default=None,
            metavar=type(field.default).__name__.upper(),
            help=f"{told[field.name]} (default: {field.default})",
        )


def _config(arguments: argparse.Namespace) -> TrainConfig:
    """Defaults, or the resumed run's own configuration, changed by what was asked for."""
    config = TrainConfig()
    saved = arguments.folder / CONFIG
    if arguments.resume:
        if not saved.exists():
            raise ValueError(f"there is no run to resume in {arguments.folder}: {CONFIG} is missing")
        config = TrainConfig(**json.loads(saved.read_text()))
    elif saved.exists():
        raise ValueError(f"{arguments.folder} already holds a run; add --resume to go on, or name another folder")
    asked = {f.name: getattr(arguments, f.name) for f in fields(TrainConfig)}
    return replace(config, **{k: v for k, v in asked.items() if v is not None})


def run(arguments: argparse.Namespace) -> int:
    """Train as the arguments say; returns the exit code.

    Raises
    ------
    ValueError
        For arguments that cannot be used, in words.
    """
    config = _config(arguments)

    from tqdm import tqdm

    from ..models import choose_device
    from .trainer import WEIGHTS, Trainer

    device = choose_device(arguments.device)
    trainer = Trainer(arguments.folder, config, device)
    if arguments.resume:
        trainer.resume()
    (arguments.folder / CONFIG).write_text(json.dumps(asdict(config), indent=1) + "\n")
    smooth: dict[str, float] = {}
    with tqdm(total=config.steps, initial=trainer.step, unit="step", file=sys.stderr) as bar:

        def show(step: int, figures: dict[str, float]) -> None:
            kind = "stack" if figures["ordered"] else "flow"
            smooth[kind] = 0.95 * smooth.get(kind, figures["others"]) + 0.05 * figures["others"]
            bar.update(step - bar.n)
            bar.set_postfix({"loss": f"{figures['loss']:.3f}"} | {f"Dice {k}": f"{v:.3f}" for k, v in smooth.items()})

        try:
            trainer.run(show)
        except KeyboardInterrupt:
            trainer.save()
            tqdm.write(f"stopped at step {trainer.step}; --resume goes on from there", file=sys.stderr)
            return INTERRUPTED
    tqdm.write(f"weights: {arguments.folder / WEIGHTS}", file=sys.stderr)
    return 0

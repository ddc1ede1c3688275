"""``napari-medsam2 train``: the arguments, derived from :class:`TrainConfig`, and the run with its live display."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import OptionError
from ..json_files import read_json
from ..models.places import expanded
from ..training.config import CONFIG, FINE_TUNING, Option, TrainConfig, from_json, make_config, options, resumed_config
from .console import INTERRUPTED, add_device_option, say, tell
from .lesson import add_lesson_options, run_lesson

if TYPE_CHECKING:
    from ..training.run.ranks import Ranks
    from ..training.run.trainer import Trainer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the folder, the options of every field of :class:`TrainConfig`, and how to go on."""
    parser.description = (
        "Train the bundled network from nothing on synthetic images, or any model on labelled images of your own "
        "(--data). The folder of the run gets the state to go on from, the weights, the configuration and the training "
        "curve. On several GPUs: torchrun --nproc-per-node 2 -m napari_medsam2 train ..."
    )
    parser.add_argument("folder", type=Path, help="folder of the run")
    parser.add_argument("--resume", action="store_true", help="go on from the state in the folder")
    parser.add_argument(
        "--example", action="store_true", help="only write labelled images to try training on into the folder"
    )
    add_lesson_options(parser)
    add_device_option(parser)
    for option in options():
        _add(parser, option)


def _add(parser: argparse.ArgumentParser, option: Option) -> None:
    flag = "--" + option.name.replace("_", "-")
    default = "none" if option.default in ((), "") else option.default
    tuned = f"; {FINE_TUNING[option.name]} with --data" if option.name in FINE_TUNING else ""
    told = f"{option.told} (default: {default}{tuned})".replace("%", "%%")
    if option.kind is bool:
        parser.add_argument(flag, action=argparse.BooleanOptionalAction, default=None, help=told)
        return
    metavar = "PATH" if option.several else option.kind.__name__.upper()
    parser.add_argument(
        flag,
        type=option.kind,
        default=None,
        help=told,
        choices=option.choices or None,
        nargs="+" if option.several else None,
        metavar=None if option.choices else metavar,
    )


def _config(arguments: argparse.Namespace) -> TrainConfig:
    """Defaults, or the resumed run's own configuration, changed by what was asked for."""
    given = {option.name: getattr(arguments, option.name) for option in options()}
    asked: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    asked = {name: value for name, value in asked.items() if value is not None}
    if "data" in asked:  # a run may be resumed from elsewhere
        asked["data"] = tuple(str(expanded(path).absolute()) for path in asked["data"])
    if "model" in asked and (file := expanded(asked["model"])).is_file():
        asked["model"] = str(file.absolute())
    saved = arguments.folder / CONFIG
    if arguments.resume:
        if not saved.exists():
            raise OptionError(f"there is no run to resume in {arguments.folder}: {CONFIG} is missing")
        return resumed_config(_saved_config(saved), asked)
    if saved.exists():
        raise OptionError(f"{arguments.folder} already holds a run; add --resume to go on, or name another folder")
    return make_config(asked)


def _saved_config(path: Path) -> TrainConfig:
    """Read the configuration of a run; :class:`OptionError` with the file's name if it cannot be used."""
    content = read_json(path, OptionError)
    try:
        return from_json(content)
    except OptionError as error:
        raise OptionError(f"{path} cannot be used: {error}") from error


def run(arguments: argparse.Namespace) -> int:
    """Train as the arguments say; returns the exit code.

    Raises
    ------
    OptionError
        For arguments that cannot be used, in words.
    """
    if arguments.example:
        from ..training.data.example import write_example

        write_example(arguments.folder)
        tell(f"{arguments.folder}: images and labels")
        return 0
    if arguments.lesson is not None:
        return run_lesson(arguments)
    config = _config(arguments)

    import torch

    from ..models.device import choose_device
    from ..training.run.ranks import join_ranks

    # Gradients of attention are full of numbers too small for float32's normal form, on which a CPU is twenty times
    # slower. Only threads that start later follow, so this comes before anything is computed.
    torch.set_flush_denormal(True)
    try:
        with join_ranks(choose_device(arguments.device)) as ranks:
            return _train(arguments, config, ranks)
    finally:
        torch.set_flush_denormal(False)


def _train(arguments: argparse.Namespace, config: TrainConfig, ranks: Ranks) -> int:
    from ..training.folder import prepare_folder
    from ..training.run.files import WEIGHTS
    from ..training.run.saving import save_run_file
    from ..training.run.setup import make_setup
    from ..training.run.trainer import Trainer

    if ranks.is_first:
        prepare_folder(arguments.folder)
    setup, told = make_setup(config, ranks.device)
    trainer = Trainer(arguments.folder, config, ranks.device, setup, ranks)
    if arguments.resume:
        trainer.resume()
    if ranks.is_first:
        text = json.dumps(config.as_json(), indent=1) + "\n"
        save_run_file(arguments.folder / CONFIG, lambda draft: draft.write_text(text, encoding="utf-8"))
        for sentence in told:
            say(sentence)
    with _stopped_by_signals(trainer):
        _run_with_display(trainer, config)
    if trainer.step < config.steps:
        if ranks.is_first:
            say(f"stopped after step {trainer.step}; --resume goes on from there")
        return INTERRUPTED
    if ranks.is_first:
        _report(trainer, arguments.folder / WEIGHTS)
    return 0


def _report(trainer: Trainer, weights: Path) -> None:
    best = trainer.best
    if best is not None:
        said = f"Dice on what was held out: before {best.before:.3f}, after {best.dice:.3f}"
        if best.step == 0:
            said += "; training made it no better, so the weights are the ones that it started from"
        else:
            said += f" (weights of step {best.step})"
        tell(said)
    tell(f"weights: {weights}")


def _run_with_display(trainer: Trainer, config: TrainConfig) -> None:
    from tqdm import tqdm

    smooth: dict[str, float] = {}
    silent = not trainer.ranks.is_first
    if not silent and trainer.best is None and trainer.setup.validation is not None:
        say("scoring what is held out, before training")
    with tqdm(
        total=config.steps, initial=trainer.step, unit="step", file=sys.stderr, disable=silent, dynamic_ncols=True
    ) as bar:

        def show(step: int, figures: dict[str, float]) -> None:
            kind = "stacks" if figures["ordered"] else "flows"
            if figures["others"] == figures["others"]:  # not NaN
                smooth[kind] = 0.95 * smooth.get(kind, figures["others"]) + 0.05 * figures["others"]
            bar.update(step - bar.n)
            shown: dict[str, Any] = {"loss": f"{figures['loss']:.3f}"}
            shown |= {f"Dice {name}": f"{value:.3f}" for name, value in smooth.items()}
            if trainer.best is not None:
                shown["held out"] = f"{trainer.best.before:.3f} → {trainer.best.dice:.3f}"
            bar.set_postfix(shown | {"s/step": f"{figures['seconds']:.2f}"})
            if "held_out" in figures and not silent:
                tqdm.write(f"step {step}: Dice on what is held out {figures['held_out']:.3f}", file=sys.stderr)

        trainer.run(show)


@contextmanager
def _stopped_by_signals(trainer: Trainer) -> Iterator[None]:
    """Ctrl-C and SIGTERM end the run after the step in progress, with its state saved; a second one ends it at once."""

    def stop(number: int, _: Any) -> None:
        if trainer.stop:
            raise KeyboardInterrupt
        trainer.stop = True
        if trainer.ranks.is_first:
            say("stopping after this step")

    known = [signal.SIGINT] + ([signal.SIGTERM] if os.name != "nt" else [])
    before = {number: signal.signal(number, stop) for number in known}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

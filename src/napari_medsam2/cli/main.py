"""The command line: ``napari-medsam2 demo | segment | batch | evaluate | models | train | bench | serve``.

Bad input ends with one sentence on stderr and exit code 2; a run stopped with Ctrl-C saves what it has and ends with
130. Torch is imported when a model runs, napari by the demo only.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from .. import __version__
from ..distribution import two_at_once
from ..errors import EXPECTED_ERRORS, on_one_line
from . import bench, evaluate, models, segment, serve
from .batch import command as batch
from .console import INTERRUPTED, in_one_sentence, say, tell

BAD_INPUT = 2


class _Parser(argparse.ArgumentParser):
    """Complains in one sentence."""

    def error(self, message: str) -> NoReturn:
        say(f"{on_one_line(message)}; {self.prog} --help lists what can be given")
        raise SystemExit(BAD_INPUT)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # what is wrong with a file is said once, in words
    parser = build_parser(training="train" in words)
    parsed = parser.parse_args(words)
    if remark := two_at_once():
        say(remark)
    if not hasattr(parsed, "run"):
        parser.print_help()
        return 0
    try:
        code = int(parsed.run(parsed))
        if sys.stdout is not None:
            sys.stdout.flush()  # here, where somebody hears of a reader that left
        return code
    except KeyboardInterrupt:
        say("stopped")
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output left, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (*EXPECTED_ERRORS, RuntimeError, ModuleNotFoundError) as error:
        sentence = in_one_sentence(error)
        if sentence is None:
            raise
        if parsed.traceback:
            traceback.print_exc()
        say(sentence)
        return BAD_INPUT


def build_parser(*, training: bool = False) -> argparse.ArgumentParser:
    """The parser; the options of ``train`` are only filled in if ``training``, because they are many."""
    parser = _Parser(prog="napari-medsam2", description="Segment a stack or a flow of images from one prompt.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    parser.add_argument("--traceback", action="store_true", help="after an error, also show where it came from")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    _add_demo(commands.add_parser("demo", help="do the main job on sample images, in napari or off screen"))
    segment.add_arguments(commands.add_parser("segment", help="segment a sequence from prompts, write labels"))
    batch.add_arguments(commands.add_parser("batch", help="segment many sequences, on many processes or computers"))
    evaluate.add_arguments(commands.add_parser("evaluate", help="measure a model on labelled sequences"))
    models.add_arguments(commands.add_parser("models", help="which models there are, and where to get them"))
    train = commands.add_parser("train", help="train a model on labelled images of your own, or on synthetic ones")
    if training:
        from .train import add_arguments, run

        add_arguments(train)
        train.set_defaults(run=run)
    bench.add_arguments(commands.add_parser("bench", help="time a model, or the window, on this computer"))
    serve.add_arguments(commands.add_parser("serve", help="lend this computer's GPU to docks elsewhere"))
    return parser


def _add_demo(parser: argparse.ArgumentParser) -> None:
    screen = parser.add_mutually_exclusive_group()
    screen.add_argument(
        "--gui", dest="headless", action="store_false", default=None, help="open napari (the default with a screen)"
    )
    screen.add_argument(
        "--headless", action="store_true", default=None, help="off screen (the default without, or with HEADLESS=1)"
    )
    parser.add_argument("--out", type=Path, default=Path("demo"), help="folder for the results (default: demo)")
    parser.set_defaults(run=_demo)


def _demo(arguments: argparse.Namespace) -> int:
    from .._gui.demo import run

    run(arguments.out, arguments.headless)
    tell(f"{arguments.out}: labels.tif, screenshot.png and result.json")
    return 0

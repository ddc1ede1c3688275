"""What the commands share: text to people, a progress bar, and the options that choose a model."""

from __future__ import annotations

import argparse
import sys
from typing import Any

#: Exit code of a run that was stopped with Ctrl-C.
INTERRUPTED = 130


def tell(text: str) -> None:
    """An answer, on stdout."""
    sys.stdout.write(f"{text}\n")


def say(sentence: str) -> None:
    """A remark or a complaint, on stderr."""
    sys.stderr.write(f"napari-medsam2: {sentence}\n")


def progress_bar(total: int | None, title: str, unit: str = "frame") -> Any:
    """A tqdm bar over frames, or over bytes with the unit "B", on stderr."""
    from tqdm import tqdm

    return tqdm(total=total, desc=title, unit=unit, unit_scale=unit == "B", file=sys.stderr, dynamic_ncols=True)


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Which network, and where it runs."""
    parser.add_argument("--model", default="micro", help="a name from `models list`, or a file (default: micro)")
    add_device_option(parser)


def add_device_option(parser: argparse.ArgumentParser) -> None:
    """Where the network runs."""
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps (default: auto)")


def add_bank_options(parser: argparse.ArgumentParser) -> None:
    """How a session remembers."""
    parser.add_argument(
        "--bank",
        choices=("auto", "fifo", "self-sorting"),
        default="auto",
        help="which memories are kept (default: fifo in a stack, self-sorting in a flow)",
    )
    parser.add_argument(
        "--passes", type=int, choices=(1, 2), default=1, help="2: look at the early images of a flow again (default: 1)"
    )

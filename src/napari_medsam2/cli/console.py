"""What the commands share: text to people, a progress bar, and the options that choose a model."""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, get_args

from ..errors import EXPECTED_ERRORS, OptionError, in_words
from ..memory_bank import BankName
from ..models.device import NO_TORCH, PRECISIONS, leave_a_core
from ..models.places import expanded
from ..models.shortage import is_shortage
from .host import current_host

if TYPE_CHECKING:
    from pathlib import Path

    from ..models.device import Model
    from ..models.registry import ModelEntry


#: Exit code of a run that was stopped with Ctrl-C.
INTERRUPTED = 130


def tell(text: str) -> None:
    """An answer, on stdout."""
    current_host().tell(text)


def say(sentence: str) -> None:
    """A remark or a complaint, on stderr."""
    current_host().say(sentence)


def progress_bar(total: int | None, title: str, unit: str = "frame", *, delay: float = 0.0) -> Any:
    """A tqdm bar over frames, or over bytes with the unit "B", on stderr; from ``delay`` seconds on."""
    return current_host().progress_bar(total, title, unit, delay)


@contextmanager
def slow_bar(title: str, unit: str) -> Iterator[Callable[[int, int], None]]:
    """A bar that is shown if something takes longer than a second; gives a function of how much is done, and in all."""
    with progress_bar(None, title, unit, delay=1.0) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield show


@contextmanager
def stopped_softly() -> Iterator[None]:
    """Being told to end, as at a shutdown or when the terminal is closed, is like Ctrl-C: what is done is saved."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    told = [signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]
    before = {number: signal.getsignal(number) for number in told}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:  # as nohup has it
            signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def byte_bar(title: str) -> Iterator[Callable[[int, int], None]]:
    """A bar over bytes with speed and time left, from the first bytes on; gives a function of bytes done and in all."""
    bars: list[Any] = []

    def show(done: int, total: int) -> None:
        if not bars:
            bars.append(progress_bar(total or None, title, unit="B"))
            bars[0].initial = bars[0].n = done  # what an earlier try brought is no speed of this one
        bars[0].total = total or None
        bars[0].update(done - bars[0].n)

    try:
        yield show
    finally:
        for bar in bars:
            bar.close()


def in_one_sentence(error: BaseException) -> str | None:
    """What happened, for people; ``None`` for what is a fault of the program."""
    if isinstance(error, EXPECTED_ERRORS) and not isinstance(error, MemoryError):
        return in_words(error)
    if isinstance(error, ModuleNotFoundError):
        return NO_TORCH if (error.name or "").partition(".")[0] == "torch" else None
    if not is_shortage(error):
        return None
    text = " ".join(str(error).split())
    return f"out of memory{f': {text}' if text else ''}; a smaller model or image, or --device cpu, may fit"


def paragraph(facts: Mapping[str, str]) -> str:
    """Headings on the left, their words wrapped on the right; addresses and paths stay whole."""
    left = max(map(len, facts)) + 2
    width = max(left + 30, min(100, shutil.get_terminal_size().columns))
    lines = (
        textwrap.fill(
            words,
            width,
            initial_indent=heading.ljust(left),
            subsequent_indent=" " * left,
            break_long_words=False,
            break_on_hyphens=False,
        )
        for heading, words in facts.items()
    )
    return "\n".join(lines)


def agrees(question: str) -> bool:
    """Ask for a yes at the terminal; false if there is no terminal, or no yes."""
    if not sys.stdin.isatty():
        return False
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Which network, and where it runs."""
    parser.add_argument("--model", default="micro", help="a name from `models list`, or a file (default: micro)")
    parser.add_argument(
        "--settings",
        metavar="NAME",
        help="for a file: the published model whose input size and behaviour it gets; asked once where nothing tells, "
        "and remembered",
    )
    add_device_option(parser)
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        default="auto",
        help="bfloat16 is faster where the processor computes in it (default: bfloat16 there, else float32)",
    )


def load_chosen_model(
    arguments: argparse.Namespace, *, all_cores: bool = False, image_size: int | None = None
) -> Model:
    """Load what the options of :func:`add_model_options` say; where memory is short, this is said on stderr."""
    if not all_cores:
        leave_a_core()
    settle_model(arguments)
    return current_host().load_model(
        arguments.model,
        device=arguments.device,
        image_size=image_size,
        precision=arguments.precision,
        on_notice=lambda notice: say(notice.message),
    )


def settle_model(arguments: argparse.Namespace) -> None:
    """Find out which settings a file of the user's gets, where nothing in it tells."""
    from ..models.registry import MODELS
    from ..models.settings import remember, unclear

    path = expanded(arguments.model)
    if arguments.model.lower() in MODELS or not path.is_file():
        if arguments.settings:
            raise OptionError(f"--settings is for a file of weights; {arguments.model!r} is none")
        return
    if arguments.settings:
        remember(path, arguments.settings)
    elif choices := unclear(path):
        name = _ask_which(path, choices)
        if name:
            remember(path, name)


def _ask_which(path: Path, choices: Sequence[ModelEntry]) -> str:
    """Ask at the terminal which model a file is; without one, say what it is taken for, and how to say it."""
    told = "; ".join(f"{entry.name} ({entry.image_size} pixels)" for entry in choices)
    question = f"nothing in {path.name} tells which of these it is built as: {told}"
    if not sys.stdin.isatty():
        say(f"{question}. It is run as {choices[0].name}; --settings NAME says otherwise, and is remembered")
        return ""
    sys.stderr.write(f"{question}.\nWhich one? ")
    sys.stderr.flush()
    return sys.stdin.readline().strip()


def add_device_option(parser: argparse.ArgumentParser) -> None:
    """Where the network runs."""
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps (default: auto)")


def add_bank_options(parser: argparse.ArgumentParser) -> None:
    """How a session remembers."""
    parser.add_argument(
        "--bank",
        choices=get_args(BankName),
        default="auto",
        help="which memories are kept (default: fifo in a stack, self-sorting in a flow)",
    )
    parser.add_argument(
        "--passes", type=int, choices=(1, 2), default=1, help="2: look at the early images of a flow again (default: 1)"
    )
    parser.add_argument(
        "--adapt",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="let the bundled network learn from masks that were drawn, about 2 s for each (default: up to 40 masks)",
    )

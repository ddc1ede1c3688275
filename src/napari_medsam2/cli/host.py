"""Whom a command speaks to: the terminal or, on a worker of a batch, whoever sent the job."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..results import FrameResult
from ..types import Mode

if TYPE_CHECKING:
    from ..models.device import Model


@dataclass(frozen=True, eq=False)
class Saved:
    """What a command has saved of a sequence.

    Attributes
    ----------
    files
        Labels (a file, a store, or a folder's files) and what else was written.
    results
        By (frame, object).
    confidences
        How sure the network is of what is left of each once objects do not overlap, by (frame, object).
    names
        What each frame is called.
    mode
        Whether the frames follow each other.
    """

    files: tuple[Path, ...]
    results: Mapping[tuple[int, int], FrameResult]
    confidences: Mapping[tuple[int, int], float]
    names: tuple[str, ...]
    mode: Mode


class Host:
    """The terminal."""

    #: Whether what is done of a sequence that cannot be finished is saved.
    keeps_part = True

    def say(self, sentence: str) -> None:
        """A remark or a complaint, on stderr."""
        if sys.stderr is not None:
            sys.stderr.write(f"napari-medsam2: {sentence}\n")

    def tell(self, text: str) -> None:
        """An answer, on stdout."""
        if sys.stdout is not None:  # closed by whoever started us
            sys.stdout.write(f"{text}\n")

    def progress_bar(self, total: int | None, title: str, unit: str, delay: float) -> Any:
        """A tqdm bar over frames, or over bytes with the unit "B", on stderr; from ``delay`` seconds on."""
        from tqdm import tqdm

        return tqdm(
            total=total,
            desc=title,
            unit=unit,
            unit_scale=unit == "B",
            file=sys.stderr,
            dynamic_ncols=True,
            delay=delay,
            disable=sys.stderr is None,
        )

    def load_model(self, name: str, **options: Any) -> Model:
        """See :func:`napari_medsam2.load_model`."""
        from ..models.loading import load_model

        return load_model(name, **options)

    def saved(self, saved: Saved) -> None:
        """A sequence is done, and this was written."""


_current: ContextVar[Host] = ContextVar("host", default=Host())  # noqa: B039  # it holds nothing that changes


def current_host() -> Host:
    """Whom the command that runs here speaks to."""
    return _current.get()


@contextmanager
def hosted_by(host: Host) -> Iterator[None]:
    """Have commands on this thread speak to another host than the terminal."""
    before = _current.set(host)
    try:
        yield
    finally:
        _current.reset(before)

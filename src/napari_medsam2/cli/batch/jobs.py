"""Jobs, checked before any is done: what each says, where its results go, and that these get in nobody's way."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import OutputError, PromptError
from ...images.writers.formats import format_of
from ..prompt_files import parse_box, parse_point
from .rows import PROMPTS, WRITTEN, Row

#: Options that name what is written.


@dataclass(frozen=True)
class Job:
    """One sequence to segment.

    Attributes
    ----------
    name
        Of its labels, from the folder that all results go to.
    place
        Where it was asked for, for messages.
    options
        Those of ``segment`` that are not as by default; paths are absolute.
    """

    name: str
    place: str
    options: Mapping[str, Any]

    @property
    def written(self) -> tuple[Path, ...]:
        """What it writes: the labels first."""
        named = [self.options[name] for name in WRITTEN if name in self.options]
        folder = format_of(named[0]) is None
        return (*named, *([named[0].with_name(named[0].name + ".csv")] if folder else ()))

    @property
    def model(self) -> str:
        """What it asks for, to have those with one model follow each other."""
        return str(self.options.get("model") or self.options.get("task") or "")


def make_jobs(rows: Sequence[Row], shared: Mapping[str, Any], output: Path) -> list[Job]:
    """The jobs of a batch.

    Parameters
    ----------
    rows
        What each of them says.
    shared
        What goes for those that say nothing else.
    output
        The folder that all results go to: a job that would write anywhere else is refused.

    Raises
    ------
    UserError
        If one of them cannot be meant; nothing was done then.
    """
    root = Path(os.path.realpath(output))
    jobs = []
    for row in rows:
        own = dict(row.options)
        of_all = {name: value for name, value in shared.items() if name not in PROMPTS or not own.keys() & set(PROMPTS)}
        if "session" in own:
            of_all = {name: value for name, value in of_all.items() if name == "device"}
        options = of_all | own
        job = Job(_name(own["output"], root, row.place), row.place, options)
        for path in job.written[1:]:
            _name(path, root, row.place)
        _check_prompts(job)
        jobs.append(job)
    _check_together(jobs)
    return jobs


def _name(path: Path, root: Path, place: str) -> str:
    real = Path(os.path.realpath(path))
    if not real.is_relative_to(root) or real == root:
        raise OutputError(
            f"{place}: {path} is not in {root}, where results of this batch go; --output-folder names another folder"
        )
    return str(real.relative_to(root))


def _check_prompts(job: Job) -> None:
    if not any(job.options.get(name) for name in PROMPTS):
        raise PromptError(f"{job.place} has no prompt; a job needs one of {', '.join(PROMPTS)}")
    try:
        for text in job.options.get("point", ()):
            parse_point(text)
        for text in job.options.get("box", ()):
            parse_box(text)
    except PromptError as error:
        raise PromptError(f"{job.place}: {error}") from error


def _check_together(jobs: Sequence[Job]) -> None:
    """Refuse two jobs that write one file, and a job that writes what another one reads."""
    writers: dict[str, Job] = {}
    for job in jobs:
        for path in job.written:
            key = os.path.normcase(os.path.realpath(path))
            if key in writers:
                raise OutputError(f"{writers[key].place} and {job.place} both write {path}")
            writers[key] = job
    for job in jobs:
        for path in read_files(job.options):
            writer = writers.get(os.path.normcase(os.path.realpath(path)))
            if writer is not None:
                raise OutputError(f"{path} is read by {job.place} and written by {writer.place}")


def read_files(options: Mapping[str, Any]) -> list[Path]:
    """What the options of a job name to be read."""
    masks = [Path(text.partition(":")[2]) for text in options.get("mask", ())]
    named = [options[name] for name in ("input", "task", "session") if options.get(name) is not None]
    model = [Path(options["model"])] if Path(str(options.get("model") or "")).is_file() else []
    return [*named, *options.get("prompts", ()), *masks, *model]

"""``napari-medsam2 batch``: the arguments, and the way of a batch from its table to its summary."""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ...errors import OptionError, OutputError, first_few
from .. import segment
from ..console import INTERRUPTED, progress_bar, say, stopped_softly, tell
from .clusters import add_cluster_options, job_script, n_wanted, need_dask, workers_of
from .folder import jobs_folder
from .jobs import Job, make_jobs
from .records import FOLDER, Record, fingerprint, read_record, record_path, state_of
from .rows import PROMPTS, Row, anchored, columns, read_table
from .running import outcomes
from .summary import FILE, MOST_LINES, Line, in_words, save_summary
from .work import Order

#: Exit code of a batch of which some jobs failed.
SOME_FAILED = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the jobs, where results go, the workers, and the options of ``segment`` that go for all jobs."""
    parser.description = (
        "Segment many sequences on many workers. What is done already is not done again; a job that fails is tried "
        "once more, and the others go on. Ends with 0 if all is done, 1 if some jobs failed."
    )
    parser.add_argument(
        "jobs",
        type=Path,
        help="a CSV whose columns are options of segment (input and output are needed), or a folder of images with "
        "their prompts beside them, in NAME.json or NAME.medsam2",
    )
    parser.add_argument(
        "-O",
        "--output-folder",
        type=Path,
        metavar="FOLDER",
        help="where results go, and nowhere else (default: where the CSV is; of a folder NAME, NAME_labels beside it)",
    )
    parser.add_argument("--suffix", default=".tif", help="what labels of a folder are written as (default: .tif)")
    parser.add_argument("--again", action="store_true", help="do all jobs, also those that are done")
    parser.add_argument(
        "--overwrite", action="store_true", help="write over results that no batch made, or that were changed since"
    )
    add_cluster_options(parser)
    segment.add_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Do the jobs; returns the exit code.

    Raises
    ------
    UserError
        If the jobs cannot be meant, or no worker can be had; nothing was done then.
    """
    need_dask()
    if arguments.show_script:
        tell(job_script(arguments))
        return 0
    output = _output_folder(arguments)
    jobs = make_jobs(_rows(arguments, output), _of_all(arguments), output)
    with _alone_in(output):
        due, lines = _due(arguments, jobs, output)
        if lines:
            say(f"{len(lines)} of {len(jobs)} jobs are done already")
        stopped = bool(due) and _run_all(arguments, due, lines)
        save_summary(output / FILE, lines)
    return _conclude(jobs, lines, output, stopped=stopped)


def _rows(arguments: argparse.Namespace, output: Path) -> list[Row]:
    if not arguments.jobs.is_dir():
        return read_table(arguments.jobs, output)
    have_prompts = any(getattr(arguments, name, None) for name in PROMPTS)
    return jobs_folder(arguments.jobs.absolute(), output, arguments.suffix, all_have_prompts=have_prompts)


def _output_folder(arguments: argparse.Namespace) -> Path:
    if not arguments.jobs.exists():
        raise OptionError(f"there is no table or folder of jobs {arguments.jobs}")
    jobs = Path(os.path.abspath(arguments.jobs))
    beside = jobs.with_name(f"{jobs.name}_labels") if jobs.is_dir() else jobs.parent
    return Path(os.path.abspath(arguments.output_folder or beside))


def _of_all(arguments: argparse.Namespace) -> dict[str, Any]:
    """The options of ``segment`` that were given for all jobs; paths are relative to where the command runs."""
    given = {
        name: getattr(arguments, name)
        for name, option in columns().items()
        if hasattr(arguments, name) and getattr(arguments, name) != option.default
    }
    return anchored(given, Path.cwd())


@contextmanager
def _alone_in(output: Path) -> Iterator[None]:
    """No other batch writes there meanwhile."""
    folder = output / FOLDER
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / "lock", timeout=0)
        lock.acquire()
    except Timeout as error:
        raise OutputError(
            f"another batch is at work in {output}; wait for it, or name another --output-folder"
        ) from error
    except OSError as error:
        raise OutputError(f"cannot write to {output}: {error.strerror or error}") from error
    try:
        yield
    finally:
        lock.release()


def _due(arguments: argparse.Namespace, jobs: Sequence[Job], output: Path) -> tuple[list[Order], list[Line]]:
    """What is to be done, those with one model after each other, and the lines of what is done already."""
    due, lines = [], []
    in_the_way: dict[str, list[str]] = {"foreign": [], "changed": []}
    versions = Counter[str]()
    with progress_bar(len(jobs), "looking for what is done", unit="job", delay=1.0) as bar:
        for job in jobs:
            path, made_of = record_path(job, output), fingerprint(job, output)
            record = read_record(path)
            state = state_of(job, record, made_of)
            if state in in_the_way and not arguments.overwrite:
                in_the_way[state].append(job.name)
            if state == "done" and record is not None and not arguments.again:
                lines.append(Line(job.name, str(job.options["input"]), "done before", record.summary))
                versions[record.version] += 1
            else:
                due.append((job.model, Order(job.name, job.options, job.written, path, made_of)))
            bar.update()
    _refuse(in_the_way, output)
    if others := {version: number for version, number in versions.items() if version != Record("").version}:
        told = ", ".join(f"{number} by {version}" for version, number in others.items())
        say(f"some were done by another version of napari-medsam2 ({told}); --again does them anew")
    return [order for _, order in sorted(due, key=lambda pair: pair[0])], lines


def _refuse(in_the_way: dict[str, list[str]], output: Path) -> None:
    for state, names in in_the_way.items():
        if names:
            why = {"foreign": "are there and no batch made them", "changed": "were changed since a batch made them"}[
                state
            ]
            raise OutputError(
                f"results in {output} {why}: {first_few(names)}. Move them away, or have them written over: --overwrite"
            )


def _run_all(arguments: argparse.Namespace, due: Sequence[Order], lines: list[Line]) -> bool:
    """Have the jobs done, and add a line for each; returns whether it was stopped."""
    inputs = {order.name: str(order.options["input"]) for order in due}
    wanted = n_wanted(arguments)
    try:
        with stopped_softly(), workers_of(arguments) as client:
            _tell_of(client, wanted)
            with progress_bar(len(due), "batch", unit="job") as bar:
                for outcome in outcomes(client, due, lambda n: bar.set_postfix(frames=n, refresh=True)):
                    state = "failed" if outcome.problem else "done"
                    lines.append(Line(outcome.name, inputs[outcome.name], state, outcome.summary, outcome.problem))
                    bar.update()
    except KeyboardInterrupt:
        return True
    return False


def _tell_of(client: Any, wanted: int | None) -> None:
    from importlib.util import find_spec

    where = f"{wanted} worker(s)" if wanted is not None else "the workers of that scheduler"
    link = client.dashboard_link if find_spec("bokeh") else ""
    say(f"{where}; {f'dashboard: {link}' if link else 'for a dashboard, pip install bokeh'}")


def _conclude(jobs: Sequence[Job], lines: Sequence[Line], output: Path, *, stopped: bool) -> int:
    remarks = [f"{line.name}: {said}" for line in lines if line.state == "done" for said in line.summary["remarks"]]
    for remark in remarks[:MOST_LINES]:
        say(remark)
    if len(remarks) > MOST_LINES:
        say(f"{len(remarks) - MOST_LINES} more remarks are in {FILE}")
    if told := in_words(lines):
        tell(told)
    failed = [line for line in lines if line.problem]
    for line in failed[:MOST_LINES]:
        say(f"{line.name} failed: {line.problem.splitlines()[0]}")
    done = len(lines) - len(failed)
    tell(
        f"{done} of {len(jobs)} jobs are done{f', {len(failed)} failed' if failed else ''}; {output / FILE} lists them"
    )
    if stopped:
        say("stopped; the same command does the rest")
        return INTERRUPTED
    return SOME_FAILED if failed else 0

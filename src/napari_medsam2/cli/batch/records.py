"""What was done already, and whether it still holds: a small file beside the results for each job.

A job is done if its results are as they were written, and all that they were made of is as it was: the options, the
files of the images by name, size and time of change, and files of prompts by content. Results that are there and of
which no file says that a batch made them, or that were changed since, are nobody's to write over.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ... import __version__
from ...errors import EXPECTED_ERRORS, DatasetError, UserError
from ...json_files import read_json
from ..reports import save_json
from .jobs import Job, read_files

#: The folder among the results that these files are in.
FOLDER = ".napari-medsam2-batch"
#: Options that change nothing about the labels.
_NO_MATTER = ("device",)

#: What a summary says in numbers, if at all.
_NUMBERS = ("confidence", "lowest", "doubt", "seconds")

State = Literal["due", "done", "changed", "foreign"]


@dataclass(frozen=True)
class Record:
    """What is known of a job.

    Attributes
    ----------
    made_of
        The fingerprint of all that its results depend on.
    finished
        False while it is being done, and for ever if whoever did it was ended.
    results
        The fingerprint of what was written.
    summary
        What a table says of it.
    version
        Of the program.
    """

    made_of: str
    finished: bool = False
    results: str = ""
    summary: Mapping[str, Any] = field(default_factory=dict)
    version: str = __version__

    def write(self, path: Path) -> None:
        """Keep it; :class:`OutputError` if that is not possible."""
        save_json(path, dict(vars(self)))


def read_record(path: Path) -> Record | None:
    """What is known; ``None`` if it is nothing, or nothing that can be read."""
    try:
        content = read_json(path, DatasetError)
        record = Record(**content)
    except (*EXPECTED_ERRORS, TypeError):
        return None
    summary = record.summary
    texts = all(isinstance(text, str) for text in (record.made_of, record.results, record.version))
    if not texts or not isinstance(record.finished, bool) or not isinstance(summary, dict):
        return None
    numbers = all(isinstance(summary.get(name), int | float | None) for name in _NUMBERS)
    remarks = summary.get("remarks", [])
    said = isinstance(remarks, list) and all(isinstance(remark, str) for remark in remarks)
    return record if numbers and said else None


def record_path(job: Job, output: Path) -> Path:
    """Where the record of a job is."""
    readable = "".join(letter if letter.isalnum() or letter in "._-" else "_" for letter in job.name)[-60:]
    return output / FOLDER / f"{readable}-{hashlib.sha256(os.fsencode(job.name)).hexdigest()[:12]}.json"


def state_of(job: Job, record: Record | None, made_of: str) -> State:
    """Whether a job is to be done: "due"; "done"; "changed", results that someone changed; "foreign", of no batch."""
    there = [path for path in job.written if os.path.lexists(path)]
    if record is None:
        return "foreign" if there else "due"
    if not there or not record.finished:
        return "due"
    if record.results != fingerprint_of_files(job.written):
        return "changed"
    return "done" if record.made_of == made_of else "due"


def fingerprint(job: Job, output: Path) -> str:
    """Of all that the results of a job depend on, as it is now; the same where all of it was moved elsewhere."""
    told = {name: _told(name, value, output) for name, value in sorted(job.options.items()) if name not in _NO_MATTER}
    digest = hashlib.sha256(json.dumps(told).encode("utf-8", "surrogatepass"))
    for path in job.options.get("prompts", ()):
        digest.update(fingerprint_of_files(_masks_of(path)).encode())
    by_stamp = [path for path in read_files(job.options) if path not in (by_content := _prompt_files(job))]
    digest.update(fingerprint_of_files(by_stamp).encode())
    for path in by_content:
        digest.update(_content(path))
    return digest.hexdigest()


def fingerprint_of_files(paths: Iterable[Path]) -> str:
    """Of files, and of all in folders, as they are now: by name, size and time of change."""
    digest = hashlib.sha256()
    for path in paths:
        for file in _files_of(path):
            digest.update(f"{file.relative_to(path.parent)}\0{_stamp(file)}\n".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _prompt_files(job: Job) -> list[Path]:
    named = [job.options[name] for name in ("task", "session") if job.options.get(name) is not None]
    return [*job.options.get("prompts", ()), *named]


def _files_of(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    for folder, folders, names in os.walk(path):
        folders.sort()
        yield from (Path(folder, name) for name in sorted(names))


def _stamp(file: Path) -> str:
    try:
        facts = file.stat()
        return f"{facts.st_size} {facts.st_mtime_ns}"
    except OSError as error:
        return f"{error.errno}"


def _content(file: Path) -> bytes:
    digest = hashlib.sha256()
    try:
        with file.open("rb") as opened:
            while part := opened.read(1 << 20):
                digest.update(part)
        return digest.digest()
    except OSError as error:
        return f"{error.errno}".encode()


def _masks_of(prompts: Path) -> list[Path]:
    """The files of drawn masks that a file of prompts names."""
    try:
        items = read_json(prompts, DatasetError)["prompts"]
        return [prompts.parent / item["file"] for item in items if isinstance(item, dict) and item.get("file")]
    except (UserError, TypeError, KeyError):
        return []  # the job says what is wrong with it


def _told(name: str, value: Any, output: Path) -> Any:
    """What an option says, with paths as they are seen from the results."""
    if isinstance(value, list | tuple):
        return [_told(name, part, output) for part in value]
    if name == "mask":
        frame, _, file = str(value).partition(":")
        return f"{frame}:{_seen_from(output, file)}"
    if isinstance(value, Path) or (name == "model" and os.path.isabs(value)):
        return _seen_from(output, str(value))
    return value


def _seen_from(output: Path, file: str) -> str:
    try:
        return Path(os.path.relpath(file, output)).as_posix()
    except ValueError:  # on another drive
        return file

"""What was done with images, in one file that survives a kill at any moment: prompts, results, kept labels, settings.

The file is an SQLite database: a change is in it whole or not at all, and costs as much as the change, not as the file.
Nothing in it is ever run: masks are packed bits, everything else is text and numbers, and all of it is checked.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from types import TracebackType
from typing import Any, get_args

from ..errors import SessionFileError, UserError
from ..images.opened import LabelledObject
from ..prompts import FramePrompts, Prompt
from ..types import Mode
from .journal import Entry
from .packing import pack_labels, pack_result, unpack_labels, unpack_result
from .rows import prompt_of, row_of, sealed, shape_of, unsealed
from .saved import Changes, SavedImage, SavedSession, SessionSummary
from .task_file import pack_task, unpack_task
from .taught import Task

SUFFIX = ".medsam2"
#: So long a file that another program holds is waited for.
WAIT_S = 5.0
#: "MdS2", by which SQLite and ``file`` tell these databases from others.
_APPLICATION = 0x4D645332
#: Files of version 1, which no release wrote, had neither a journal nor checksums.
_VERSION = 2
_SCHEMA = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE objects (number INTEGER PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE prompts (
    object INTEGER, frame INTEGER, place INTEGER, value TEXT NOT NULL, mask BLOB,
    PRIMARY KEY (object, frame, place)
);
CREATE TABLE results (
    frame INTEGER, object INTEGER, value TEXT NOT NULL, mask BLOB NOT NULL,
    PRIMARY KEY (frame, object)
);
CREATE TABLE kept (frame INTEGER PRIMARY KEY, value TEXT NOT NULL, labels BLOB NOT NULL);
CREATE TABLE journal (number INTEGER PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE journal_prompts (
    number INTEGER, place INTEGER, object INTEGER, frame INTEGER, value TEXT NOT NULL, mask BLOB,
    PRIMARY KEY (number, place)
);
"""
#: Made with the first task file: others have no such table.
_TASKS = "CREATE TABLE IF NOT EXISTS tasks (number INTEGER PRIMARY KEY, value TEXT NOT NULL, data BLOB NOT NULL)"
_TABLES = ("objects", "prompts", "results", "kept", "journal", "journal_prompts")


class SessionFile:
    """A session file that is written to as things change. Use it on one thread.

    Parameters
    ----------
    path
        A new file, or one that was written before and is gone on with.
    image, mode
        What it is about.

    Raises
    ------
    SessionFileError
        If it cannot be written, or is no session file.
    """

    def __init__(self, path: Path, image: SavedImage, mode: Mode) -> None:
        self.path, self.mode = path, mode
        with _in_words(path, "write"):
            self._database = sqlite3.connect(path, timeout=WAIT_S, isolation_level=None)
            if not _tables(self._database):
                with _whole(self._database):
                    for statement in _SCHEMA.split(";"):
                        self._database.execute(statement)
                    self._database.execute(f"PRAGMA application_id = {_APPLICATION}")
                    self._database.execute(f"PRAGMA user_version = {_VERSION}")
            _check(self._database, path)
        self.write(Changes(facts={"image": asdict(image), "mode": mode}))

    def __enter__(self) -> SessionFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def write(self, changes: Changes, *, anew: bool = False) -> None:
        """Write changes, all of them or none; ``anew``: in place of all that there was but facts.

        Raises
        ------
        SessionFileError
            If they cannot be written, as on a full disk; what was there before is as it was.
        """
        with _in_words(self.path, "write"), _whole(self._database):
            run = self._database.execute
            for table in _TABLES if anew else ():
                run(f"DELETE FROM {table}")
            for name, fact in changes.facts.items():
                run("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, sealed(fact, name)))
            for number, known in changes.objects.items():
                run("DELETE FROM objects WHERE number = ?", (number,))
                if known is not None:
                    run("INSERT INTO objects VALUES (?, ?)", (number, sealed([known.name, known.colour], number)))
            for key, prompts in changes.prompts.items():
                run("DELETE FROM prompts WHERE object = ? AND frame = ?", key)
                for place, prompt in enumerate(prompts or ()):
                    _insert(run, "prompts", (*key, place), *row_of(prompt))
            for key, result in changes.results.items():
                run("DELETE FROM results WHERE frame = ? AND object = ?", key)
                if result is not None:
                    _insert(run, "results", key, *pack_result(result))
            for frame, labels in changes.kept.items():
                run("DELETE FROM kept WHERE frame = ?", (frame,))
                if labels is not None and labels.any():
                    _insert(run, "kept", (frame,), None, pack_labels(labels))
            if changes.tasks:
                run(_TASKS)
                there = _tasks(self._database)
                for number, task in enumerate((t for d, t in changes.tasks.items() if d not in there), len(there)):
                    _insert(run, "tasks", (number,), [task.digest, task.name], pack_task(task))
            for number, entry in changes.journal.items():
                run("DELETE FROM journal_prompts WHERE number = ?", (number,))
                told = sealed([entry.what, dict(entry.values), len(entry.prompts)], number)
                run("INSERT OR REPLACE INTO journal VALUES (?, ?)", (number, told))
                for place, prompt in enumerate(entry.prompts):
                    where = (number, place, int(prompt.object_id), int(prompt.frame))
                    _insert(run, "journal_prompts", where, *row_of(prompt))


def read_session(path: Path) -> SavedSession:
    """Read a session file.

    Raises
    ------
    SessionFileError
        If there is none, it is damaged, of a later version, or says what cannot be.
    """
    with _in_words(path, "read"), _opened(path) as database:
        if (problem := database.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            raise SessionFileError(f"{path.name} is damaged: {problem}")
        facts = _facts(database)
        image = _image(facts.pop("image", None))
        mode = facts.pop("mode", None)
        if mode not in get_args(Mode):
            raise SessionFileError(f"{path.name} says neither that its frames are a stack nor that they are a flow")
        objects = database.execute("SELECT number, value FROM objects ORDER BY number")
        results = _rows(database, "results", "frame, object")
        kept = _rows(database, "kept", "frame")
        return SavedSession(
            image,
            mode,
            facts,
            {number: LabelledObject(*map(str, unsealed(value, number))) for number, value in objects},
            _prompts(database, image),
            tuple(
                unpack_result(frame, number, value, mask, shape_of(frame, image.shapes))
                for (frame, number), value, mask in results
            ),
            {frame: unpack_labels(labels, shape_of(frame, image.shapes)) for (frame,), _, labels in kept},
            _journal(database, image),
            _tasks(database),
        )


def summarise(path: Path) -> SessionSummary:
    """Look at a session file without its pixels; raises as :func:`read_session`."""
    with _in_words(path, "read"), _opened(path) as database:
        facts = _facts(database)
        image = _image(facts.pop("image", None))
        (n_objects,) = database.execute(
            "SELECT COUNT(*) FROM (SELECT object FROM prompts UNION SELECT object FROM results)"
        ).fetchone()
        (n_frames,) = database.execute(
            "SELECT COUNT(*) FROM (SELECT frame FROM results UNION SELECT frame FROM kept)"
        ).fetchone()
        return SessionSummary(image, facts, n_objects, n_frames)


# ---- what is in the tables -------------------------------------------------------------------------------------------


def _insert(run: Callable[..., Any], table: str, key: tuple[int, ...], value: Any, pixels: bytes | None) -> None:
    """A row: its key, a value and pixels, with a checksum of all three."""
    row = (*key, sealed(value, key, zlib.crc32(pixels or b"")), pixels)
    run(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)


def _rows(database: sqlite3.Connection, table: str, order: str) -> Iterator[tuple[tuple[int, ...], Any, bytes]]:
    """Key, value and pixels of each row; :class:`SessionFileError` where they are not what was written."""
    for *key, value, pixels in database.execute(f"SELECT * FROM {table} ORDER BY {order}"):
        yield tuple(key), unsealed(value, tuple(key), zlib.crc32(pixels or b"")), pixels


def _prompts(database: sqlite3.Connection, image: SavedImage) -> tuple[FramePrompts, ...]:
    found: dict[tuple[int, int], list[Prompt]] = {}
    for (number, frame, _), value, mask in _rows(database, "prompts", "object, frame, place"):
        found.setdefault((number, frame), []).append(prompt_of(value, mask, frame, number, image.shapes))
    return tuple(FramePrompts(number, frame, tuple(prompts)) for (number, frame), prompts in found.items())


def _journal(database: sqlite3.Connection, image: SavedImage) -> tuple[Entry, ...]:
    prompts: dict[int, list[Prompt]] = {}
    for (entry, _, number, frame), value, mask in _rows(database, "journal_prompts", "number, place"):
        prompts.setdefault(entry, []).append(prompt_of(value, mask, frame, number, image.shapes))
    entries: list[Entry] = []
    for place, value in database.execute("SELECT number, value FROM journal ORDER BY number"):
        what, values, n_prompts = unsealed(value, place)
        given = tuple(prompts.get(place, ()))
        if place != len(entries) or n_prompts != len(given):
            raise SessionFileError(f"entry {len(entries)} of its journal is not complete")
        entries.append(Entry(str(what), dict(values), given))
    return tuple(entries)


def _tasks(database: sqlite3.Connection) -> dict[str, Task]:
    if ("tasks",) not in _tables(database):
        return {}
    rows = ((*told, data) for _, told, data in _rows(database, "tasks", "number"))
    return {digest: replace(unpack_task(data, name), digest=digest) for digest, name, data in rows}


def _facts(database: sqlite3.Connection) -> dict[str, Any]:
    return {name: unsealed(value, name) for name, value in database.execute("SELECT name, value FROM facts")}


def _image(value: Any) -> SavedImage:
    shapes = tuple((int(height), int(width)) for height, width in value["shapes"])
    return SavedImage(str(value["name"]), str(value["path"]), shapes, str(value["content"]), dict(value["selection"]))


# ---- the database ----------------------------------------------------------------------------------------------------


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """The database, to be read. After a kill in the middle of a change, that is taken back first, in the file."""
    if not path.is_file():
        raise SessionFileError(f"there is no session file {path}")
    cut_off = path.with_name(path.name + "-journal").is_file()
    address = f"{path.resolve().as_uri()}?mode={'rw' if cut_off else 'ro'}"
    with closing(sqlite3.connect(address, uri=True)) as database:
        database.execute("PRAGMA trusted_schema = OFF")
        _check(database, path)
        yield database


def _tables(database: sqlite3.Connection) -> Sequence[Any]:
    return database.execute("SELECT name FROM sqlite_master").fetchall()


def _check(database: sqlite3.Connection, path: Path) -> None:
    (application,) = database.execute("PRAGMA application_id").fetchone()
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if application != _APPLICATION:
        raise SessionFileError(f"{path.name} is no session file of napari-medsam2")
    if version > _VERSION:
        raise SessionFileError(f"{path.name} is of a later version of napari-medsam2: update it to open the file")
    if version < _VERSION:
        raise SessionFileError(f"{path.name} is of a version of napari-medsam2 before the first release")


@contextmanager
def _whole(database: sqlite3.Connection) -> Iterator[None]:
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        database.rollback()
        raise
    database.commit()


@contextmanager
def _in_words(path: Path, what: str) -> Iterator[None]:
    try:
        yield
    except SessionFileError as error:
        raise error if path.name in str(error) else SessionFileError(f"{path.name} is damaged: {error}") from error
    except sqlite3.DatabaseError as error:
        raise SessionFileError(f"cannot {what} the session file {path}: {error}") from error
    except (UserError, LookupError, TypeError, ValueError, RecursionError, OverflowError) as error:
        raise SessionFileError(f"cannot {what} the session file {path}: it is damaged ({error})") from error

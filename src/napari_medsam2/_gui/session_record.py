"""What is known of the session file of one image, and what is done with the file on the thread that writes."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ..errors import SessionFileError
from ..prompts import FramePrompts
from ..results import FrameResult
from ..session.journal import Entry
from ..session.session_file import SUFFIX, Changes, SavedImage, SavedSession, SessionFile, read_session
from ..types import AnyArray
from .dock_state import Recovery

#: Beside so many of the newest session files, those are deleted whose labels were saved, or that are very old.
_MOST_FILES = 50
_VERY_OLD_S = 90 * 24 * 3600
#: What labels were made of: prompts, results, and the version of kept labels.
LabelsMadeOf = tuple[dict[Any, Any], dict[Any, Any], int]


@dataclass(eq=False)
class SessionRecord:
    """What is known of the session file of one workspace.

    Attributes
    ----------
    image
        Which images it is about; ``None`` until their pixels were looked at.
    path
        The file; ``None`` while there is nothing to write.
    facts, prompts, results, journal
        As they were written last.
    checksums
        Of the kept label images, by frame; on the writing thread.
    lock, file
        Held while the file is written to; on the writing thread.
    kept_changed
        True if there are kept labels that were not compared yet.
    kept_version
        How often labels were kept, or painted where they are kept.
    saving, saved
        Prompts, results and version of the kept labels as a file of labels has them: one that is being written, and the
        last one that was.
    anew
        True if a change could not be written, so that what is in the file is not known.
    """

    image: SavedImage | None = None
    path: Path | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    prompts: dict[Any, Any] = field(default_factory=dict)
    results: dict[tuple[int, int], FrameResult] = field(default_factory=dict)
    journal: list[Entry] = field(default_factory=list)
    checksums: dict[int, int] = field(default_factory=dict)
    lock: FileLock | None = None
    file: SessionFile | None = None
    kept_changed: bool = False
    kept_version: int = 0
    saving: LabelsMadeOf | None = None
    saved: LabelsMadeOf | None = None
    anew: bool = False

    def keep(self) -> None:
        """Take note that kept labels are others now."""
        self.kept_changed = True
        self.kept_version += 1


def recoverable(folder: Path, content: str) -> Recovery | None:
    """The newest session of these images that no window has open, and whose labels were not saved since."""
    files = sorted(folder.glob(f"*{SUFFIX}"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in files[_MOST_FILES:]:
        _tidy(path)
    for path in files:
        if path.name.startswith(f"{content}-") and path.is_file() and (found := _summary(path)) is not None:
            return found
    return None


def _tidy(path: Path) -> None:
    """Delete a session file that nobody will miss; what was never saved is kept for three months."""
    very_old = time.time() - path.stat().st_mtime > _VERY_OLD_S
    try:
        locked(path).release()
        was_saved = bool(read_session(path).facts.get("saved"))
    except (OSError, SessionFileError):  # open in another window, or damaged
        was_saved = False
    if very_old or was_saved:
        path.unlink(missing_ok=True)
        path.with_name(path.name + ".lock").unlink(missing_ok=True)


def _summary(path: Path) -> Recovery | None:
    try:
        locked(path).release()
        saved: SavedSession = read_session(path)
    except (OSError, SessionFileError):
        return None  # open in another window, or damaged
    numbers = {group.object_id for group in saved.prompts} | {found.object_id for found in saved.results}
    frames = {found.frame for found in saved.results} | set(saved.kept)
    if not (numbers or saved.kept) or saved.facts.get("saved"):
        return None
    return Recovery(path, datetime.fromtimestamp(path.stat().st_mtime), len(numbers), len(frames))


def locked(path: Path) -> FileLock:
    """Hold a session file; :class:`SessionFileError` if another window does."""
    lock = FileLock(path.with_name(path.name + ".lock"), thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise SessionFileError(f"{path.name} is open in another window") from error
    return lock


def write_changes(record: SessionRecord, changes: Changes, kept: AnyArray | None, mode: Any, anew: bool) -> None:
    """Write to the record's file, which is opened first if it is not."""
    assert record.path is not None and record.image is not None
    record.path.parent.mkdir(parents=True, exist_ok=True)
    if record.lock is None:
        record.lock = locked(record.path)
    if record.file is None or record.file.mode != mode:
        _close(record)
        record.file = SessionFile(record.path, record.image, mode)
    if anew:
        record.checksums = {}
    frames: dict[int, AnyArray | None] = {}
    checksums: dict[int, int] = {}
    for t, labels in enumerate(() if kept is None else kept.reshape(-1, *kept.shape[-2:])):
        checksums[t] = zlib.crc32(labels.tobytes())
        if record.checksums.get(t) != checksums[t]:
            height, width = record.image.shapes[t]
            frames[t] = labels[:height, :width]
    record.file.write(replace(changes, kept=frames), anew=anew)
    record.checksums |= checksums


def _close(record: SessionRecord) -> None:
    if record.file is not None:
        record.file.close()
        record.file = None


def let_go(record: SessionRecord) -> None:
    """Close the record's file, for other windows to take."""
    _close(record)
    if record.lock is not None:
        record.lock.release()
        record.lock = None


def same_prompts(one: FramePrompts, other: FramePrompts) -> bool:
    """Whether both say the same."""
    return one is other or one.same_as(other)


def same_result(one: FrameResult, other: FrameResult) -> bool:
    """Whether this is still that result; a frame that was done again has another one."""
    return one is other


def all_in(then: LabelsMadeOf, now: LabelsMadeOf) -> bool:
    """Whether there is nothing now that was not there then; what was deleted since is no loss."""
    prompts, results = differing(then[0], now[0], same_prompts), differing(then[1], now[1], same_result)
    return all(value is None for value in (*prompts.values(), *results.values())) and then[2] == now[2]


def differing(before: dict[Any, Any], now: dict[Any, Any], same: Callable[[Any, Any], bool]) -> dict[Any, Any]:
    """What is new or different, and ``None`` for what is gone."""
    found = {key: value for key, value in now.items() if key not in before or not same(before[key], value)}
    return found | {key: None for key in before if key not in now}

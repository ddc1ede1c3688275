"""What is known of the session file of one image, and what is done with the file on the thread that writes."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ..errors import SessionFileError
from ..images.opened import LabelledObject
from ..prompts import FramePrompts
from ..results import FrameResult
from ..session.journal import Entry
from ..session.saved import Changes, SavedImage
from ..session.session_file import SUFFIX, SessionFile, summarise
from ..types import AnyArray, Mode
from ..whole_file import replace_file
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
    facts, objects, prompts, results, journal, tasks
        As they were written last; of tasks their digests.
    checksums
        Of the kept label images, by frame; on the writing thread.
    lock, file
        Held while the file is written to; on the writing thread.
    kept_changed
        Frames whose kept labels may not be those that were written; ``None``: all.
    kept_elsewhere
        Kept labels that lie in a layer of the user's, by frame, as they were when they were kept.
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
    objects: dict[int, LabelledObject] = field(default_factory=dict)
    prompts: dict[Any, Any] = field(default_factory=dict)
    results: dict[tuple[int, int], FrameResult] = field(default_factory=dict)
    journal: list[Entry] = field(default_factory=list)
    tasks: set[str] = field(default_factory=set)
    checksums: dict[int, int] = field(default_factory=dict)
    lock: FileLock | None = None
    file: SessionFile | None = None
    kept_changed: set[int] | None = field(default_factory=set)
    kept_elsewhere: dict[int, AnyArray] = field(default_factory=dict)
    kept_version: int = 0
    saving: LabelsMadeOf | None = None
    saved: LabelsMadeOf | None = None
    anew: bool = False

    def keep(self, frames: Iterable[int] | None) -> None:
        """Take note that kept labels are others now, on these frames (``None``: on any)."""
        if frames is None or self.kept_changed is None:
            self.kept_changed = None
        else:
            self.kept_changed |= set(frames)
        self.kept_version += 1

    def forget_written(self) -> None:
        """All is to be written once more: what of it is in the file is not known."""
        self.facts, self.objects, self.prompts, self.results, self.journal = {}, {}, {}, {}, []
        self.kept_changed, self.anew, self.tasks = None, True, set()


def recoverable(folder: Path, content: str, path: str = "") -> Recovery | None:
    """The newest session of these images that no window has open, and whose labels were not saved since.

    If there is none, one of images that lay in the same place, ``path``, and had other pixels.
    """
    files = _newest_first(folder, f"*{SUFFIX}")
    for file in files[_MOST_FILES:]:
        _tidy(file)
    here = [file for file in files if file.is_file()]
    for file in here:
        if file.name.startswith(f"{content}-") and (found := _summary(file)) is not None:
            return found
    for file in here if path else ():
        if (found := _summary(file, path)) is not None:
            return found
    return None


def known_place(folder: Path, content: str) -> Path | None:
    """Where images with this content were opened from last, if they are there."""
    for file in _newest_first(folder, f"{content}-*{SUFFIX}"):
        with suppress(OSError, SessionFileError):
            place = Path(summarise(file).image.path)
            if place.is_absolute() and place.exists():
                return place
    return None


def _newest_first(folder: Path, pattern: str) -> list[Path]:
    dated = []
    for file in folder.glob(pattern):
        with suppress(FileNotFoundError):  # another window deleted it meanwhile
            dated.append((file.stat().st_mtime, file))
    return [file for _, file in sorted(dated, reverse=True)]


def _tidy(path: Path) -> None:
    """Delete a session file that nobody has open or will miss; what was never saved is kept for three months."""

    def tidy() -> None:
        was_saved = False
        with suppress(OSError, SessionFileError):  # damaged
            was_saved = bool(summarise(path).facts.get("saved"))
        if was_saved or time.time() - path.stat().st_mtime > _VERY_OLD_S:
            path.unlink(missing_ok=True)

    _while_held(path, tidy)


def delete(path: Path) -> None:
    """Delete a session file, unless another window has it open."""
    _while_held(path, lambda: path.unlink(missing_ok=True))


def _while_held(path: Path, do: Callable[[], None]) -> None:
    """Do something with a session file while no other window does; nothing if one has it open, or it is gone."""
    with suppress(OSError, SessionFileError):
        lock = locked(path)
        try:
            do()
        finally:
            lock.release()
        if not path.exists():
            path.with_name(path.name + ".lock").unlink(missing_ok=True)


def _summary(path: Path, place: str = "") -> Recovery | None:
    """What of a file can be brought back; with ``place`` only if its images were opened from there."""
    try:
        locked(path).release()
        found, written = summarise(path), path.stat().st_mtime
    except (OSError, SessionFileError):
        return None  # open in another window, deleted by it, or damaged
    elsewhere = place and (found.image.path != place or not found.image.path)
    if elsewhere or not (found.n_objects or found.n_frames) or found.facts.get("saved"):
        return None
    return Recovery(path, datetime.fromtimestamp(written), found.n_objects, found.n_frames, changed=bool(place))


def locked(path: Path) -> FileLock:
    """Hold a session file; :class:`SessionFileError` if another window does."""
    lock = FileLock(path.with_name(path.name + ".lock"), thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise SessionFileError(f"{path.name} is open in another window") from error
    return lock


def write_changes(
    record: SessionRecord, path: Path, changes: Changes, kept: Mapping[int, AnyArray], mode: Mode, anew: bool
) -> None:
    """Write to a file, which is opened first if it is not; of ``kept`` what differs from last time."""
    assert record.image is not None
    path.parent.mkdir(parents=True, exist_ok=True)
    if record.lock is None:
        record.lock = locked(path)
    if record.file is None or (record.file.path, record.file.mode) != (path, mode):
        _close(record)
        record.file = SessionFile(path, record.image, mode)
    if anew:
        record.checksums = {}
    checksums = {t: zlib.crc32(labels.tobytes()) for t, labels in kept.items()}
    different = {t: labels for t, labels in kept.items() if record.checksums.get(t) != checksums[t]}
    record.file.write(replace(changes, kept=different), anew=anew)
    record.checksums |= checksums


def write_whole(path: Path, image: SavedImage, mode: Mode, everything: Changes) -> None:
    """Write a session file of the user's, whole or not at all.

    Raises
    ------
    SessionFileError
        If it cannot be written; an older file is as it was.
    """

    def write(draft: Path) -> None:
        with SessionFile(draft, image, mode) as file:
            file.write(everything)

    replace_file(path, write, error=SessionFileError)


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

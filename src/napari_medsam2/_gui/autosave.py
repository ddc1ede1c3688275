"""What is done with images is kept in session files, seconds after it was done, and offered again after a crash.

The interface thread only compares what there is with what was written last; pixels are read and files written on a
thread of its own, in the order in which things happened.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4
from weakref import WeakKeyDictionary

from filelock import FileLock, Timeout
from napari.layers import Labels
from platformdirs import user_state_path
from qtpy.QtCore import QObject, QTimer, Signal

from ..errors import EXPECTED_ERRORS, SessionFileError, in_words
from ..images.formats import as_frames
from ..results import FrameResult
from ..session.image_identity import content_of
from ..session.session_file import (
    SUFFIX,
    Changes,
    SavedImage,
    SavedSession,
    SessionFile,
    read_session,
)
from ..types import AnyArray
from .dock_state import Recovery
from .dock_store import DockStore
from .keeping import Keeping
from .layers.opened_layers import images_of
from .layers.workspace import Workspace

#: From a change to its being written, at most; several changes in that time are written as one.
DELAY_MS = 1500
#: Older session files than so many are deleted.
_MOST_FILES = 50


@dataclass(eq=False)
class _Record:
    """What is known of the session file of one workspace.

    Attributes
    ----------
    image
        Which images it is about; ``None`` until their pixels were looked at.
    path
        The file; ``None`` while there is nothing to write.
    facts, prompts, results
        As they were written last.
    checksums
        Of the kept label images, by frame; on the writing thread.
    lock, file
        Held while the file is written to; on the writing thread.
    kept_changed
        True if there are kept labels that were not compared yet.
    """

    image: SavedImage | None = None
    path: Path | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    prompts: dict[Any, Any] = field(default_factory=dict)
    results: dict[tuple[int, int], FrameResult] = field(default_factory=dict)
    checksums: dict[int, int] = field(default_factory=dict)
    lock: FileLock | None = None
    file: SessionFile | None = None
    kept_changed: bool = False

    def note_kept(self) -> None:
        """Kept labels were added or painted on."""
        self.kept_changed = True


class Autosave(QObject):
    """Writes what is done in one dock.

    Parameters
    ----------
    store, keeping
        What there is, and the labels that are kept.
    folder
        Where session files are; ``None`` for that of the user.
    """

    #: What was read of a session file that is to be restored, and the workspace that it was read for.
    restored = Signal(object, object)

    _done = Signal(object)  # a call for the interface thread

    def __init__(self, store: DockStore, keeping: Keeping, folder: Path | None = None) -> None:
        super().__init__()
        self.folder = user_state_path("napari-medsam2") / "sessions" if folder is None else folder
        self._store = store
        self._keeping = keeping
        self._records: WeakKeyDictionary[Workspace, _Record] = WeakKeyDictionary()
        self._current: Workspace | None = None
        self._told = False
        self._closed = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="napari-medsam2 autosave")
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(DELAY_MS)
        self._timer.timeout.connect(self.flush)
        self._done.connect(lambda call: call())
        store.changed.connect(self._on_changed)
        keeping.committed.connect(self._on_kept)

    def close(self) -> None:
        """Write what is left, and wait for that."""
        if not self._closed:
            self.flush()
            self._closed = True
            self._timer.stop()
            for record in self._records.values():
                self._thread.submit(_let_go, record)
            self._thread.shutdown()

    def flush(self) -> None:
        """Have what changed written now."""
        work = self._current
        record = None if work is None else self._records.get(work)
        if work is None or record is None or self._closed:
            return
        if record.image is None:  # its pixels are being looked at
            self._timer.start()
            return
        changes, kept = self._changes(work, record)
        if changes or kept is not None:
            if record.path is None:
                record.path = self.folder / f"{record.image.content}-{uuid4().hex[:12]}{SUFFIX}"
            self._do(_write, record, changes, kept, self._store.chosen.mode)

    def wait(self) -> None:
        """Wait until all that was to be written is."""
        self._thread.submit(lambda: None).result()

    def restore(self, recovery: Recovery) -> None:
        """Read what was found, and go on writing to its file; :attr:`restored` follows."""
        work = self._current
        if work is None:
            return

        def read(record: _Record) -> None:
            saved = read_session(recovery.path)
            record.lock = _locked(recovery.path)

            def show() -> None:
                record.path, record.facts = recovery.path, dict(saved.facts)
                record.prompts = {(group.object_id, group.frame): group for group in saved.prompts}
                record.results = {(found.frame, found.object_id): found for found in saved.results}
                self._store.set(recovery=None)
                self.restored.emit(saved, work)

            self._done.emit(show)

        self._do(read, self._records[work])

    def discard(self, recovery: Recovery) -> None:
        """Delete what was found."""
        self._store.set(recovery=None)
        self._thread.submit(recovery.path.unlink, missing_ok=True)

    # ---- on the interface thread -------------------------------------------------------------------------------------

    def _on_changed(self) -> None:
        work = self._store.work
        if work is not self._current:
            self.flush()
            self._current = work
            if work is not None and work not in self._records:
                self._identify(work)
        if work is not None and not self._timer.isActive() and not self._closed:
            self._timer.start()

    def _on_kept(self, work: Workspace, layer: Labels) -> None:
        record = self._records.get(work)
        if record is not None:
            record.note_kept()
            layer.events.paint.connect(record.note_kept)  # once, however often something is kept

    def _identify(self, work: Workspace) -> None:
        """Find out which images these are, and whether there is something of them to be restored."""
        self._records[work] = _Record()
        opened, sequence = images_of(work.image), work.sequence
        pixels, rgb = sequence.frames(), work.image.rgb
        shapes = tuple(sequence.layout.size_of(t) for t in range(sequence.layout.n_frames))
        where = str(opened.files[0]) if len(opened.files) == 1 else str(opened.files[0].parent) if opened.files else ""
        name, folder = work.image.name, self.folder

        def look(record: _Record) -> None:
            content = content_of(as_frames(pixels, rgb=rgb))
            found = recoverable(folder, content)

            def show() -> None:
                record.image = SavedImage(name, where, shapes, content)
                if found is not None and self._store.work is work and record.path is None:
                    self._store.set(recovery=found)

            self._done.emit(show)

        self._do(look, self._records[work])

    def _changes(self, work: Workspace, record: _Record) -> tuple[Changes, AnyArray | None]:
        """What differs from what was written, which is then what there is; and the kept labels if they may differ."""
        chosen = self._store.chosen
        facts = {
            "model": chosen.model,
            "direction": chosen.direction,
            "current": chosen.current,
            "axis": chosen.axis,
            "contrast_as_shown": chosen.contrast_as_shown,
            "saved": "" if chosen.saved is None else str(chosen.saved),
        }
        prompts, results = dict(work.book.groups), dict(work.results.results)
        changes = Changes(
            {name: value for name, value in facts.items() if record.facts.get(name) != value},
            {},
            _differing(record.prompts, prompts, lambda a, b: a is b or a.same_as(b)),
            _differing(record.results, results, lambda a, b: a is b),
        )
        layer = self._keeping.kept_layer(work) if record.kept_changed else None
        if not changes.prompts and not changes.results and layer is None and record.path is None:
            return Changes(), None  # nothing is lost if this is
        record.facts, record.prompts, record.results, record.kept_changed = facts, prompts, results, False
        return changes, None if layer is None else layer.data[work.sequence.layout.index(slice(None))]

    def _do(self, call: Callable[..., None], record: _Record, *arguments: Any) -> None:
        """Do this on the writing thread; what goes wrong is told once."""

        def run() -> None:
            try:
                call(record, *arguments)
            except EXPECTED_ERRORS as error:
                told = in_words(error)
                self._done.emit(lambda: self._on_problem(record, told))

        with suppress(RuntimeError):  # closed meanwhile
            self._thread.submit(run)

    def _on_problem(self, record: _Record, told: str) -> None:
        record.facts, record.prompts, record.results, record.kept_changed = {}, {}, {}, True  # all of it, next time
        if not self._told and not self._closed:
            self._told = True
            self._store.say(f"What you do is not kept safe from a crash: {told}. Save often.")


# ---- on the writing thread -------------------------------------------------------------------------------------------


def recoverable(folder: Path, content: str) -> Recovery | None:
    """The newest session of these images that no window has open, and whose labels were not saved since."""
    files = sorted(folder.glob(f"*{SUFFIX}"), key=lambda path: path.stat().st_mtime, reverse=True)
    for old in files[_MOST_FILES:]:
        old.unlink(missing_ok=True)
    for path in files[:_MOST_FILES]:
        if path.name.startswith(f"{content}-") and (found := _summary(path)) is not None:
            return found
    return None


def _summary(path: Path) -> Recovery | None:
    try:
        _locked(path).release()
        saved: SavedSession = read_session(path)
    except (OSError, SessionFileError):
        return None  # open in another window, or damaged
    numbers = {group.object_id for group in saved.prompts} | {found.object_id for found in saved.results}
    frames = {found.frame for found in saved.results} | set(saved.kept)
    if not (numbers or saved.kept) or saved.facts.get("saved"):
        return None
    return Recovery(path, datetime.fromtimestamp(path.stat().st_mtime), len(numbers), len(frames), bool(saved.kept))


def _locked(path: Path) -> FileLock:
    lock = FileLock(path.with_name(path.name + ".lock"), thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise SessionFileError(f"{path.name} is open in another window") from error
    return lock


def _write(record: _Record, changes: Changes, kept: AnyArray | None, mode: Any) -> None:
    assert record.path is not None and record.image is not None
    record.path.parent.mkdir(parents=True, exist_ok=True)
    if record.lock is None:
        record.lock = _locked(record.path)
    if record.file is None or record.file.mode != mode:
        _close(record)
        record.file = SessionFile(record.path, record.image, mode)
    frames: dict[int, AnyArray | None] = {}
    checksums: dict[int, int] = {}
    for t, labels in enumerate(() if kept is None else kept.reshape(-1, *kept.shape[-2:])):
        checksums[t] = zlib.crc32(labels.tobytes())
        if record.checksums.get(t) != checksums[t]:
            height, width = record.image.shapes[t]
            frames[t] = labels[:height, :width]
    record.file.write(Changes(changes.facts, changes.objects, changes.prompts, changes.results, frames))
    record.checksums |= checksums


def _close(record: _Record) -> None:
    if record.file is not None:
        record.file.close()
        record.file = None


def _let_go(record: _Record) -> None:
    _close(record)
    if record.lock is not None:
        record.lock.release()


def _differing(before: dict[Any, Any], now: dict[Any, Any], same: Callable[[Any, Any], bool]) -> dict[Any, Any]:
    """What is new or different, and ``None`` for what is gone."""
    found = {key: value for key, value in now.items() if key not in before or not same(before[key], value)}
    return found | {key: None for key in before if key not in now}

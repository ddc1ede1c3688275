"""What is done with images is kept in session files, seconds after it was done, and offered again after a crash.

The interface thread only compares what there is with what was written last; pixels are read and files written on a
thread of its own, in the order in which things happened.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4
from weakref import WeakKeyDictionary, WeakSet

import numpy as np
from napari.layers import Labels
from platformdirs import user_state_path
from qtpy.QtCore import QObject, QTimer, Signal

from ..errors import EXPECTED_ERRORS, in_words
from ..images.formats import as_frames
from ..session.image_identity import content_of
from ..session.saved import SavedImage
from ..session.session_file import SUFFIX, read_session
from .dock_state import Recovery
from .dock_store import DockStore
from .keeping import Keeping
from .layers.layout import OPENED_KEY
from .layers.source import origin_of, read_alike
from .layers.workspace import Workspace
from .session_content import changes_of, made_of
from .session_record import (
    SessionRecord,
    delete,
    let_go,
    locked,
    recoverable,
    write_changes,
    write_whole,
)
from .writing_thread import WritingThread

#: From a change to its being written, at most; several changes in that time are written as one.
DELAY_MS = 1500
#: Of workspaces in all windows: one that another dock takes up goes on with its file.
_RECORDS: WeakKeyDictionary[Workspace, SessionRecord] = WeakKeyDictionary()
_NOT_SAFE = "What you do is not kept safe from a crash"
#: After a failure it is tried again so much later, or with the next change.
RETRY_MS = 30_000


class Autosave(QObject):
    """Writes what is done in one dock.

    Parameters
    ----------
    store, keeping
        What there is, and the labels that are kept.
    folder
        Where session files are; ``None`` for that of the user.

    Attributes
    ----------
    on
        False if the user wants nothing written without being asked; what is there already is offered all the same.
    """

    #: What was read of a session file that is to be restored, the workspace that it was read for, and its images.
    restored = Signal(object, object, object)
    #: A workspace, and what its images are, as soon as that is known.
    identified = Signal(object, object)

    def __init__(self, store: DockStore, keeping: Keeping, folder: Path | None = None) -> None:
        super().__init__()
        self.folder = user_state_path("napari-medsam2") / "sessions" if folder is None else folder
        self.on = True
        self._store = store
        self._keeping = keeping
        self._seen: WeakSet[Workspace] = WeakSet()
        self._current: Workspace | None = None
        self._told = False
        self._closed = False
        self._thread = WritingThread()
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(DELAY_MS)
        self._timer.timeout.connect(self.flush)
        self._retry = QTimer(self)
        self._retry.setSingleShot(True)
        self._retry.setInterval(RETRY_MS)
        self._retry.timeout.connect(self.flush)
        store.changed.connect(self._on_changed)
        keeping.committed.connect(self._on_kept)
        keeping.painted.connect(self._on_painted)
        keeping.saving.connect(self._on_saving)
        keeping.saved.connect(self._on_saved)

    def close(self) -> None:
        """Write what is left, and wait for that."""
        if not self._closed:
            self.wait()  # until it is known what the pixels are
            self.flush()
            self._closed = True
            self._timer.stop()
            self._retry.stop()
            for work in list(self._seen):
                self._thread.do(let_go, _RECORDS[work])
            self._thread.close()

    def flush(self) -> None:
        """Have what changed written now."""
        work = self._current
        record = None if work is None else _RECORDS.get(work)
        if work is None or record is None or self._closed or not self.on:
            return
        if record.image is None:  # its pixels are being looked at
            self._timer.start()
            return
        layer = self._keeping.kept_layer(work) if record.kept_changed != set() else None
        changes, kept = changes_of(work, record, self._store.chosen, layer)
        if changes or kept:
            if record.path is None:
                record.path = self.folder / f"{record.image.content}-{uuid4().hex[:12]}{SUFFIX}"
            self._do(write_changes, record, record.path, changes, kept, self._store.chosen.mode, record.anew)
            record.anew = False

    def wait(self) -> None:
        """Wait until all that was to be written is."""
        self._thread.wait()

    def restore(self, recovery: Recovery) -> None:
        """Read what was found, and go on writing to its file; :attr:`restored` follows.

        What was done here before that stays in a file of its own, and is offered another time.
        """
        work = self._current
        if work is None:
            return
        self.flush()

        def read(record: SessionRecord) -> None:
            try:
                saved = read_session(recovery.path)
                lock = locked(recovery.path)
            except EXPECTED_ERRORS as error:
                told = in_words(error)
                self._thread.tell(lambda: self._on_lost(told))
                return
            if recovery.changed:
                lock.release()  # of other pixels: that file stays as it is
            else:
                let_go(record)
                record.lock, record.checksums = lock, {}

            def show() -> None:
                if work is not self._store.work:  # another image was chosen meanwhile: that file stays as it is
                    self._thread.do(let_go, record)
                    return
                if not recovery.changed:
                    record.path, record.facts, record.anew = recovery.path, dict(saved.facts), False
                    record.objects = dict(saved.objects)
                    record.prompts = {(group.object_id, group.frame): group for group in saved.prompts}
                    record.results = {(found.frame, found.object_id): found for found in saved.results}
                    record.journal = list(saved.journal)
                    record.saving = record.saved = None
                self._store.set(recovery=None)
                self.restored.emit(saved, work, record.image)

            self._thread.tell(show)

        self._do(read, _RECORDS[work])

    def tell_identity(self, work: Workspace) -> None:
        """Have :attr:`identified` emitted for a workspace, now or as soon as its pixels were looked at."""
        if (record := _RECORDS.get(work)) is not None and record.image is not None:
            self.identified.emit(work, record.image)

    def begin_anew(self, work: Workspace) -> None:
        """Go on in another file: what was done with these images so far stays in its own."""
        self.flush()
        record = _RECORDS[work]
        self._thread.do(let_go, record)
        record.path = None
        record.forget_written()
        self._store.set(recovery=None)

    def is_unsaved(self, work: Workspace) -> bool:
        """True if something is drawn or found that no file of the user's has."""
        has_some = bool(work.book.prompts or work.results.results)
        return has_some and _RECORDS[work].saved != made_of(work, _RECORDS[work])

    def file_of(self, work: Workspace) -> Path | None:
        """The session file of the dock's own, with all that there is; ``None`` where none is kept."""
        self.flush()
        return _RECORDS[work].path

    def count_as_saved(self, work: Workspace) -> None:
        """What there is now is in a file of the user's."""
        _RECORDS[work].saved = made_of(work, _RECORDS[work])

    def beside(self, call: Callable[[], Callable[[], None]]) -> None:
        """Do something on the writing thread, and what it returns on the interface thread."""
        self._thread.do(lambda: self._thread.tell(call()))

    def save_as(self, path: Path) -> None:
        """Write all that there is into a file of the user's."""
        work = self._current
        record = None if work is None else _RECORDS.get(work)
        if work is None or record is None or record.image is None:
            self._store.say("There is no image whose session could be saved yet.")
            return
        everything = SessionRecord(kept_changed=None, kept_elsewhere=record.kept_elsewhere, path=path)
        changes, kept = changes_of(work, everything, self._store.chosen, self._keeping.kept_layer(work))
        image, mode, now = record.image, self._store.chosen.mode, made_of(work, record)

        def write() -> Callable[[], None]:
            try:
                write_whole(path, image, mode, replace(changes, kept=kept))
            except EXPECTED_ERRORS as error:
                told = in_words(error)
                return lambda: self._store.say(f"The session could not be saved: {told}.")

            def tell() -> None:
                record.saved = now
                self._store.say(note=f"Saved {path}. Open it in napari to go on.")

            return tell

        self.beside(write)

    def discard(self, recovery: Recovery) -> None:
        """Delete what was found, unless another window took it meanwhile."""
        self._store.set(recovery=None)
        self._thread.do(delete, recovery.path)

    # ---- on the interface thread -------------------------------------------------------------------------------------

    def _on_changed(self) -> None:
        work = self._store.work
        if work is not self._current:
            self.flush()
            self._current = work
            if work is not None:
                self._seen.add(work)
                self._keeping.watch(work)
                if work not in _RECORDS:
                    self._identify(work)
        if work is not None and not self._timer.isActive() and not self._closed:
            self._timer.start()

    def _on_kept(self, work: Workspace, layer: Labels, frames: Sequence[int]) -> None:
        record = _RECORDS.get(work)
        if record is None:
            return
        record.keep(frames)
        ours = self._keeping.kept_layer(work)
        if ours is not None and ours is layer:
            self._keeping.watch(work)
        else:
            index, data = work.sequence.layout.index, np.asarray(layer.data)
            record.kept_elsewhere |= {frame: data[index(frame)].copy() for frame in frames}

    def _on_painted(self, work: Workspace, frames: set[int]) -> None:
        """Take note of strokes in a layer of kept labels."""
        if (record := _RECORDS.get(work)) is not None:
            record.keep(frames)
            self._timer.start()

    def _on_saving(self, work: Workspace) -> None:
        if (record := _RECORDS.get(work)) is not None:
            record.saving = made_of(work, record)

    def _on_saved(self, work: Workspace) -> None:
        if (record := _RECORDS.get(work)) is not None:
            record.saved = record.saving

    def _identify(self, work: Workspace) -> None:
        """Find out which images these are, and whether there is something of them to be restored."""
        _RECORDS[work] = SessionRecord()
        sequence, image = work.sequence, work.image
        pixels, rgb, name, folder = sequence.frames(), image.rgb, image.name, self.folder
        shapes = tuple(sequence.layout.size_of(t) for t in range(sequence.layout.n_frames))
        origin, as_we_read = origin_of(image, sequence.layout), OPENED_KEY in image.metadata

        def look(record: SessionRecord) -> None:
            content = content_of(as_frames(pixels, rgb=rgb))
            found = recoverable(folder, content, origin.path)
            place = origin if as_we_read else read_alike(origin, content)
            record.image = SavedImage(name, origin.path, shapes, content, place.told())

            def show() -> None:
                if found is not None and self._store.work is work and record.path is None:
                    self._store.set(recovery=found)
                self.identified.emit(work, record.image)

            self._thread.tell(show)

        self._do(look, _RECORDS[work])

    def _do(self, call: Callable[..., None], record: SessionRecord, *arguments: Any) -> None:
        """Do this on the writing thread; what goes wrong is told once."""

        def run() -> None:
            try:
                call(record, *arguments)
                if call is write_changes:
                    self._thread.tell(self._on_written)
            except EXPECTED_ERRORS as error:
                told = in_words(error)
                self._thread.tell(lambda: self._on_problem(record, told))

        self._thread.do(run, on_defect=lambda: self._on_problem(record, "there is a mistake in the plugin"))

    def _on_problem(self, record: SessionRecord, told: str) -> None:
        record.forget_written()
        if not self._closed:
            self._retry.start()
        if not self._told and not self._closed:
            self._told = True
            self._store.say(f"{_NOT_SAFE}: {told}. Save often.")

    def _on_written(self) -> None:
        """Take back what was said of a disk that was full, once there is room."""
        self._retry.stop()
        if self._told:
            self._told = False
            if _NOT_SAFE in self._store.chosen.problem:
                self._store.say(note="What you do is kept safe from a crash again.")

    def _on_lost(self, told: str) -> None:
        self._store.set(recovery=None)
        self._store.say(f"It cannot be brought back: {told}.")

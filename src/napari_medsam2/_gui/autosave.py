"""What is done with images is kept in session files, seconds after it was done, and offered again after a crash.

The interface thread only compares what there is with what was written last; pixels are read and files written on a
thread of its own, in the order in which things happened.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4
from weakref import WeakKeyDictionary

from napari.layers import Labels
from platformdirs import user_state_path
from qtpy.QtCore import QObject, QTimer, Signal

from ..errors import EXPECTED_ERRORS, in_words
from ..images.formats import as_frames
from ..session.image_identity import content_of
from ..session.journal import Journal
from ..session.session_file import SUFFIX, Changes, SavedImage, read_session
from ..types import AnyArray
from .dock_state import Recovery
from .dock_store import DockStore
from .keeping import Keeping
from .layers.opened_layers import images_of
from .layers.workspace import Workspace
from .session_record import (
    SessionRecord,
    all_in,
    differing,
    let_go,
    locked,
    recoverable,
    same_prompts,
    same_result,
    write_changes,
)

#: From a change to its being written, at most; several changes in that time are written as one.
DELAY_MS = 1500
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
    """

    #: What was read of a session file that is to be restored, and the workspace that it was read for.
    restored = Signal(object, object)

    _done = Signal(object)  # a call for the interface thread

    def __init__(self, store: DockStore, keeping: Keeping, folder: Path | None = None) -> None:
        super().__init__()
        self.folder = user_state_path("napari-medsam2") / "sessions" if folder is None else folder
        self._store = store
        self._keeping = keeping
        self._records: WeakKeyDictionary[Workspace, SessionRecord] = WeakKeyDictionary()
        self._current: Workspace | None = None
        self._told = False
        self._closed = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="napari-medsam2 autosave")
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(DELAY_MS)
        self._timer.timeout.connect(self.flush)
        self._retry = QTimer(self)
        self._retry.setSingleShot(True)
        self._retry.setInterval(RETRY_MS)
        self._retry.timeout.connect(self.flush)
        self._done.connect(lambda call: call())
        store.changed.connect(self._on_changed)
        keeping.committed.connect(self._on_kept)
        keeping.saving.connect(self._on_saving)
        keeping.saved.connect(self._on_saved)

    def close(self) -> None:
        """Write what is left, and wait for that."""
        if not self._closed:
            self.flush()
            self._closed = True
            self._timer.stop()
            self._retry.stop()
            for record in self._records.values():
                self._thread.submit(let_go, record)
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
            self._do(write_changes, record, changes, kept, self._store.chosen.mode, record.anew)
            record.anew = False

    def wait(self) -> None:
        """Wait until all that was to be written is."""
        self._thread.submit(lambda: None).result()

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
                self._done.emit(lambda: self._on_lost(told))
                return
            let_go(record)
            record.lock, record.checksums = lock, {}

            def show() -> None:
                record.path, record.facts = recovery.path, dict(saved.facts)
                record.prompts = {(group.object_id, group.frame): group for group in saved.prompts}
                record.results = {(found.frame, found.object_id): found for found in saved.results}
                record.journal = list(saved.journal)
                work.journal = Journal(saved.journal)
                record.saving = record.saved = None
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
            record.keep()
            layer.events.paint.connect(record.keep)  # once, however often something is kept

    def _on_saving(self, work: Workspace) -> None:
        if (record := self._records.get(work)) is not None:
            record.saving = (dict(work.book.groups), dict(work.results.results), record.kept_version)

    def _on_saved(self, work: Workspace) -> None:
        if (record := self._records.get(work)) is not None:
            record.saved = record.saving

    def _identify(self, work: Workspace) -> None:
        """Find out which images these are, and whether there is something of them to be restored."""
        self._records[work] = SessionRecord()
        opened, sequence = images_of(work.image), work.sequence
        pixels, rgb = sequence.frames(), work.image.rgb
        shapes = tuple(sequence.layout.size_of(t) for t in range(sequence.layout.n_frames))
        where = str(opened.files[0]) if len(opened.files) == 1 else str(opened.files[0].parent) if opened.files else ""
        name, folder = work.image.name, self.folder

        def look(record: SessionRecord) -> None:
            content = content_of(as_frames(pixels, rgb=rgb))
            found = recoverable(folder, content)

            def show() -> None:
                record.image = SavedImage(name, where, shapes, content)
                if found is not None and self._store.work is work and record.path is None:
                    self._store.set(recovery=found)

            self._done.emit(show)

        self._do(look, self._records[work])

    def _changes(self, work: Workspace, record: SessionRecord) -> tuple[Changes, AnyArray | None]:
        """What differs from what was written, which is then what there is; and the kept labels if they may differ."""
        chosen = self._store.chosen
        prompts, results = dict(work.book.groups), dict(work.results.results)
        facts = {
            "model": chosen.model,
            "direction": chosen.direction,
            "current": chosen.current,
            "contrast_as_shown": chosen.contrast_as_shown,
            "saved": record.saved is not None and all_in(record.saved, (prompts, results, record.kept_version)),
        }
        changes = Changes(
            {name: value for name, value in facts.items() if record.facts.get(name) != value},
            {},
            differing(record.prompts, prompts, same_prompts),
            differing(record.results, results, same_result),
            journal=work.journal.since(record.journal),
        )
        if work.image not in work.sequence.viewer.layers:  # as when napari closes: its layers went with it, one by one
            changes = replace(changes, prompts=_without_gone(changes.prompts), results=_without_gone(changes.results))
        layer = self._keeping.kept_layer(work) if record.kept_changed else None
        if not changes.prompts and not changes.results and layer is None and record.path is None:
            return Changes(), None  # nothing is lost if this is
        record.facts, record.prompts, record.results, record.kept_changed = facts, prompts, results, False
        record.journal = list(work.journal.entries)
        return changes, None if layer is None else layer.data[work.sequence.layout.index(slice(None))]

    def _do(self, call: Callable[..., None], record: SessionRecord, *arguments: Any) -> None:
        """Do this on the writing thread; what goes wrong is told once."""

        def run() -> None:
            try:
                call(record, *arguments)
            except EXPECTED_ERRORS as error:
                told = in_words(error)
                self._done.emit(lambda: self._on_problem(record, told))

        with suppress(RuntimeError):  # closed meanwhile
            self._thread.submit(run)

    def _on_problem(self, record: SessionRecord, told: str) -> None:
        record.facts, record.prompts, record.results, record.kept_changed = {}, {}, {}, True  # all of it, next time
        record.anew, record.journal = True, []
        if not self._closed:
            self._retry.start()
        if not self._told and not self._closed:
            self._told = True
            self._store.say(f"What you do is not kept safe from a crash: {told}. Save often.")

    def _on_lost(self, told: str) -> None:
        self._store.set(recovery=None)
        self._store.say(f"It cannot be brought back: {told}.")


def _without_gone(changes: Mapping[Any, Any]) -> dict[Any, Any]:
    return {key: value for key, value in changes.items() if value is not None}

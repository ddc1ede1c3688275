"""The memory bank of the current object: what there is to show of it, and what the user does to it."""

from __future__ import annotations

from collections.abc import Callable
from operator import is_
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from qtpy.QtCore import QObject, Signal

from ..engine.events import Failed, Finished, Restored, RunState
from ..engine.memory_events import BanksCompared, BankTold, TaskSaved, ViewTold
from ..engine.requests import RequestKind
from ..geometry.thumbnail import Thumbnail
from ..memory_bank import BankName, MemoryBank, bank_for
from ..memory_weights import diversity
from ..session.comparison import Comparison
from ..session.model_view import ModelView
from .bank_state import BankRow, BankState
from .dock_store import DockStore
from .engine_client import EngineClient
from .layers.workspace import Workspace

#: What is said after an edit.
_DONE = {
    RequestKind.PIN: "Pinned: it is a template now. Find the object again (Shift+S) to have it heard.",
    RequestKind.UNPIN: "Unpinned.",
    RequestKind.EVICT: "Evicted: it is not heard any more. Find the object again (Shift+S) to see what that changes.",
}


class BankView(QObject):
    """The memory bank of one dock, as somebody looks at it.

    Parameters
    ----------
    store, client
        The state of the dock, and the engine's client.
    """

    changed = Signal()

    def __init__(self, store: DockStore, client: EngineClient) -> None:
        super().__init__()
        self._store, self._client = store, client
        self._looking = self._seeing = False
        self._watched: tuple[Any, Workspace | None, int | None] = (None, None, None)
        self._bank: MemoryBank | None = None
        self._pictures: dict[int, Thumbnail] = {}
        self._descriptors: dict[int, npt.NDArray[np.float32]] = {}
        self._prompted: frozenset[int] = frozenset()
        self._waiting: tuple[int, ...] = ()  # to become templates
        self._selected: int | None = None
        self._comparing = False
        self._comparison: Comparison | None = None
        self._view: ModelView | None = None
        self._asked: tuple[Any, ...] | None = None  # what the engine was asked to show last, and what was known of it
        self._waits_since: int | None = None  # for that; of images that were left nothing comes any more
        self._rows: tuple[BankRow, ...] = ()
        self._rows_of: Any = None
        store.changed.connect(self._on_changed)
        client.memory_told.connect(self._on_told)
        client.restored.connect(self._on_restored)

    # ---- what there is to show ---------------------------------------------------------------------------------------

    @property
    def state(self) -> BankState:
        """What the panel shows, now; it comes with each picture of a run, so nothing is asked that takes time."""
        told, work = self._store.chosen, self._store.work
        shown = work is not None and work.sequence.is_shown()
        frame = work.sequence.frame_in_view() if work is not None and shown else 0
        bank = self._bank
        rows = self._rows_on(frame)
        alone = frame in self._prompted
        return BankState(
            title=f"Object {told.current}" if work is None else work.roster.title_of(told.current),
            colour="#ffffff" if work is None else work.roster.colour_of(told.current),
            noun=told.noun,
            mode=told.mode,
            has_image=shown,
            has_prompts=work is not None and told.current in work.book.objects,
            rows=rows,
            capacity=0 if bank is None else bank.most_templates,
            bank=bank_for(told.bank, told.mode),
            chosen=told.bank,
            frame=frame,
            stands_alone=alone,
            waiting=self._waiting,
            known=alone or told.mode == "stack" or frame in self._descriptors,
            selected=self._selected if any(row.frame == self._selected for row in rows) else None,
            running=told.running,
            comparing=self._comparing,
            comparison=self._comparison,
            view=self._view if self._view is not None and self._view.frame == frame else None,
        )

    def _rows_on(self, frame: int) -> tuple[BankRow, ...]:
        """The memories with what each is heard on a frame; made anew only where something differs."""
        mark = (self._bank, frame, self._descriptors.get(frame) is None, frame in self._prompted, len(self._pictures))
        if mark != self._rows_of:
            self._rows, self._rows_of = self._make_rows(frame), mark
        return self._rows

    def _make_rows(self, frame: int) -> tuple[BankRow, ...]:
        bank = self._bank
        if bank is None:
            return ()
        descriptor = self._descriptors.get(frame)
        knows = frame not in self._prompted and (descriptor is not None or self._store.chosen.mode == "stack")
        work = self._store.work
        n_frames = 1 if work is None else work.sequence.layout.n_frames
        sources = [t for t in self._prompted if t != frame]
        reverse = self._store.chosen.mode == "stack" and min(sources, key=lambda t: abs(t - frame), default=0) > frame
        picks = bank.pick(frame, descriptor, n_frames=n_frames, reverse=reverse) if knows else []
        total = sum(pick.weight for pick in picks if pick.spatial)
        shares = {pick.entry.frame: pick.weight / total for pick in picks if pick.spatial and total}
        unlike = diversity([entry.descriptor for entry in bank.entries])
        return tuple(
            BankRow(
                frame=entry.frame,
                image="" if entry.origin is None else entry.origin.image,
                confidence=round(float(entry.confidence), 4),
                diversity=round(own, 4),
                share=shares.get(entry.frame),
                pinned=entry.pinned,
                held=entry.held,
                picture=self._pictures.get(entry.frame),
            )
            for entry, own in zip(bank.entries, unlike, strict=True)
        )

    # ---- looking -----------------------------------------------------------------------------------------------------

    def look(self, looking: bool) -> None:
        """Somebody looks at the memory, or nobody does any more: then nothing is made or told of it."""
        if looking != self._looking:
            self._looking = looking
            self._watch()

    def see(self, seeing: bool) -> None:
        """Somebody looks at what the model sees, or nobody does."""
        self._seeing = seeing
        self._ask_view()

    def _watch(self) -> None:
        """Have the engine tell of the object in hand, or of none."""
        work = self._store.work
        wanted = (self._client.engine, work, self._store.chosen.current if self._looking and work is not None else None)
        if wanted == self._watched:
            return
        self._watched = wanted
        self._forget()
        self._client.engine.watch_bank(wanted[2])
        self.changed.emit()

    def _forget(self) -> None:
        self._bank, self._pictures, self._descriptors = None, {}, {}
        self._prompted, self._waiting = frozenset(), ()
        self._selected, self._comparison, self._view, self._asked, self._waits_since = None, None, None, None, None

    def _ask_view(self) -> None:
        """Have the engine show what the model sees of the frame in view, once it has shown the last one."""
        work = self._store.work
        if not self._seeing or work is None or not self._client.opened:
            return
        frame, number = work.sequence.frame_in_view(), self._store.chosen.current
        generation = self._client.engine.generation
        place = generation, frame, number
        known = work.results.results.get((frame, number)), work.book.groups.get((number, frame))
        before = self._asked
        same = before is not None and before[:3] == place and all(map(is_, before[3:], known))
        if self._waits_since != generation and not same:
            self._asked, self._waits_since = (*place, *known), generation
            self._client.engine.look(frame, number)

    def _on_changed(self) -> None:
        self._watch()
        self._ask_view()
        if self._looking or self._seeing:
            self.changed.emit()

    def _on_told(self, event: object) -> None:
        if isinstance(event, BankTold):
            self._take(event)
            if self._store.chosen.running:
                return  # shown with what the run found, which comes with it: the window is put together once for both
        elif isinstance(event, ViewTold):
            self._waits_since, self._view = None, event.view
            self._ask_view()
        elif isinstance(event, BanksCompared):
            self._comparison = event.comparison
        elif isinstance(event, Finished):
            self._comparing = False
        elif isinstance(event, TaskSaved):
            self._store.say(note=f"Saved {event.path}: {event.task.words}.")
        elif isinstance(event, Failed):
            self._waits_since, self._comparing = None, self._comparing and event.kind is not RequestKind.COMPARE
        self.changed.emit()

    def _take(self, event: BankTold) -> None:
        if event.object_id != self._watched[2]:
            return
        if event.anew:
            self._pictures, self._descriptors = {}, {}
        self._bank, self._prompted, self._waiting = event.bank, event.prompted, event.waiting
        entries = () if event.bank is None else event.bank.entries
        kept = {entry.frame for entry in entries}
        self._pictures = {t: p for t, p in {**self._pictures, **event.pictures}.items() if t in kept}
        self._descriptors |= event.descriptors

    # ---- what the user does ------------------------------------------------------------------------------------------

    def select(self, frame: int | None) -> None:
        """Select a memory."""
        self._selected = frame
        self.changed.emit()

    def pin_or_unpin(self) -> None:
        """Make a template of the selected memory, or let go of it again."""
        if (row := self.state.row) is not None:
            self._do(self._client.engine.unpin if row.held else self._client.engine.pin, row.frame)

    def evict(self) -> None:
        """Take the selected memory out."""
        if (row := self.state.row) is not None:
            self._do(self._client.engine.evict, row.frame)

    def _do(self, edit: Callable[[int, int], int], frame: int) -> None:
        if self._client.ready() is not None:
            edit(frame, self._store.chosen.current)
            self._client.prompts_changed.emit()

    def choose_bank(self, name: BankName) -> None:
        """Remember by another rule. The labels stay until they are found anew."""
        if name != self._store.chosen.bank:
            self._store.set(bank=name)
            self._client.reopen()
            self._store.say(note="Find the object again (Shift+S) to fill this memory.")

    def compare(self) -> None:
        """Find all once more with the other bank, beside what there is, which stays as it is."""
        work = self._client.ready()
        if work is None:
            return
        if not work.book.objects:
            self._store.say("There is no prompt yet: draw a box around one object, or click on it, on any frame.")
        elif self._store.chosen.status.state in (RunState.RUNNING, RunState.PAUSED):
            self._store.say("A run goes on: wait for its end, or cancel it, then compare.")
        else:
            self._comparing, self._comparison = True, None
            self._store.say()
            self._client.engine.compare_banks()
            self.changed.emit()

    def save_task(self, path: str | Path, *, with_found: bool = False) -> None:
        """Write the templates of all objects to a task file."""
        if self._client.ready() is not None:
            self._store.say(note=f"Saving {Path(path).name} ...")
            self._client.engine.save_task(str(path), with_found=with_found)

    def take_task(self, path: str | Path) -> None:
        """Look for the objects of a task file on these images."""
        if self._client.ready() is not None:
            self._store.say(note=f"Opening {Path(path).name} ...")
            self._client.engine.take_task(str(path))
            self._client.prompts_changed.emit()

    def _on_restored(self, event: Restored) -> None:
        if event.kind in _DONE:
            self._store.say(note=_DONE[event.kind])
        elif event.kind is RequestKind.TAKE_TASK and event.made:
            task = event.tasks[event.made[0]].task
            self._store.set(current=event.made[0])
            self._store.aim()
            self._store.say(
                note=f"{task.name}: {task.words}. Press Shift+S to find it on all {self._store.chosen.noun}s."
            )

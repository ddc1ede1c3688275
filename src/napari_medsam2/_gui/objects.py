"""What is done with whole objects: choose, begin, name, colour, hide, remove, merge, split."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from qtpy.QtCore import QObject

from ..engine.events import Restored
from ..engine.requests import RequestKind
from ..errors import PromptError
from ..images.opened import LabelledObject
from ..session.naming import checked
from .dock_store import DockStore
from .engine_client import EngineClient
from .layers.workspace import Workspace


class ObjectEdits(QObject):
    """The objects of one dock.

    Parameters
    ----------
    store, client
        The state that this changes, and the engine's client.
    """

    def __init__(self, store: DockStore, client: EngineClient) -> None:
        super().__init__()
        self._store = store
        self._client = client
        client.restored.connect(self._on_restored)

    def choose(self, number: int) -> None:
        """Make prompts go to this object."""
        self._store.set(current=number)
        self._store.aim()

    def begin(self) -> None:
        """Start another object: prompts now go to it. While there is nothing of the first one, it is that."""
        store, number = self._store, self._free_number()
        store.set(objects=tuple(sorted({min(number, *store.chosen.objects), number})), current=number, positive=True)
        store.aim()

    def call(self, number: int, *, name: str | None = None, colour: str | None = None) -> None:
        """Give an object another name or another colour; an empty one takes its own away."""
        work = self._store.work
        if work is None:
            return
        known = work.roster.called.get(number, LabelledObject())
        told = LabelledObject(known.name if name is None else name, known.colour if colour is None else colour)
        try:
            called = checked(number, told)
        except PromptError as error:
            self._store.say(str(error))
            return
        if called == known:
            return
        self._client.call(number, called)
        self._client.prompts_changed.emit()
        others = [row.title for row in self._store.state.rows if row.number != number]
        same = called.name and called.name in others
        self._store.say(note=f"Another object is called {called.name}, too." if same else "")

    def show(self, number: int, shown: bool) -> None:
        """Show an object in the labels, or hide it; what was found of it stays."""
        work = self._store.work
        if work is None:
            return
        output = work.results.output
        work.roster.hide(work.roster.hidden - {number} if shown else work.roster.hidden | {number})
        theirs = output is not None and not output.ours and not shown
        self._store.say(note="Objects are hidden only in labels of the plugin's own, not in a layer of yours." * theirs)

    def delete(self, numbers: Sequence[int]) -> None:
        """Remove objects with their prompts and results; one undo brings them back."""
        work, store = self._store.work, self._store
        known = [] if work is None else sorted({number for number in numbers if number in work.objects})
        if known and self._client.ready() is None:
            return
        titles = [row.title for row in store.state.rows if row.number in known]
        self._drop(numbers)
        if known:
            self._client.engine.reset(known)
            self._client.prompts_changed.emit()
            store.say(note=f"Removed: {', '.join(titles[:3])}{', ...' * (len(titles) > 3)}. Ctrl+Z brings it back.")

    def merge(self, numbers: Sequence[int]) -> None:
        """Make these objects one, which is the current one if it is among them, else the first."""
        work, store = self._store.work, self._store
        known = [] if work is None else sorted({n for n in numbers if n in work.objects})
        if len(known) < 2:
            store.say("Choose two objects or more in the table to merge them (Ctrl and click).")
        elif self._client.ready() is not None:
            into = store.chosen.current if store.chosen.current in known else known[0]
            others = [number for number in known if number != into]
            self.choose(into)
            self._drop(others)
            self._client.engine.merge(into, others)
            self._client.prompts_changed.emit()

    def split(self, number: int, *, everywhere: bool = False) -> None:
        """Make an object of each separate part, on the frame in view, or in all frames of a stack."""
        work = self._store.work
        if work is not None and self._client.ready() is not None:
            self._client.engine.split(
                number,
                None if everywhere else work.sequence.frame_in_view(),
                first=max(self._free_number(), *(number + 1 for number in self._store.state.objects)),
                largest=_largest(work),
            )
            self._client.prompts_changed.emit()

    def _free_number(self) -> int:
        """The lowest number above those of all objects of which there is something, kept ones too."""
        work = self._store.work
        return max((*(work.objects if work is not None else ()), self._store.chosen.next_object - 1)) + 1

    def _drop(self, numbers: Sequence[int]) -> None:
        """List these objects no more where there is nothing of them; prompts go to another one."""
        store = self._store
        left = [number for number in store.state.objects if number not in numbers] or [store.chosen.next_object]
        current = _nearest(store.chosen.current, left)
        listed = tuple(number for number in store.chosen.objects if number in left)
        store.set(objects=listed or (current,), current=current)
        store.aim()

    def _on_restored(self, event: Restored) -> None:
        """Say what was done, and go on with an object that there is."""
        store = self._store
        if not event.changed:
            return
        if event.kind is RequestKind.SPLIT:
            store.say(note=f"Split into {len(event.made) + 1} objects. Ctrl+Z puts them together again.")
        elif event.kind is RequestKind.MERGE:
            store.say(note=f"Merged into {self._title(store.chosen.current)}. Ctrl+Z takes them apart again.")
        current = _nearest(store.chosen.current, store.state.objects)
        if current != store.chosen.current:
            self.choose(current)

    def _title(self, number: int) -> str:
        return next((row.title for row in self._store.state.rows if row.number == number), f"object {number}")


def _nearest(number: int, numbers: Sequence[int]) -> int:
    """The number itself if it is one of these, else the one next to it."""
    return min(numbers, key=lambda other: (abs(other - number), other))


def _largest(work: Workspace) -> int:
    """The largest number that the labels of a workspace can hold."""
    layer = work.output_layer
    return int(np.iinfo(np.uint16 if layer is None else layer.data.dtype).max)

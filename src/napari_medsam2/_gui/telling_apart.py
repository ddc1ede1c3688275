"""Touching things of one kind get a label each: shown in a layer of their own first, then kept, with one undo."""

from __future__ import annotations

import threading
from contextlib import suppress

import numpy as np
from napari.components import ViewerModel
from napari.layers import Labels
from napari.utils.events import Event
from qtpy.QtCore import QObject, Signal

from ..errors import OutputError
from ..geometry.instances import told_apart, usual_radius
from ..types import AnyArray
from .dock_store import DockStore
from .engine_client import EngineClient
from .keeping import Keeping
from .layers.output import new_labels_layer
from .layers.tools import place_below
from .layers.workspace import Workspace


class TellingApart(QObject):
    """Tells things of the current object apart in one dock.

    Parameters
    ----------
    viewer, store, client, keeping
        Where it is shown, the state that this changes, the engine's client, and what keeps labels.
    """

    #: A layer of ours is new; ``False``: it is gone.
    layer_made = Signal(object, bool)
    _done = Signal(int, object, str)

    def __init__(self, viewer: ViewerModel, store: DockStore, client: EngineClient, keeping: Keeping) -> None:
        super().__init__()
        self._viewer, self._store, self._client, self._keeping = viewer, store, client, keeping
        self._number = 0
        self._work: Workspace | None = None
        self._layer: Labels | None = None
        self._done.connect(self._on_done)
        store.changed.connect(self._on_changed)
        viewer.layers.events.removed.connect(self._on_removed)

    def close(self) -> None:
        """End what is computed; what is shown goes."""
        self._viewer.layers.events.removed.disconnect(self._on_removed)
        self._number += 1
        self._remove()

    def show(self, radius: float | None) -> None:
        """Show the things of the current object in a layer of their own.

        Parameters
        ----------
        radius
            Of a usual thing, in pixels; ``None`` takes what most are.
        """
        store, work = self._store, self._store.work
        if work is None or store.chosen.mode != "flow":
            store.say("Things are told apart in separate images. In a stack, Split makes objects of separate parts.")
            return
        self._client.flush()
        current = store.chosen.current
        if not any(number == current and not r.absent for (_, number), r in work.results.results.items()):
            store.say("There is nothing to tell apart yet: find the object first.")
            return
        output = work.results.labels()
        if not output.ours:
            store.say("Choose 'New layer' for the labels first: numbers in a layer of yours are not changed.")
            return
        self._number += 1
        self._work = work
        labels = [output.frame(t).copy() for t in range(work.sequence.layout.n_frames)]
        others = [number for number in work.results.objects if number != current]
        first = max([self._keeping.first_object(work), *(number + 1 for number in others)])
        store.put(apart=None)
        store.say(note="Telling things apart ...")
        arguments = (self._number, labels, current, first, radius)
        threading.Thread(target=self._tell_apart, args=arguments, name="napari-medsam2 apart", daemon=True).start()

    def keep(self) -> None:
        """Keep what is shown, as a commit does; one undo takes it back."""
        layer, work = self._layer, self._work
        if layer is None or work is not self._store.work:
            return
        labels = np.asarray(layer.data)
        self._remove()
        self._keeping.commit(labels)

    def discard(self) -> None:
        """Show it no more; nothing was changed."""
        self._remove()
        self._store.changed.emit()

    # ---- on a thread of its own --------------------------------------------------------------------------------------

    def _tell_apart(self, number: int, labels: list[AnyArray], current: int, first: int, radius: float | None) -> None:
        problem = "Things could not be told apart, and it is not known why."
        try:
            masks = [found == current for found in labels]
            size = usual_radius(masks) if radius is None else radius
            for t, mask in enumerate(masks):
                if number != self._number:
                    return
                things = told_apart(mask, size)
                shown = labels[t].astype(np.int64)
                shown[mask] = np.where(things[mask] > 0, things[mask] + first - 1, 0)
                labels[t] = shown
            problem = ""
        except MemoryError:
            problem = "There is not enough memory to tell so many things apart."
        finally:
            with suppress(RuntimeError):  # the window was closed meanwhile
                self._done.emit(number, (first, labels), problem)

    # ---- on the interface thread -------------------------------------------------------------------------------------

    def _on_done(self, number: int, found: tuple[int, list[AnyArray]], problem: str) -> None:
        work = self._work
        if number != self._number or work is None or work is not self._store.work:
            return
        first, labels = found
        if problem:
            self._store.say(problem)
            return
        largest = max(int(shown.max()) for shown in labels)
        if largest > np.iinfo(np.uint16).max:
            self._store.say(f"There are {largest} things on one image, more than labels can number.")
            return
        self._remove()
        try:
            layer = new_labels_layer(work.image, work.sequence.layout, f"{work.image.name} told apart")
        except OutputError as error:
            self._store.say(str(error))
            return
        for t, shown in enumerate(labels):
            height, width = shown.shape
            np.asarray(layer.data[work.sequence.layout.index(t)])[:height, :width] = shown
        active = self._viewer.layers.selection.active
        self._layer = layer
        self.layer_made.emit(layer, True)
        place_below(self._viewer, layer, work.tools.layers)
        if active is not None:
            self._viewer.layers.selection.active = active
        if work.output_layer is not None:
            work.output_layer.visible = False
        counts = [len(np.unique(shown[shown >= first])) for shown in labels]
        self._store.put(apart=(sum(counts), sum(count > 0 for count in counts)))
        self._store.say()

    def _on_changed(self) -> None:
        """What is shown goes with its image."""
        if self._layer is not None and self._work is not self._store.work:
            self._remove()

    def _on_removed(self, event: Event) -> None:
        """The user removed what is shown."""
        if self._layer is not None and event.value is self._layer:
            self.discard()

    def _remove(self) -> None:
        layer, self._layer = self._layer, None
        if layer is None:
            return
        self.layer_made.emit(layer, False)
        if layer in self._viewer.layers:
            self._viewer.layers.remove(layer)
        if self._work is not None and self._work.output_layer is not None:
            self._work.output_layer.visible = True
        self._store.put(apart=None)

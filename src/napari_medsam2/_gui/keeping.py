"""What is kept of a result: labels committed to a layer, and files."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from napari.components import ViewerModel
from napari.layers import Labels, Layer
from napari.utils.events import Event
from qtpy.QtCore import QObject, Signal

from ..engine.events import Finished, FinishReason, Restored
from ..engine.requests import RequestKind
from ..errors import EXPECTED_ERRORS, OutputError, in_words
from ..images.opened import LabelledObject
from ..images.writers.checks import check_choice, keep_what_is_read
from ..images.writers.formats import all_suffixes
from ..images.writers.labels import LabelSet
from ..images.writers.saving import save_labels
from ..images.writers.table import TABLE_SUFFIX, save_table, table_beside
from ..types import AnyArray
from .commits import Commit, Kept
from .dock_store import NO_IMAGE, DockStore
from .engine_client import EngineClient
from .layers.labelled import LabelsToSave, object_colours, object_names, show_objects
from .layers.opened_layers import images_of
from .layers.output import new_labels_layer
from .layers.tools import place_below
from .layers.workspace import Workspace

#: In the metadata of a layer that results are committed to: which image they are of.
KEPT_OF = "napari-medsam2 kept of"


class Keeping(QObject):
    """Commits and saves the results of one dock.

    Parameters
    ----------
    viewer, store, client
        Where kept layers are, the state that this changes, and the engine's client.
    """

    #: Labels were committed to a layer: the workspace, that layer, and the frames.
    committed = Signal(object, object, object)
    #: A workspace, and frames on which the user painted over its kept labels.
    painted = Signal(object, object)
    #: Labels of a workspace are written to a file as they are now, and when they were.
    saving = Signal(object)
    saved = Signal(object)
    #: A file was written (``None``: it could not be), the problem in words, and whose labels it has, in which version.
    _written = Signal(object, str, object, int)

    def __init__(self, viewer: ViewerModel, store: DockStore, client: EngineClient) -> None:
        super().__init__()
        self._viewer = viewer
        self._store = store
        self._client = client
        self._asked: dict[int, Commit] = {}  # by the request that makes room after it
        self._commits: dict[int, Commit] = {}  # by the number of that change
        self._written.connect(self._on_written)
        client.restored.connect(self._on_restored)
        client.finished.connect(self._on_finished)

    def kept_layer(self, work: Workspace) -> Labels | None:
        """Find the layer of ours that results are committed to; one of the user's may have its name."""
        ours = (la for la in self._viewer.layers if la.metadata.get(KEPT_OF) == str(work.image.unique_id))
        return next((la for la in ours if isinstance(la, Labels) and la.data.shape == work.sequence.layout.shape), None)

    def watch(self, work: Workspace) -> None:
        """Tell of strokes over the kept labels from now on, once each, however often this is asked for."""
        if (kept := self.kept_layer(work)) is not None:
            kept.events.paint.connect(self._on_painted)

    def first_object(self, work: Workspace) -> int:
        """The lowest number above those of all committed objects."""
        kept = self.kept_layer(work)
        return 1 + int(kept.data.max()) if kept is not None and kept.data.size else 1

    def commit(self, labels: AnyArray | None = None) -> None:
        """Copy the result to a kept layer (never over labels there), then make room for the next objects.

        In a layer of the user's it stays where it is. While a run goes on it is kept as soon as that has ended; asked
        for again, it is not.

        Parameters
        ----------
        labels
            What is copied in place of the result, of the same shape; only where results go to a layer of ours.
        """
        store, work = self._store, self._store.work
        if store.chosen.running:
            store.put(keeps_at_end=not store.chosen.keeps_at_end)
            at_end = "The result is kept when the run has ended; C again: it is not."
            store.say(note=at_end if store.chosen.keeps_at_end else "Nothing is kept when the run ends.")
            return
        if work is None or not work.results.results:
            store.say(NO_IMAGE if work is None else "There is no result to keep yet: draw a prompt and press Shift+S.")
            return
        state, kept, called = store.state, None, dict(work.roster.kept_called)
        before = {}
        try:
            output = work.results.labels()
            self._client.flush()
            where = output.layer if not output.ours else self._kept(work, [output.layer])
            if output.ours:
                kept = Kept.copy(output.layer.data if labels is None else labels, where.data)
            else:
                before = dict(output.before)
        except OutputError as error:
            store.say(str(error))
            return
        work.roster.kept_called = work.roster.all_called
        if output.ours:
            show_objects(where, work.roster.kept_called)
            where.refresh()
        self.committed.emit(work, where, sorted({frame for frame, _ in work.results.results}))
        if not output.ours:
            work.results.forget()
        commit = Commit(work, where if output.ours else None, kept, before, called, state)
        self._client.engine.cancel()  # previews that were asked for
        self._asked[self._client.engine.reset()] = commit
        self._client.prompts_changed.emit()
        self._go_on(max(max(state.objects) + 1, self.first_object(work)))
        store.say(note=f"Kept in '{where.name}'. The next prompt starts object {store.chosen.current}.")

    def _go_on(self, number: int) -> None:
        """Begin with the next object."""
        self._store.put(objects=(number,), current=number, next_object=number, positive=True)
        self._store.aim()

    def _on_finished(self, event: Finished) -> None:
        """Keep what was asked to be kept when the run has ended."""
        if self._store.chosen.keeps_at_end:
            self._store.put(keeps_at_end=False)
            if event.reason is FinishReason.DONE:
                self.commit()
            else:
                self._store.say(note="The run was not finished, so nothing was kept. C keeps what there is.")

    def _on_restored(self, event: Restored) -> None:
        """Take out of kept labels what an undone commit had put there, or put it back."""
        if (asked := self._asked.pop(event.request, None)) is not None:
            self._commits[event.change] = asked
            return
        commit = self._commits.get(event.change) if event.changed else None
        if commit is None or commit.work is not self._store.work or not commit.is_here:
            return
        if event.kind is RequestKind.UNDO:
            commit.undo()
            told = commit.chosen
            self._store.put(objects=told.objects, current=told.current, next_object=told.next_object)
            self._store.aim()
        elif event.kind is RequestKind.REDO:
            commit.redo({row.number: LabelledObject(row.name, row.colour) for row in commit.chosen.rows if row.name})
            self._go_on(max(max(commit.chosen.objects) + 1, self.first_object(commit.work)))
        if commit.layer is not None:
            show_objects(commit.layer, commit.work.roster.kept_called)
            self.committed.emit(commit.work, commit.layer, list(range(commit.work.sequence.layout.n_frames)))

    def restore(self, work: Workspace, labels: Mapping[int, AnyArray]) -> None:
        """Bring back label images ``(H, W)`` that were committed before, by frame.

        Others that are kept now are not part of it: they stay in their layer, which is the user's from now on.
        """
        if (others := self.kept_layer(work)) is not None:
            del others.metadata[KEPT_OF]
        if labels:
            kept = self._kept(work, [])
            for frame, given in labels.items():
                shown = kept.data[work.sequence.layout.index(frame)]
                shown[: given.shape[0], : given.shape[1]] = given
            show_objects(kept, work.roster.kept_called)
            kept.refresh()
            self.committed.emit(work, kept, list(labels))

    def _kept(self, work: Workspace, above: list[Layer]) -> Labels:
        """The layer that results are committed to; a new one, below others, if there is none."""
        kept = self.kept_layer(work)
        if kept is None:
            kept = new_labels_layer(work.image, work.sequence.layout, f"{work.image.name} kept")
            kept.metadata[KEPT_OF] = str(work.image.unique_id)
            place_below(self._viewer, kept, above)
        return kept

    def save(self, path: Path, *, each: bool = False) -> None:
        """Write the labels beside the interface thread, in the format that the suffix says.

        Parameters
        ----------
        path
            A file; without a suffix it is a tif, unless it is a folder or images differ in size.
        each
            Whether it is a folder, for one file an image.
        """
        self._client.flush()
        store, work = self._store, self._store.work
        layers = [] if work is None else [la for la in (self.kept_layer(work), work.output_layer) if la is not None]
        if not layers or work is None:
            store.say("There are no labels to save yet.")
            return
        try:  # a copy, now: what is painted while it is written is not part of it
            version, labels = work.results.version, merged([np.asarray(layer.data) for layer in layers])
        except MemoryError:
            store.say("There is not enough memory to save the labels: close other images first.")
            return
        layout, mode = work.sequence.layout, store.chosen.mode
        named = path.name.lower().endswith((*all_suffixes(), TABLE_SUFFIX))
        each = not named and (each or path.is_dir() or (not path.suffix and len(set(layout.sizes)) > 1))
        if not each and not path.suffix:
            path = path.with_name(path.name + ".tif")
        colour, called = object_colours(layers[-1]), {n: name for la in layers for n, name in object_names(la).items()}
        ours = work.results.output is not None and work.results.output.ours
        own = {row.number: row.colour for row in store.state.rows if ours}  # also of hidden ones
        colours = _first_of(own, colour)
        found = work.results.found()
        to_save = LabelsToSave(images_of(work.image), layout, labels, mode, found, colours, called)
        self.saving.emit(work)
        store.say(note=f"Saving {path.name} ...")
        # No daemon: closing napari waits for the file.
        threading.Thread(
            target=self._write, args=(path, to_save, each, work, version), name="napari-medsam2 save"
        ).start()

    def _write(self, path: Path, to_save: LabelsToSave, each: bool, work: Workspace, version: int) -> None:
        """Run on a thread of its own."""
        written: Path | None = None
        problem = "The labels could not be saved, and it is not known why"  # what else went wrong has a traceback
        try:
            _write_labels(path, to_save.label_set(), each)
            written, problem = path, ""
        except EXPECTED_ERRORS as error:
            problem = (
                f"The labels could not be saved: {in_words(error)}. They stay in their layer: save them elsewhere."
            )
        finally:
            with suppress(RuntimeError):  # the window was closed meanwhile
                self._written.emit(written, problem, work, version)

    def _on_written(self, path: Path | None, problem: str, work: Workspace, version: int) -> None:
        if path is not None and path.suffix.lower() != TABLE_SUFFIX:
            self.saved.emit(work)
        if work.results.version == version:
            work.results.saved = path
        self._store.say(problem, note="" if path is None else f"Saved {path}")

    def _on_painted(self, event: Event) -> None:
        """Take note of strokes over kept labels."""
        work = self._store.work
        if work is not None and event.source is self.kept_layer(work):
            work.results.differ()
            self.painted.emit(work, work.sequence.painted(event.value))
            self._store.changed.emit()


def _write_labels(path: Path, labels: LabelSet, each: bool) -> None:
    """Write labels, or a table of them, over nothing that the image is read from."""
    if path.suffix.lower() == TABLE_SUFFIX:
        keep_what_is_read([path], labels.images.files)
        save_table(path, labels)
        return
    if each:
        path.mkdir(exist_ok=True)  # so that a dot in its name is no suffix
    check_choice(path, labels)
    save_labels(path, labels)
    table = table_beside(path, labels)
    if table is not None:
        save_table(table, labels)


def _first_of(own: Mapping[int, str], other: Callable[[int], str]) -> Callable[[int], str]:
    return lambda number: own[number] if number in own else other(number)


def merged(parts: Sequence[AnyArray]) -> AnyArray:
    """A copy of label images of one shape over each other, the first one on top, of a type that holds all numbers."""
    labels = parts[0].astype(np.result_type(*parts))
    for part in parts[1:]:
        Kept.copy(part, labels)
    return labels

"""What is kept of a result: labels committed to a layer, and files."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from napari.components import ViewerModel
from napari.layers import Labels, Layer
from qtpy.QtCore import QObject, Signal

from ..errors import EXPECTED_ERRORS, OutputError, in_words
from ..images.writers.checks import check_choice, keep_what_is_read
from ..images.writers.formats import all_suffixes
from ..images.writers.labels import LabelSet
from ..images.writers.saving import save_labels
from ..images.writers.table import TABLE_SUFFIX, save_table, table_beside
from ..types import AnyArray
from .dock_store import DockStore
from .engine_client import EngineClient
from .layers.labelled import LabelsToSave, object_colours, object_names
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
    #: Labels of a workspace are written to a file as they are now, and when they were.
    saving = Signal(object)
    saved = Signal(object)
    #: A file was written (``None``: it could not be), the problem in words, and the workspace whose labels it has.
    _written = Signal(object, str, object)

    def __init__(self, viewer: ViewerModel, store: DockStore, client: EngineClient) -> None:
        super().__init__()
        self._viewer = viewer
        self._store = store
        self._client = client
        self._written.connect(self._on_written)

    def kept_layer(self, work: Workspace) -> Labels | None:
        """Find the layer of ours that results are committed to; one of the user's may have its name."""
        ours = (la for la in self._viewer.layers if la.metadata.get(KEPT_OF) == str(work.image.unique_id))
        return next((la for la in ours if isinstance(la, Labels) and la.data.shape == work.sequence.layout.shape), None)

    def first_object(self, work: Workspace) -> int:
        """The lowest number above those of all committed objects."""
        kept = self.kept_layer(work)
        return 1 + int(kept.data.max()) if kept is not None and kept.data.size else 1

    def commit(self) -> None:
        """Copy the result to a kept layer (never over labels there), then make room for the next objects.

        In a layer of the user's it stays where it is.
        """
        store, work = self._store, self._store.work
        if work is None or not work.results.results:
            store.say("There is no result to keep yet: draw a prompt and press Shift+S.")
            return
        next_object = max(store.state.objects) + 1
        try:
            output = work.results.labels()
            self._client.flush()
            where = output.layer if not output.ours else self._copy_to_kept(work, output.layer)
        except OutputError as error:
            store.say(str(error))
            return
        self.committed.emit(work, where, sorted({frame for frame, _ in work.results.results}))
        if not output.ours:
            work.results.forget()
        self._client.engine.cancel()
        self._client.engine.reset()
        store.put(objects=(next_object,), current=next_object, positive=True)
        store.aim()
        store.say(note=f"Kept in '{where.name}'. The next prompt starts object {next_object}.")

    def restore(self, work: Workspace, labels: Mapping[int, AnyArray]) -> None:
        """Bring back label images ``(H, W)`` that were committed before, by frame."""
        if labels:
            kept = self._kept(work, [])
            for frame, given in labels.items():
                shown = kept.data[work.sequence.layout.index(frame)]
                shown[: given.shape[0], : given.shape[1]] = given
            kept.refresh()
            self.committed.emit(work, kept, list(labels))

    def _copy_to_kept(self, work: Workspace, result: Labels) -> Labels:
        kept = self._kept(work, [result])
        keep_result(result.data, kept.data)
        kept.refresh()
        return kept

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
            labels = merged([np.asarray(layer.data) for layer in layers])
        except MemoryError:
            store.say("There is not enough memory to save the labels: close other images first.")
            return
        layout, mode = work.sequence.layout, store.chosen.mode
        named = path.name.lower().endswith((*all_suffixes(), TABLE_SUFFIX))
        each = not named and (each or path.is_dir() or (not path.suffix and len(set(layout.sizes)) > 1))
        if not each and not path.suffix:
            path = path.with_name(path.name + ".tif")
        colour, called = object_colours(layers[-1]), object_names(layers[-1])
        found = work.results.found()
        to_save = LabelsToSave(images_of(work.image), layout, labels, mode, found, colour, called)
        self.saving.emit(work)
        store.put(saved=None)
        store.say(note=f"Saving {path.name} ...")
        # No daemon: closing napari waits for the file.
        threading.Thread(target=self._write, args=(path, to_save, each, work), name="napari-medsam2 save").start()

    def _write(self, path: Path, to_save: LabelsToSave, each: bool, work: Workspace) -> None:
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
                self._written.emit(written, problem, work)

    def _on_written(self, path: Path | None, problem: str, work: Workspace) -> None:
        if path is not None and path.suffix.lower() != TABLE_SUFFIX:
            self.saved.emit(work)
        self._store.put(saved=path)
        self._store.say(problem, note="" if path is None else f"Saved {path}")


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


def keep_result(result: AnyArray, kept: AnyArray) -> int:
    """Copy labels into a kept layer's data, never over labels that are there; return how many pixels were new.

    Raises
    ------
    OutputError
        If a number is too large for that data.
    """
    new = (result != 0) & (kept == 0)
    numbers = result[new]
    if numbers.size and numbers.max() > np.iinfo(kept.dtype).max:
        raise OutputError(f"object {numbers.max()} does not fit into a labels layer of {kept.dtype}")
    kept[new] = numbers
    return int(np.count_nonzero(new))


def merged(parts: Sequence[AnyArray]) -> AnyArray:
    """A copy of label images of one shape over each other, the first one on top, of a type that holds all numbers."""
    labels = parts[0].astype(np.result_type(*parts))
    for part in parts[1:]:
        keep_result(part, labels)
    return labels

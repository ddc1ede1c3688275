"""What was found against a reference layer, computed beside the interface thread."""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Labels
from qtpy.QtCore import QObject, Signal

from ..errors import EXPECTED_ERRORS, OutputError, in_words
from ..evaluation.agreement import Grid, ReferenceScores, compare, matched, scores_as_csv
from ..types import AnyArray
from ..whole_file import replace_file
from .dock_store import DockStore
from .engine_client import EngineClient
from .layers.coordinates import world_units
from .layers.opened_layers import images_of
from .layers.output import check_place, check_shape
from .layers.workspace import Workspace


class _Ended(Exception):
    """Another comparison took its place."""


class Scoring(QObject):
    """The comparison of one dock.

    Parameters
    ----------
    viewer, store, client
        Where the layers are, the state that this changes, and the engine's client.
    """

    _done = Signal(int, object, str)  # number of the comparison, its scores, what is wrong
    _at = Signal(int, float)

    def __init__(self, viewer: ViewerModel, store: DockStore, client: EngineClient) -> None:
        super().__init__()
        self._viewer, self._store, self._client = viewer, store, client
        self._number = 0
        self._work: Workspace | None = None
        self._done.connect(self._on_done)
        self._at.connect(self._on_at)

    def close(self) -> None:
        """End what is computed."""
        self._number += 1

    def compare(self, layer: Labels | None) -> None:
        """Score what is shown now against a Labels layer; ``None`` forgets the scores."""
        self._number += 1
        work = self._work = self._store.work
        self._store.put(scores=(), scoring=None)
        if layer is None or work is None:
            self._store.changed.emit()
            return
        if not work.results.results:
            self._store.say("There is nothing to compare yet: find the object first.")
            return
        self._client.flush()
        output = work.results.labels()
        try:
            if layer is output.layer:
                raise OutputError(f"'{layer.name}' is where the results are: choose another layer as the reference")
            check_shape(layer, work.sequence.layout)
            check_place(layer, work.image, work.sequence.layout, world_units(self._viewer) is not None)
        except OutputError as error:
            self._store.say(str(error))
            return
        layout = work.sequence.layout
        frames = range(layout.n_frames)
        found = [output.frame(t).copy() for t in frames]  # now: what is found later is not part of it
        sizes = [layout.size_of(t) for t in frames]
        reference = [np.asarray(layer.data[layout.index(t)])[:h, :w] for t, (h, w) in zip(frames, sizes, strict=True)]
        objects = sorted({number for _, number in work.results.results})
        self._store.set(scoring=0.0, problem="", note="")
        arguments = (self._number, found, reference, objects, self._grid(layer, work))
        threading.Thread(target=self._score, args=arguments, name="napari-medsam2 scores", daemon=True).start()

    def save(self, path: Path) -> None:
        """Write the scores as CSV."""
        scores, work = self._store.chosen.scores, self._store.work
        if scores and work is not None:
            self._write(path, scores_as_csv(scores, names_of(work)))

    def save_cost(self, path: Path) -> None:
        """Write what annotating took as CSV."""
        work = self._store.work
        if work is not None:
            how = work.past.cost.how(work.book.prompted_frames, work.book.accepted_frames)
            self._write(path, work.past.cost.as_csv(how, names_of(work)))

    def _write(self, path: Path, text: str) -> None:
        path = path if path.suffix else path.with_name(path.name + ".csv")
        try:
            replace_file(path, lambda draft: draft.write_text(text, encoding="utf-8"))
        except EXPECTED_ERRORS as error:
            self._store.say(f"The table could not be saved: {in_words(error)}.")
        else:
            self._store.say(note=f"Saved {path}")

    def _grid(self, layer: Labels, work: Workspace) -> Grid:
        layout, mode = work.sequence.layout, self._store.chosen.mode
        axes = (*((layout.axis,) if layout.axis is not None else ()), *layout.plane)
        units = {str(layer.units[axis]) for axis in axes}
        if len(units) > 1 or units & {"pixel", ""}:
            return Grid(mode)
        sizes = [abs(float(layer.scale[axis])) for axis in axes]
        first, height, width = (1.0, *sizes) if layout.axis is None else sizes
        return Grid(mode, (first, height, width), f"{work.image.units[layout.plane[0]]:~}")

    # ---- on a thread of its own --------------------------------------------------------------------------------------

    def _score(
        self, number: int, found: list[AnyArray], reference: list[AnyArray], objects: list[int], grid: Grid
    ) -> None:
        def on_frame(done: int, total: int) -> None:
            if number != self._number:
                raise _Ended
            self._tell(self._at, number, done / total)

        scores: list[ReferenceScores] = []
        problem = "The scores could not be computed, and it is not known why."
        try:
            pairs = matched(found, reference, objects)
            scores = compare(found, reference, list(pairs.items()), grid, on_frame=on_frame)
            problem = "" if scores else "No label of the reference stands for an object that was found: none overlaps."
        except MemoryError:
            problem = "There is not enough memory to compare so many frames at once."
        except _Ended:
            return
        finally:
            if number == self._number:
                self._tell(self._done, number, tuple(scores), problem)

    def _tell(self, signal: Any, *values: Any) -> None:
        with suppress(RuntimeError):  # the window was closed meanwhile
            signal.emit(*values)

    # ---- on the interface thread -------------------------------------------------------------------------------------

    def _on_at(self, number: int, share: float) -> None:
        if number == self._number and share - (self._store.chosen.scoring or 0) > 0.05:
            self._store.set(scoring=share)

    def _on_done(self, number: int, scores: tuple[ReferenceScores, ...], problem: str) -> None:
        if number != self._number or self._work is not self._store.work:
            return
        self._store.put(scores=scores, scoring=None)
        others = [f"object {s.object_id} against label {s.label}" for s in scores if s.object_id != s.label]
        note = f"Numbers differ, so what overlaps most was compared: {', '.join(others[:3])}." if others else ""
        self._store.say(problem, note=note)


def names_of(work: Workspace) -> list[str]:
    """What the frames are called: the names of their files, where each has one, else their numbers."""
    count = work.sequence.layout.n_frames
    files = images_of(work.image).files
    return [file.name for file in files] if len(files) == count else [str(t) for t in range(count)]

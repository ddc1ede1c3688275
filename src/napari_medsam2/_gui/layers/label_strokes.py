"""Strokes in Labels layers of the user's own, among all else that was done: Ctrl+Z takes back whatever came last."""

from __future__ import annotations

from collections.abc import Callable

from napari.components import ViewerModel
from napari.layers import Labels
from napari.utils.events import Event

#: So many things are remembered in their order.
_DEPTH = 100


class LabelStrokes:
    """Remembers in which order strokes in the user's Labels layers, which napari can undo, and other deeds came.

    Parameters
    ----------
    viewer
        Whose layers.
    is_output
        Says whether results are written to a layer: strokes there are prompts, and undone with them.
    is_prompts
        Says whether prompts are read from a layer: a stroke there changes prompts, which is no deed beside it.
    undone
        Called with a layer in which a stroke was undone or done again.
    changed
        Called when what :attr:`waiting` tells may differ.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        is_output: Callable[[Labels], bool],
        is_prompts: Callable[[Labels], bool],
        undone: Callable[[Labels], None],
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._viewer = viewer
        self._is_output = is_output
        self._is_prompts = is_prompts
        self._prompting = False  # the latest deed is a stroke whose prompts were not read yet
        self._told = undone
        self._changed = changed
        self._done: list[Labels | None] = []  # None: something else
        self._undone: list[Labels | None] = []
        self._replaying = False
        viewer.layers.events.inserted.connect(self._on_inserted)
        viewer.layers.events.removed.connect(self._on_removed)
        for layer in viewer.layers:
            self._watch(layer)

    def close(self) -> None:
        """Watch no layer any more."""
        self._viewer.layers.events.inserted.disconnect(self._on_inserted)
        self._viewer.layers.events.removed.disconnect(self._on_removed)
        for layer in self._viewer.layers:
            self._unwatch(layer)

    @property
    def waiting(self) -> tuple[bool, bool]:
        """Whether there are strokes to take back, and to do again."""
        layers = self._viewer.layers
        undo, redo = (any(x is not None and x in layers for x in deeds) for deeds in (self._done, self._undone))
        return undo, redo

    def note_deed(self) -> None:
        """Take note that something was done that is not a stroke in a layer of the user's."""
        if not self._prompting:
            self._note(None)
        self._prompting = False

    def undo(self) -> bool:
        """Take back the latest deed if it is a stroke; false if it is something else, or nothing is known."""
        return self._replay(self._done, self._undone, Labels.undo)

    def redo(self) -> bool:
        """Do again what was taken back last if it is a stroke."""
        return self._replay(self._undone, self._done, Labels.redo)

    def _replay(self, source: list[Labels | None], target: list[Labels | None], step: Callable[[Labels], None]) -> bool:
        while source and source[-1] is not None and source[-1] not in self._viewer.layers:
            source.pop()
        if not source:
            return False
        layer = source.pop()
        target.append(layer)
        if layer is None:
            return False
        self._replaying = True
        try:
            step(layer)
            self._told(layer)
        finally:
            self._replaying = False
            self._changed()
        return True

    def _note(self, layer: Labels | None) -> None:
        if not self._replaying:
            self._done = [*self._done, layer][-_DEPTH:]
            self._undone.clear()
            self._changed()

    def _on_paint(self, event: Event) -> None:
        if not self._is_output(event.source):
            self._note(event.source)
            self._prompting = self._is_prompts(event.source)

    def _on_inserted(self, event: Event) -> None:
        self._watch(event.value)

    def _on_removed(self, event: Event) -> None:
        self._unwatch(event.value)
        self._changed()

    def _watch(self, layer: object) -> None:
        if isinstance(layer, Labels):
            layer.events.paint.connect(self._on_paint)

    def _unwatch(self, layer: object) -> None:
        if isinstance(layer, Labels):
            layer.events.paint.disconnect(self._on_paint)

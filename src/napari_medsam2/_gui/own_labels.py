"""Which strokes in Labels layers are napari's to undo, in one dock."""

from __future__ import annotations

from functools import partial

from napari.components import ViewerModel
from napari.layers import Labels

from .dock_store import DockStore
from .engine_client import EngineClient
from .layers.label_strokes import LabelStrokes


def watch_labels(viewer: ViewerModel, store: DockStore, client: EngineClient) -> LabelStrokes:
    """Remember strokes in Labels layers that results are not written to, among the changes of prompts."""

    def tell() -> None:
        if store.chosen.own_strokes != strokes.waiting:
            store.set(own_strokes=strokes.waiting)

    strokes = LabelStrokes(
        viewer, partial(_is_output, store), partial(_is_prompts, store), partial(_read_again, store, client), tell
    )
    client.prompts_changed.connect(strokes.note_deed)
    return strokes


def _is_output(store: DockStore, layer: Labels) -> bool:
    return store.work is not None and layer is store.work.output_layer


def _is_prompts(store: DockStore, layer: Labels) -> bool:
    return store.work is not None and store.work.book.source_of(layer) is not None


def _read_again(store: DockStore, client: EngineClient, layer: Labels) -> None:
    """Read the prompts of a layer of the user's in which a stroke was undone: napari tells nobody of that."""
    if store.work is not None and _is_prompts(store, layer):
        store.work.book.touch(layer)
        client.send_prompts()

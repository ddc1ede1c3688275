"""Label files of ours that napari's own reader opened: they lie where they did, in the colours that they had."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from napari.components import ViewerModel
from napari.layers import Labels
from napari.utils.events import Event

from ..errors import EXPECTED_ERRORS
from ..images.formats import read_images
from ..images.readers.tif import notes_of_tif
from .layers.opened_layers import labels_look

#: Of files of ours, those that napari's own reader takes.
_SUFFIXES = (".tif", ".tiff")


class OwnFiles:
    """Looks at what is opened in a viewer: napari's reader of tifs knows nothing of colours and geometry.

    Parameters
    ----------
    viewer
        Whose layers.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        viewer.layers.events.inserted.connect(self._on_inserted)

    def close(self) -> None:
        """Look no more; layers stay as they are."""
        self._viewer.layers.events.inserted.disconnect(self._on_inserted)

    def _on_inserted(self, event: Event) -> None:
        layer = event.value
        if isinstance(layer, Labels) and layer.source.reader_plugin == "napari" and layer.source.path:
            show_as_saved(layer, Path(layer.source.path))


def show_as_saved(layer: Labels, path: Path) -> None:
    """Give a layer the place, the colours and the names that are noted in its file, if that is one of ours."""
    if path.suffix.lower() not in _SUFFIXES or not path.is_file() or notes_of_tif(path) is None:
        return
    with suppress(*EXPECTED_ERRORS):  # napari has read it, in its own way
        shape, look = labels_look(read_images(path, as_labels=True))
        if shape == layer.data.shape:
            for name, value in look.items():
                setattr(layer, name, value)

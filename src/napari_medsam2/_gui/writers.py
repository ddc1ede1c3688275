"""File > Save Selected Layers: Labels layers in the formats of the dock, with the geometry of their image."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Labels, Layer

from ..errors import OutputError, in_words
from ..images.writers.checks import check_labels
from ..images.writers.formats import all_suffixes
from ..images.writers.saving import save_labels
from ..types import Mode
from .layers.labelled import LabelsToSave, object_colours, object_names
from .layers.layout import MODE_KEY, SIZES_KEY, Layout
from .layers.mode_guess import count_up
from .layers.opened_layers import images_of


def write_tif(path: str, data: Any, options: dict[str, Any]) -> list[str]:
    """Write a Labels layer to an OME-TIFF."""
    return _write(path, data, options, ".ome.tif")


def write_nifti(path: str, data: Any, options: dict[str, Any]) -> list[str]:
    """Write a Labels layer as NIfTI."""
    return _write(path, data, options, ".nii.gz")


def write_nrrd(path: str, data: Any, options: dict[str, Any]) -> list[str]:
    """Write a Labels layer as NRRD."""
    return _write(path, data, options, ".nrrd")


def write_zarr(path: str, data: Any, options: dict[str, Any]) -> list[str]:
    """Write a Labels layer as OME-Zarr."""
    return _write(path, data, options, ".zarr")


def write_coco(path: str, data: Any, options: dict[str, Any]) -> list[str]:
    """Write the objects of a Labels layer as COCO JSON."""
    return _write(path, data, options, ".json")


def write_folder(path: str, data: Any, options: dict[str, Any]) -> list[str]:
    """Write a Labels layer to a folder with a file for each image, under its name and in its size."""
    return _write(path, data, options, "")


def _write(path: str, data: Any, options: dict[str, Any], suffix: str) -> list[str]:
    """Write what napari gives writers to a path, whose name gets a suffix if it has none of ours.

    Raises
    ------
    OSError
        In words, which napari shows; a ``ValueError`` it would take for a writer that does not fit.
    """
    place = Path(path)
    if suffix and not place.name.lower().endswith(tuple(all_suffixes())):
        place = place.with_name(place.name + suffix)
    try:
        labels = _to_save(data, options).label_set()
        check_labels(place, labels)
        save_labels(place, labels)
    except OutputError as error:
        raise OSError(in_words(error)) from error
    return [str(place)]


def _to_save(data: Any, options: dict[str, Any]) -> LabelsToSave:
    layer = Layer.create(data, options, "labels")
    assert isinstance(layer, Labels)
    finest = np.asarray(layer.data[0] if layer.multiscale else layer.data)
    last = finest.ndim - 3
    axis = None if last < 0 else last
    sizes = tuple(layer.metadata.get(SIZES_KEY, ()))
    layout = Layout(
        finest.shape, axis, tuple((other, 0) for other in range(last)), sizes=sizes if len(sizes) == len(finest) else ()
    )
    images = images_of(layer)
    if images.labels:  # they are in memory now, so that their file may be written over
        images = replace(images, files=())
    apart = len(images.files) == len(finest) and not count_up([file.name for file in images.files])
    unrelated = bool(layout.sizes) or apart or str(layer.axis_labels[0]) == "image"
    mode: Mode = "flow" if layer.metadata.get(MODE_KEY, "flow" if unrelated else "stack") == "flow" else "stack"
    return LabelsToSave(images, layout, finest, mode, {}, object_colours(layer), object_names(layer))

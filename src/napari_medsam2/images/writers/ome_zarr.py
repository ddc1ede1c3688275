"""OME-Zarr labels by zarr: beside an image in its own ``labels`` folder and with its pyramid, or alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import OutputError, UserError
from ...types import AnyArray
from ..damage import reading
from ..opened import Axis
from ..readers.ome_zarr import NOTES_KEY, Level, Pyramid, pyramid_of
from ..readers.zarr_nodes import ZARR_MARKS, attributes_of, open_node
from ..units import ome_zarr_unit
from .labels import STORED_ORDER, Labelled, LabelSet

ZARR_SUFFIXES = (".ome.zarr", ".zarr")
#: What zarr stores as one file, at most, along y and x.
_CHUNK = 1024
_TYPES = {"t": "time", "c": "channel", "z": "space", "y": "space", "x": "space"}


def is_beside_image(path: Path) -> bool:
    """Whether a path is one for labels in a zarr: ``image.zarr/labels/NAME``."""
    group = path.parent.parent
    return path.parent.name == "labels" and any((group / mark).is_file() for mark in ZARR_MARKS)


def refuse_zarr(labelled: Labelled) -> str:
    """Why labels cannot be one array, in a sentence; empty if they can."""
    names = [axis.name for axis in labelled.axes]
    if not labelled.uniform:
        return (
            f"the images of {labelled.images.name} differ in size and do not fit into one zarr: name a folder, and "
            "each gets a file of its own"
        )
    return "" if len(set(names)) == len(names) else f"OME-Zarr needs axes of different names; got {', '.join(names)}"


def refuse_place(path: Path, labelled: Labelled) -> str:
    """Why labels cannot be written to a path: an image is there, or they do not lie on the one they would be beside."""
    if _holds_other_than_labels(path):
        return (
            f"{path.name} is an image, which would be lost: labels beside it are written to {path / 'labels' / 'NAME'}"
        )
    if not is_beside_image(path):
        return ""
    image = path.parent.parent
    try:
        pyramid = pyramid_of(image)
    except UserError as error:
        return f"there is no image to write labels beside: {error}"
    there = dict(zip(pyramid.names, pyramid.levels[0].shape, strict=True))
    own = dict(zip((axis.name for axis in labelled.axes), labelled.lengths, strict=True))
    if all(there.get(name) == length for name, length in own.items()):
        return ""
    mine, its = (", ".join(f"{name}={length}" for name, length in one.items()) for one in (own, there))
    return f"the labels ({mine}) do not lie on the image {image.name} ({its}): name another place"


def _holds_other_than_labels(path: Path) -> bool:
    """Whether a zarr is there that is no labels."""
    import zarr

    if not any((path / mark).is_file() for mark in ZARR_MARKS):
        return False
    try:
        with reading(path):
            return "image-label" not in attributes_of(open_node(zarr, path))
    except UserError:
        return True


def write_zarr(path: Path, labels: LabelSet) -> None:
    """Write all labels into an empty folder, one plane in memory at a time where that is possible."""
    import zarr

    order = labels.places(STORED_ORDER)
    axes, shape = [labels.axes[place] for place in order], tuple(labels.lengths[place] for place in order)
    beside = is_beside_image(path)
    pyramid = _pyramid(path.parent.parent if beside else _source(labels), axes, shape)
    version = pyramid.version if pyramid and beside else "0.4"
    levels = _levels(axes, shape, pyramid)
    try:
        group = _group(zarr, path, version)
        arrays = [_array(group, str(n), level.shape, labels, axes) for n, level in enumerate(levels)]
        _fill(arrays, [_places(axes, shape, level) for level in levels], _planes(labels, order), shape)
        _describe(group, labels, axes, levels, version, beside=beside)
        group.attrs[NOTES_KEY] = labels.notes(order)
    except (RuntimeError, ValueError) as error:
        raise OutputError(f"cannot write {path.name}: {error}") from error


@contextmanager
def listed_beside(path: Path) -> Iterator[None]:
    """Around the writing of labels in a zarr: its folder of labels is made, and lists them once they are there."""
    import zarr

    folder = path.parent
    made = not folder.exists()
    try:
        folder.mkdir(exist_ok=True)
        yield
        version = pyramid_of(folder.parent).version
        group = _group(zarr, folder, version)
        told = dict(group.attrs.get("ome", {})) if version == "0.5" else dict(group.attrs)
        names = [*(name for name in told.get("labels", []) if name != path.name), path.name]
        _put(group, {"labels": names}, version)
    except OSError as error:
        raise OutputError(f"cannot write the list of labels in {folder}: {error.strerror or error}") from error
    finally:
        if made:
            with suppress(OSError):
                folder.rmdir()  # if nothing was written


# ---- where labels lie ------------------------------------------------------------------------------------------------


def _source(labels: LabelSet) -> Path | None:
    return next((path for path in labels.images.files if path.is_dir()), None)


def _pyramid(path: Path | None, axes: Sequence[Axis], shape: Sequence[int]) -> Pyramid | None:
    """That of an image with the same pixels along the axes of the labels."""
    if path is None or not any((path / mark).is_file() for mark in ZARR_MARKS):
        return None
    try:
        with reading(path):
            pyramid = pyramid_of(path)
    except UserError:
        return None
    there = dict(zip(pyramid.names, pyramid.levels[0].shape, strict=True))
    return pyramid if all(there.get(axis.name) == n for axis, n in zip(axes, shape, strict=True)) else None


def _levels(axes: Sequence[Axis], shape: tuple[int, ...], pyramid: Pyramid | None) -> list[Level]:
    """Of the labels: those of the image, along the axes that the labels have."""
    finest = Level(None, shape, [axis.spacing for axis in axes], [axis.origin for axis in axes])
    if pyramid is None:
        return [finest]
    places = [pyramid.names.index(axis.name) for axis in axes]

    def taken(level: Level) -> Level:
        told = tuple(level.shape[p] for p in places)
        return Level(None, told, [level.spacing[p] for p in places], [level.origin[p] for p in places])

    return [finest, *(taken(level) for level in pyramid.levels[1:])]


def _places(axes: Sequence[Axis], shape: Sequence[int], level: Level) -> list[AnyArray]:
    """Along each axis, which pixel of the labels each pixel of a level shows: the nearest one."""
    found = []
    for axis, n, coarse, spacing, origin in zip(axes, shape, level.shape, level.spacing, level.origin, strict=True):
        steps = np.arange(coarse)
        if spacing == axis.spacing and coarse != n:  # scales are not told
            nearest = np.floor((steps + 0.5) * n / coarse)
        else:
            nearest = np.round((origin + steps * spacing - axis.origin) / axis.spacing)
        found.append(nearest.clip(0, n - 1).astype(np.intp))
    return found


# ---- pixels ----------------------------------------------------------------------------------------------------------


def _planes(labels: LabelSet, order: Sequence[int]) -> Iterator[AnyArray]:
    if list(order) == sorted(order):
        return labels.planes()
    array = labels.array(order)
    return iter(array.reshape(-1, *array.shape[-2:]))


def _fill(
    arrays: Sequence[Any], places: Sequence[Sequence[AnyArray]], planes: Iterator[AnyArray], shape: tuple[int, ...]
) -> None:
    for number, plane in enumerate(planes):
        at = np.unravel_index(number, shape[:-2]) if len(shape) > 2 else ()
        for array, shown in zip(arrays, places, strict=True):
            along = [np.flatnonzero(one == place) for one, place in zip(shown, at, strict=False)]
            for index in product(*along):
                array[tuple(int(i) for i in index)] = plane[np.ix_(*shown[-2:])]


def _group(zarr: Any, path: Path, version: str) -> Any:
    """Open or make a group in the format of zarr that a version of OME-Zarr is in."""
    if int(zarr.__version__.partition(".")[0]) < 3:
        return zarr.open_group(str(path), mode="a")
    return zarr.open_group(str(path), mode="a", zarr_format=3 if version == "0.5" else 2)


def _array(group: Any, name: str, shape: tuple[int, ...], labels: LabelSet, axes: Sequence[Axis]) -> Any:
    """Empty chunks are stored too, so that one that is lost can be told."""
    chunks = (*(1,) * (len(shape) - 2), *(min(n, _CHUNK) for n in shape[-2:]))
    if not hasattr(group, "create_array"):  # zarr 2
        return group.create_dataset(
            name, shape=shape, dtype=labels.dtype, chunks=chunks, dimension_separator="/", write_empty_chunks=True
        )
    options: dict[str, Any] = {"chunk_key_encoding": {"name": "v2", "separator": "/"}}
    if group.metadata.zarr_format == 3:
        options = {"dimension_names": [axis.name for axis in axes]}
    return group.create_array(
        name, shape=shape, dtype=labels.dtype, chunks=chunks, config={"write_empty_chunks": True}, **options
    )


# ---- metadata --------------------------------------------------------------------------------------------------------


def _describe(
    group: Any, labels: LabelSet, axes: Sequence[Axis], levels: Sequence[Level], version: str, *, beside: bool
) -> None:
    datasets = []
    for number, level in enumerate(levels):
        moves: list[dict[str, Any]] = [{"type": "scale", "scale": level.spacing}]
        if any(level.origin):
            moves.append({"type": "translation", "translation": level.origin})
        datasets.append({"path": str(number), "coordinateTransformations": moves})
    told: list[dict[str, str]] = []
    for axis in axes:
        unit = ome_zarr_unit(axis.unit)
        kind = {"type": _TYPES[axis.name]} if axis.name in _TYPES else {}
        told.append({"name": axis.name, **kind, **({"unit": unit} if unit else {})})
    stated = {"version": version} if version == "0.4" else {}
    multiscale = {**stated, "name": labels.images.name, "axes": told, "datasets": datasets}
    colours, properties = [], []
    for value, known in sorted(labels.objects.items()):
        if known.rgb:
            colours.append({"label-value": value, "rgba": [*known.rgb, 255]})
        if known.name:
            properties.append({"label-value": value, "name": known.name})
    described: dict[str, Any] = {**stated}
    described |= {"colors": colours} if colours else {}
    described |= {"properties": properties} if properties else {}
    described |= {"source": {"image": "../../"}} if beside else {}
    _put(group, {"multiscales": [multiscale], "image-label": described}, version)


def _put(group: Any, told: Mapping[str, Any], version: str) -> None:
    """Put metadata of OME where a version has them."""
    if version == "0.5":
        told = {"ome": {**dict(group.attrs.get("ome", {})), "version": version, **told}}
    group.attrs.update(dict(told))

"""Zarr arrays, and OME-Zarr images with their pyramids, labels and series, by zarr.

The metadata of OME-Zarr 0.1 to 0.5 are read here by hand. Of the libraries for them ome-zarr, ngio, ngff-zarr and
ome-zarr-models need Python 3.11 and much else, and those that check what they read, yaozarrs among them, refuse images
that people have: without scales, with channels that have no window, of versions before 0.4. None tells missing chunks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import FrameError, first_few
from ...types import AnyArray
from ..damage import reading, require
from ..lazy import AxesView
from ..listing import stem_of
from ..notes import read_notes, with_notes
from ..opened import CHANNEL, Axis, LabelledObject, OpenedImages, hex_colour
from ..units import unit_of
from .options import ReadOptions
from .zarr_chunks import ask_for_chunks, unstored_chunks
from .zarr_nodes import ZARR_MARKS, attributes_of, image_node, is_array, label_places, open_node

#: What versions before 0.4 mean, which do not name axes.
_OLD_AXES = "tczyx"
#: Where we note what OME-Zarr has no place for.
NOTES_KEY = "napari-medsam2"
_TYPES = {"channel": CHANNEL, "time": "t"}
#: What programs call axes of plain arrays.
_NAMES = {**_TYPES, "channels": CHANNEL, "band": CHANNEL}


def open_zarr(path: Path, options: ReadOptions) -> OpenedImages:
    """An array, or an image with its pyramid; labels and other images beside it are named in ``left_out``.

    An array that is a level of an image is opened with the axes of that image.
    """
    zarr = require("zarr", path)
    with reading(path):
        root = open_node(zarr, path)
        node, name, left_out = image_node(path, root, options.series)
        place, only = path, None
        if is_array(node):
            around = _image_around(zarr, path) if node is root else None
            if around is None:
                return _plain_array(path, node, left_out)
            node, place, only = around, path.parent, path.name
        attributes = attributes_of(node)
        names, units, levels, missing = _pyramid(path, node, attributes, only)
        finest = levels[0]
        axes = [
            Axis(name) if name == CHANNEL else Axis(name, spacing, unit, origin)
            for name, spacing, unit, origin in zip(names, finest.spacing, units, finest.origin, strict=True)
        ]
        channels = _channels(attributes, names, finest.shape)
        unstored = unstored_chunks(place, finest.array)
        ask_for_chunks(path, finest.array)
    order = _plane_last(names)
    views = [AxesView(_Pixels(path, level.array), order) for level in levels]
    images = OpenedImages(
        name or stem_of(path),
        views[0],
        tuple(axes[place] for place in order),
        channels=channels,
        left_out=(*left_out, *missing, *unstored),
        levels=tuple(views[1:]),
        mode="stack" if any(n > 1 for n, told in zip(finest.shape, names, strict=True) if told in "zt") else None,
        files=(path,),
        labels="image-label" in attributes,
        objects=_objects(attributes.get("image-label")),
        label_series=() if options.series is not None else label_places(node),
    )
    noted = attributes.get(NOTES_KEY)
    return with_notes(images, read_notes({str(k): str(v) for k, v in noted.items()})) if noted else images


def pyramid_of(path: Path) -> Pyramid:
    """What an OME-Zarr image says of its levels.

    Raises
    ------
    FrameError
        If there is none, or its metadata cannot be used.
    """
    zarr = require("zarr", path)
    with reading(path):
        node = open_node(zarr, path)
        attributes = {} if is_array(node) else attributes_of(node)
        if not attributes.get("multiscales"):
            raise FrameError(f"{path.name} is no image of OME-Zarr")
        names, _, levels, _ = _pyramid(path, node, attributes, None)
        return Pyramid("0.5" if "ome" in dict(node.attrs) else "0.4", tuple(names), tuple(levels))


def _image_around(zarr: Any, path: Path) -> Any:
    """The image that an array is a level of; ``None`` if it is none."""
    if not any((path.parent / mark).is_file() for mark in ZARR_MARKS):
        return None
    group = open_node(zarr, path.parent)
    multiscales = attributes_of(group).get("multiscales")
    if not isinstance(multiscales, list) or not multiscales or not isinstance(multiscales[0], Mapping):
        return None
    names = [one.get("path") for one in multiscales[0].get("datasets", ()) if isinstance(one, Mapping)]
    return group if path.name in names else None


class _Pixels:
    """An array of zarr, with words for what is damaged in it, or gone: zarr reads files that are not there as 0."""

    def __init__(self, path: Path, array: Any) -> None:
        self._path = path
        self._array = array
        self._folder = _folder_of(path, array)
        self.shape = tuple(int(n) for n in array.shape)
        self.ndim = len(self.shape)
        self.dtype = np.dtype(array.dtype)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> AnyArray:
        with reading(self._path):
            if self._folder and not any((self._folder / mark).is_file() for mark in ZARR_MARKS):
                raise FrameError(f"{self._path.name} is gone since it was opened: its folder was moved or deleted")
            pixels: AnyArray = np.asarray(self._array[key])
            return pixels


def _folder_of(path: Path, array: Any) -> Path | None:
    """Where the files of an array are, if they are in a folder."""
    inside = str(getattr(array, "path", "") or "")
    folders = [folder / inside for folder in (path, path.parent)]  # a level may have been opened by itself
    return next((folder for folder in folders if any((folder / mark).is_file() for mark in ZARR_MARKS)), None)


def _plain_array(path: Path, array: Any, left_out: Sequence[str]) -> OpenedImages:
    """An array without metadata of OME; its last axis is colours if it may be and has no name."""
    shape = tuple(int(n) for n in array.shape)
    told = getattr(getattr(array, "metadata", None), "dimension_names", None)
    told = told or dict(array.attrs).get("_ARRAY_DIMENSIONS") or ()
    names = [str(name or "").lower() for name in told] if len(told) == len(shape) else [""] * len(shape)
    names = [_NAMES.get(name, name) for name in names]
    names = [name if name in ("t", "c", "z", "y", "x") and names.count(name) == 1 else "" for name in names]
    if not {"y", "x"} <= set(names):
        names = [name if name == CHANNEL else "" for name in names]
    colour = len(shape) >= 3 and shape[-1] in (3, 4) and (not any(names) or names[-1] == CHANNEL)
    unstored = unstored_chunks(path, array)
    ask_for_chunks(path, array)
    order = _plane_last(names[: len(shape) - colour])
    pixels = AxesView(_Pixels(path, array), [*order, *range(len(order), len(shape))])
    axes = tuple(Axis(names[place]) for place in order)
    return OpenedImages(stem_of(path), pixels, axes, colour, left_out=(*left_out, *unstored), files=(path,))


def _plane_last(names: Sequence[str]) -> list[int]:
    """Places of axes, those of y and x last; a channel is never one of the last two."""
    last = {"y": 1, "x": 2} if {"y", "x"} <= set(names) else {CHANNEL: -1}
    return sorted(range(len(names)), key=lambda place: last.get(names[place], 0))


# ---- metadata of OME -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Level:
    """One level of a pyramid: its array, and along each axis its pixels, their spacing, and where the first one is."""

    array: Any
    shape: tuple[int, ...]
    spacing: list[float]
    origin: list[float]


@dataclass(frozen=True, eq=False)
class Pyramid:
    """An image of OME-Zarr: the version of its metadata, the names of its axes, and its levels, the finest first."""

    version: str
    names: tuple[str, ...]
    levels: tuple[Level, ...]


def _pyramid(
    path: Path, node: Any, attributes: Mapping[str, Any], only: str | None
) -> tuple[list[str], list[str], list[Level], tuple[str, ...]]:
    """Names and units of axes; levels, the finest first (or one alone); and words for those that are not there."""
    multiscale = _mapping(attributes["multiscales"][0], path)
    found: list[tuple[Any, Mapping[str, Any]]] = []
    missing = []
    for dataset in multiscale.get("datasets", ()):
        name = str(_mapping(dataset, path).get("path", ""))
        if only not in (None, name):
            continue
        try:
            array = node[name]
        except (KeyError, ValueError, OSError):
            array = None
        if array is None or not is_array(array):
            missing.append(name)
        else:
            found.append((array, dataset))
    if not found:
        raise FrameError(f"{path.name} holds none of the arrays that it names: {', '.join(missing) or 'it names none'}")
    found.sort(key=lambda level: -math.prod(level[0].shape))
    n = len(found[0][0].shape)
    if any(len(level.shape) != n for level, _ in found):
        raise FrameError(f"the levels of {path.name} differ in their axes: {[level.shape for level, _ in found]}")
    outer_scale, outer_shift = _transformed(path, multiscale.get("coordinateTransformations"), n)
    levels = []
    for array, dataset in found:
        scale, shift = _transformed(path, dataset.get("coordinateTransformations"), n)
        spacing, origin = (scale * outer_scale).tolist(), (shift * outer_scale + outer_shift).tolist()
        levels.append(Level(array, tuple(int(length) for length in array.shape), spacing, origin))
    words = [f"levels that the image names and that are not there: {', '.join(missing)}"] if missing else []
    if only is None and (others := [_mapping(one, path) for one in attributes["multiscales"][1:]]):
        names = [str(other.get("name") or f"number {k}") for k, other in enumerate(others, 1)]
        words.append(f"other pyramids that {path.name} names, of which the first is read: {first_few(names)}")
    return *_axes(path, multiscale, n), levels, tuple(words)


def _transformed(path: Path, transformations: Any, n: int) -> tuple[Any, Any]:
    """Scale and translation, in the order that they are applied in."""
    scale, shift = np.ones(n), np.zeros(n)
    for one in transformations or ():
        kind = _mapping(one, path).get("type")
        if kind == "identity":
            continue
        values = np.asarray(one.get(kind), np.float64) if kind in ("scale", "translation") else np.empty(0)
        if values.shape != (n,) or not np.isfinite(values).all() or (kind == "scale" and (values <= 0).any()):
            raise FrameError(f"{path.name} places its {n} axes by {dict(one)}, which cannot be used")
        if kind == "scale":
            scale, shift = scale * values, shift * values
        else:
            shift = shift + values
    return scale, shift


def _axes(path: Path, multiscale: Mapping[str, Any], n: int) -> tuple[list[str], list[str]]:
    """Names and units."""
    told = multiscale.get("axes") or list(_OLD_AXES[-n:] if n <= len(_OLD_AXES) else "")
    if len(told) != n:
        raise FrameError(f"{path.name} names {len(told)} axes, and its pixels have {n}")
    axes = [{"name": axis} if isinstance(axis, str) else _mapping(axis, path) for axis in told]
    names = [_TYPES.get(str(axis.get("type")), str(axis.get("name", "")).lower()) for axis in axes]
    if len(set(names)) < n or not {"y", "x"} <= set(names):
        raise FrameError(f"{path.name} calls its axes {', '.join(names)}; y and x have to be among them, and each once")
    return names, [unit_of(axis.get("unit")) for axis in axes]


def _channels(attributes: Mapping[str, Any], names: Sequence[str], shape: Sequence[int]) -> tuple[str, ...]:
    """What the channels are called; numbers where only some have names."""
    omero = attributes.get("omero")
    told = omero.get("channels") if isinstance(omero, Mapping) else None
    if CHANNEL not in names or not isinstance(told, list) or len(told) != shape[list(names).index(CHANNEL)]:
        return ()
    labels = [str(one.get("label") or "") if isinstance(one, Mapping) else "" for one in told]
    return tuple(label or str(number) for number, label in enumerate(labels)) if any(labels) else ()


def _objects(told: Any) -> dict[int, LabelledObject]:
    """Names and colours of labels, by their numbers; what is not as agreed is left out."""
    found: dict[int, dict[str, str]] = {}
    for field in ("properties", "colors"):
        for one in told.get(field) or () if isinstance(told, Mapping) else ():
            if not isinstance(one, Mapping) or not isinstance(one.get("label-value"), int):
                continue
            known, rgba = found.setdefault(one["label-value"], {}), one.get("rgba")
            if isinstance(one.get("name"), str):
                known["name"] = one["name"]
            if isinstance(rgba, list):
                known["colour"] = hex_colour(rgba[:3])
    return {value: LabelledObject(**known) for value, known in found.items()}


def _mapping(value: Any, path: Path) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return value
    raise FrameError(f"the metadata of {path.name} are damaged: {str(value)[:60]!r} stands where an object should")

"""What is where in a zarr: the image that is meant among series, wells, labels and arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...errors import FrameError, SeriesError, SeriesInfo, first_few
from ..damage import without_warnings
from ..listing import natural_key

ZARR_MARKS = ("zarr.json", ".zarray", ".zgroup")
#: As many are listed in a message.
_LISTED = 8
#: What may be read into memory before there is a choice of images.
_MOST_NAMES = 100_000


def open_node(zarr: Any, path: Path) -> Any:
    """The array or group of a folder, or of a zip."""
    if int(zarr.__version__.partition(".")[0]) < 3 and (path / "zarr.json").is_file():
        raise FrameError(
            f"{path.name} is in version 3 of zarr, which needs zarr 3 and Python 3.11: pip install 'zarr>=3'"
        )
    in_zip = zarr.storage.ZipStore if hasattr(zarr.storage, "ZipStore") else zarr.ZipStore
    store = str(path) if path.is_dir() else in_zip(str(path), mode="r")
    try:
        return zarr.open(store, mode="r")
    except FileNotFoundError as error:  # also of a zip or a folder that is there
        where = "of the folder" if path.is_dir() else "of the zip (zip what is in the folder, not the folder itself)"
        raise FrameError(f"{path.name} holds no zarr: at the top {where} is no {' or '.join(ZARR_MARKS)}") from error


def is_array(node: Any) -> bool:
    """Whether a node of zarr is an array."""
    return hasattr(node, "shape")


def attributes_of(node: Any) -> dict[str, Any]:
    """The metadata of a group; those of OME 0.5 and later are under a key of their own."""
    attributes = dict(node.attrs)
    inner = attributes.get("ome")
    return {**attributes, **inner} if isinstance(inner, Mapping) else attributes


def image_node(path: Path, root: Any, series: int | str | None) -> tuple[Any, str, tuple[str, ...]]:
    """The array or the image to open.

    Parameters
    ----------
    path
        For messages.
    root
        What is at the path.
    series
        Its number or name among the images, or its place in the group.

    Returns
    -------
    node, name, left_out
        The array, or the group with an image; what the image is called, if it has a name of its own; and what is beside
        it, in words.

    Raises
    ------
    SeriesError
        If there are several, and nothing says which.
    """
    if is_array(root):
        if series not in (None, 0):
            raise FrameError(f"{path.name} is a single array; got series {series!r}")
        return root, "", ()
    attributes = attributes_of(root)
    if "multiscales" in attributes:
        if not isinstance(attributes["multiscales"], list) or not attributes["multiscales"]:
            raise FrameError(f"the metadata of {path.name} are damaged: its multiscales are no list of images")
        return _image(path, root, series)
    images = _images(path, root, attributes)
    if not images:
        raise FrameError(f"{path.name} is a group that holds no array and no image")
    chosen = _choose(path, images, series)
    place = str(images[chosen].key)
    others = [str(info.key) for number, info in enumerate(images) if number != chosen]
    named = first_few(others, _LISTED)
    left_out = _wells_not_there(root, attributes)
    left_out += (f"other images in {path.name}: {named}; choose with series= or --series",) if others else ()
    node = _child(path, root, place)
    if is_array(node):
        return node, "", left_out
    inner, _, beside = _image(path, node, None)
    return inner, images[chosen].name if len(images) > 1 else "", (*left_out, *beside)


def _image(path: Path, node: Any, series: int | str | None) -> tuple[Any, str, tuple[str, ...]]:
    """An image, or what is in it: labels by their place, such as "labels/cells"."""
    labels = _label_names(node)
    if isinstance(series, str) and not series.isdecimal():
        place = series if series.startswith("labels/") else f"labels/{series}"
        if place.removeprefix("labels/") not in labels:
            raise FrameError(f"{path.name} holds one image{_labels_in_words(labels)}; got series {series!r}")
        return _child(path, node, place), place.rpartition("/")[2], ()
    if series is not None and int(series) != 0:
        raise FrameError(f"{path.name} holds one image{_labels_in_words(labels)}; got series {series}")
    beside = [f"labels/{name}" for name in labels]
    return node, "", (f"labels beside the image: {first_few(beside, _LISTED)}",) if beside else ()


def label_places(node: Any) -> tuple[str, ...]:
    """Where the labels of an image are in it, such as "labels/cells"; what is listed and not there is left out."""
    return tuple(f"labels/{name}" for name in _label_names(node) if f"labels/{name}" in node)


def _labels_in_words(labels: Sequence[str]) -> str:
    return f" and the labels {', '.join(labels)}" if labels else ""


def _label_names(node: Any) -> list[str]:
    """What labels an image has, by the list in their group."""
    try:
        named = attributes_of(node["labels"]).get("labels")
    except (KeyError, TypeError, ValueError, OSError):
        return []
    return [str(name) for name in named] if isinstance(named, list) else []


def _images(path: Path, root: Any, attributes: Mapping[str, Any]) -> list[SeriesInfo]:
    """What a group that is no image holds: series of bioformats2raw, fields of a plate or a well, labels, arrays."""
    if isinstance(attributes.get("plate"), Mapping):
        wells = [place for well in attributes["plate"].get("wells", ()) if (place := str(well["path"])) in root]
        return [SeriesInfo(place, place, kind="field of a well") for well in wells for place in _fields(root, well)]
    if isinstance(attributes.get("well"), Mapping):
        places = [str(image["path"]) for image in attributes["well"].get("images", ())]
        return [SeriesInfo(place, place, kind="field of a well") for place in places]
    if isinstance(attributes.get("labels"), list):
        return [SeriesInfo(str(name), str(name), kind="labels") for name in attributes["labels"]]
    with without_warnings:  # zarr warns of files that are no part of it, such as OME/METADATA.ome.xml
        groups = sorted(root.group_keys(), key=natural_key)
        arrays = sorted(root.array_keys(), key=natural_key)
    named = attributes_of(root["OME"]).get("series") if "OME" in groups else None
    places = [str(place) for place in named] if isinstance(named, list) else groups
    images = []
    for place in places[:_MOST_NAMES]:
        multiscales = attributes_of(_child(path, root, place)).get("multiscales")
        if isinstance(multiscales, list) and multiscales and isinstance(multiscales[0], Mapping):
            images.append(SeriesInfo(place, str(multiscales[0].get("name") or place), kind="image"))
    return images + [SeriesInfo(name, name, size=_size(root[name]), kind="array") for name in arrays]


def _wells_not_there(root: Any, attributes: Mapping[str, Any]) -> tuple[str, ...]:
    """In words, wells that a plate names and that were not imaged, or not copied."""
    plate = attributes.get("plate")
    gone = [str(well["path"]) for well in plate.get("wells", ()) if str(well["path"]) not in root] if plate else []
    return (f"wells that the plate names and that are not there: {first_few(gone, _LISTED)}",) if gone else ()


def _fields(root: Any, well: str) -> list[str]:
    """Places of the images of a well."""
    images = attributes_of(root[well]).get("well", {}).get("images", ())
    return [f"{well}/{image['path']}" for image in images]


def _size(array: Any) -> str:
    return " x ".join(map(str, array.shape))


def _choose(path: Path, images: Sequence[SeriesInfo], series: int | str | None) -> int:
    """The number of the image that is meant."""
    listed = first_few([str(i.key) if str(i.key) == i.name else f"{i.key} ({i.name})" for i in images], _LISTED)
    if series is None:
        if len(images) == 1:
            return 0
        raise SeriesError(
            f"{path.name} holds {len(images)} images: {listed}; choose one with series= or --series", images
        )
    for matches in (lambda info: str(info.key) == str(series), lambda info: info.name == series):
        found = [number for number, info in enumerate(images) if matches(info)]
        if len(found) > 1:
            raise SeriesError(f"{path.name} has several images {series!r}: choose by number, it has {listed}", images)
        if found:
            return found[0]
    if str(series).isdecimal() and int(series) < len(images):
        return int(series)
    raise FrameError(f"{path.name} has no image {series!r}; it has {listed}")


def _child(path: Path, node: Any, place: str) -> Any:
    try:
        return node[place]
    except (KeyError, ValueError, OSError) as error:
        raise FrameError(f"{path.name} names {place}, which is not there") from error

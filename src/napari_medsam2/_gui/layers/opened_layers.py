"""What was opened as layers of napari, and back: pixels stay on the disk, geometry and names go with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import dask.array
import numpy as np
from napari.layers import Layer

from ...errors import FrameError
from ...images.frames import FrameSource
from ...images.lazy import AxesView
from ...images.listing import list_images, stem_of
from ...images.opened import CHANNEL, Axis, OpenedImages
from .colours import label_colours
from .coordinates import affine_of
from .labelled import features_of
from .layout import IMAGES_KEY, MODE_KEY
from .shown_planes import Tell, contrast_of, shown, shown_frames

LayerData = tuple[Any, dict[str, Any], str]

#: Labels of at most this many bytes are read at once, so that they can be painted.
_PAINTABLE = 2 << 30
#: Colours of channels, by how many there are, as napari gives them.
_TWO, _MORE = ("magenta", "green"), ("cyan", "yellow", "magenta", "red", "green", "blue")


def layers_of(images: OpenedImages) -> list[LayerData]:
    """Layers that show what was opened: one for each channel, or one Labels layer.

    Parameters
    ----------
    images
        All axes of it, as :func:`~napari_medsam2.images.formats.read_images` gives them; those of length 1 beside y and
        x are left out.

    Returns
    -------
    list of (data, options, type)
        As napari takes them from readers. Pixels are read when they are looked at, one plane at a time; what cannot be
        read then is told and shown empty. Labels are read at once, unless they are too large.

    Raises
    ------
    FrameError
        If nothing of it can be read, or labels are no whole numbers.
    """
    if images.labels:
        return [_labels_layer(part) for part in _parts(images)]
    parts = _parts(images)
    layers = [_image_layer(part) for part in parts]
    colours = _TWO if len(parts) == 2 else _MORE
    for number, (_, options, _) in enumerate(layers if len(parts) > 1 else []):
        options |= {"blending": "additive", "colormap": colours[number % len(colours)]}
    return layers


def labels_look(images: OpenedImages) -> tuple[tuple[int, ...], dict[str, Any]]:
    """The shape of the Labels layer of labels that were opened, and its options: where it lies, colours and names."""
    part = _parts(images)[0]
    return tuple(part.data.shape), {**placed(part.axes), **_colours_and_names(part)}


def images_of(layer: Layer) -> OpenedImages:
    """What a layer shows, or lies on, as opened images: its axes as they lie in the viewer, and the files if known.

    The affine is that of the file while the layer lies as it was opened; of a layer that was turned or sheared in the
    viewer it is made of that, where the unit is a length.
    """
    known = layer.metadata.get(IMAGES_KEY)
    axes = _axes_of(layer)
    data = layer.data[0] if getattr(layer, "multiscale", False) else layer.data
    if isinstance(known, OpenedImages):
        if known.lengths == tuple(data.shape[: layer.ndim]):
            moved = any(not _alike(now, then) for now, then in zip(axes, known.axes, strict=True))
            return replace(known, axes=axes, affine=None) if moved else known
        return replace(known, data=data, axes=axes, affine=None, levels=())
    files = _files_of(layer, data.shape[0] if layer.ndim > 2 else 1)
    name = stem_of(files[0]) if len(files) == 1 else layer.name
    return OpenedImages(name, data, axes, bool(getattr(layer, "rgb", False)), affine=_turned(layer, axes), files=files)


def placed(axes: Sequence[Axis]) -> dict[str, Any]:
    """Options that put a layer where these axes say."""
    return {
        "scale": tuple(axis.spacing for axis in axes),
        "translate": tuple(axis.origin for axis in axes),
        "units": tuple(_known_unit(axis.unit) for axis in axes),
        "axis_labels": tuple(axis.name or f"axis {place - len(axes)}" for place, axis in enumerate(axes)),
    }


# ---- images to layers ------------------------------------------------------------------------------------------------


def _parts(images: OpenedImages) -> list[OpenedImages]:
    """One for each channel, without axes of length 1 beside y and x."""
    if isinstance(images.data, FrameSource):
        return [images]
    lengths, last = images.lengths, len(images.axes) - 2
    channel = next((p for p, axis in enumerate(images.axes[:last]) if axis.name == CHANNEL and lengths[p] > 1), None)
    kept = [p for p in range(len(lengths)) if p >= last or (lengths[p] > 1 and p != channel)]
    axes = tuple(images.axes[place] for place in kept)
    order = [*kept, *range(len(lengths), len(images.data.shape))]
    parts = []
    for number in range(1 if channel is None else lengths[channel]):
        fixed = {} if channel is None else {channel: number}
        data, *levels = (AxesView(array, order, fixed) for array in _finest_first(images))
        names = images.channels if channel is None else images.channels[number:][:1]
        called = images.name if channel is None else f"{images.name} {names[0] if names else f'channel {number}'}"
        parts.append(replace(images, name=called, data=data, axes=axes, channels=tuple(names), levels=tuple(levels)))
    return parts


def _finest_first(images: OpenedImages) -> list[Any]:
    coarser = [level for level in images.levels if tuple(level.shape) != tuple(images.data.shape)]
    return [images.data, *coarser]


def _image_layer(images: OpenedImages) -> LayerData:
    tell = Tell()
    options = {"name": images.name, **placed(images.axes), "metadata": _metadata(images)}
    if isinstance(images.data, FrameSource):
        data, sizes, colour = shown_frames(images, tell)
        options["metadata"] |= sizes
        options |= {"rgb": colour, **placed(images.axes[colour - data.ndim :]), **contrast_of(data, colour=colour)}
        return data, options, "image"
    levels = [shown(array, tell, colour=images.colour) for array in _finest_first(images)]
    several = len(levels) > 1
    options |= contrast_of(levels[-1], colour=images.colour)
    return levels if several else levels[0], {**options, "rgb": images.colour, "multiscale": several}, "image"


def _labels_layer(images: OpenedImages) -> LayerData:
    options = {"name": images.name, **placed(images.axes), "metadata": _metadata(images)}
    if isinstance(images.data, FrameSource):
        lazy, sizes, colour = shown_frames(images, Tell())
        options |= placed(images.axes[-lazy.ndim :])
        options["metadata"] |= sizes
    else:
        lazy, colour = shown(images.data, Tell(), colour=images.colour), images.colour
    if colour:
        raise FrameError(f"{images.name} is in colour, and labels are numbers: each object has one")
    data = np.asarray(lazy) if lazy.nbytes <= _PAINTABLE else lazy
    options |= {"opacity": 0.55, **_colours_and_names(images)}
    return _whole_numbers(data, images.name), options, "labels"


def _colours_and_names(images: OpenedImages) -> dict[str, Any]:
    look: dict[str, Any] = {"colormap": label_colours({n: o.colour for n, o in images.objects.items() if o.colour})}
    if any(known.name for known in images.objects.values()):
        look["features"] = features_of(images.objects)
    return look


def _whole_numbers(data: Any, name: str) -> Any:
    """The same labels in a type that napari takes for labels."""
    if data.dtype.kind in "ui":
        return data
    if data.dtype.kind == "b":
        return data.astype(np.uint8)
    if isinstance(data, np.ndarray) and not np.array_equal(data, np.rint(data)):
        raise FrameError(f"{name} holds fractions ({data.dtype}), and labels are whole numbers")
    return data.astype(np.int32)


def _metadata(images: OpenedImages) -> dict[str, Any]:
    mode = {MODE_KEY: images.mode} if images.mode else {}
    return {IMAGES_KEY: images, **mode}


def _known_unit(unit: str) -> str:
    """The unit if napari knows it, so that one that is misspelt in a file does not keep it from being shown."""
    import pint

    try:
        return str(pint.get_application_registry().Unit(unit or "pixel"))
    except (pint.UndefinedUnitError, pint.DefinitionSyntaxError, ValueError, TypeError):
        return "pixel"


# ---- layers to images ------------------------------------------------------------------------------------------------


def _axes_of(layer: Layer) -> tuple[Axis, ...]:
    axes = []
    for label, spacing, unit, origin in zip(layer.axis_labels, layer.scale, layer.units, layer.translate, strict=True):
        named = "" if str(label).lstrip("-").isdigit() or str(label).startswith("axis") else str(label)
        axes.append(Axis(named, float(spacing), str(unit), float(origin)))
    return tuple(axes)


def _alike(now: Axis, then: Axis) -> bool:
    """Whether an axis of a layer lies as it was opened, whatever spelling its unit has."""
    numbers = np.allclose((now.spacing, now.origin), (then.spacing, then.origin), rtol=1e-6, atol=1e-9)
    return bool(numbers) and now.unit == _known_unit(then.unit)


def _files_of(layer: Layer, n_frames: int) -> tuple[Path, ...]:
    """The file that napari's own reader opened, or those of its folder if there is one for each frame."""
    if not layer.source.path or not (path := Path(layer.source.path)).exists():
        return ()
    if not path.is_dir() and not is_stack_of_files(layer):
        return (path,)
    images, _ = list_images(path if path.is_dir() else path.parent)
    return tuple(images) if len(images) == n_frames and (path.is_dir() or path in images) else (path,)


def is_stack_of_files(layer: Layer) -> bool:
    """True if napari's own reader made the layer of several files, which it names the first of, or a folder."""
    return (
        bool(layer.source.path) and layer.source.reader_plugin == "napari" and isinstance(layer.data, dask.array.Array)
    )


def _turned(layer: Layer, axes: Sequence[Axis]) -> Any:
    """The affine of a layer that does not lie along the axes, from (z, y, x) to LPS in millimetres; else ``None``."""
    import pint

    whole = affine_of(layer)
    spatial = whole[-4:-1, -4:-1]
    registry = pint.get_application_registry()
    if len(axes) < 3 or np.allclose(spatial, np.diag(np.diag(spatial))):
        return None
    try:
        to_mm = [registry.Quantity(1, axis.unit).to("mm").magnitude for axis in axes[-3:]]
    except (pint.DimensionalityError, pint.UndefinedUnitError):
        return None
    affine = np.eye(4)
    affine[:3] = (np.diag(to_mm) @ whole[-4:-1, [-4, -3, -2, -1]])[::-1]
    return affine

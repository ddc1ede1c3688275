"""Where the frames of an image layer come from: the file or folder, and which of its frames they are."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from napari.layers import Image, Layer

from ...errors import EXPECTED_ERRORS
from ...images.composed import ComposedChannel
from ...images.formats import read_files, read_images
from ...images.frames import FrameSource
from ...images.opened import OpenedImages
from ...images.selection import Selection, select
from ...session.image_identity import content_of
from .composing import COMPOSED_KEY, ComposedOf
from .layout import OPENED_KEY, Layout
from .opened_layers import images_of


@dataclass(frozen=True)
class ImageOrigin:
    """Where frames come from.

    Attributes
    ----------
    path
        The file or folder; "" if they are in no file.
    files
        Names of the files in that folder that were opened as one image; empty where all of them were.
    chosen
        Which frames.
    composed
        What they were composed of, as plain values; ``None`` if they were not, or of what is in no file.
    """

    path: str
    files: tuple[str, ...]
    chosen: Selection
    composed: list[Any] | None = None

    def told(self) -> dict[str, Any]:
        """What a session file has of it beside the path."""
        told = self.chosen.told() | ({"files": list(self.files)} if self.files else {})
        return told | ({"composed": self.composed} if self.composed is not None else {})

    def read(self) -> OpenedImages:
        """Read it, apart from napari; raises as :func:`~napari_medsam2.images.formats.read_images`."""
        folder = Path(self.path)
        if self.files:
            return select(read_files([folder / name for name in self.files]), self.chosen)
        return select(read_images(folder, series=self.chosen.series), self.chosen)


def origin_of(image: Image, layout: Layout) -> ImageOrigin:
    """Where the frames of a layer come from, as far as the layer tells."""
    opened = image.metadata.get(OPENED_KEY)
    opened = opened if isinstance(opened, dict) else {}
    path, files = _place_of(image, opened)
    known = images_of(image)
    places = [axis for axis, length in enumerate(layout.shape) if length > 1 or axis >= len(layout.shape) - 2]
    axis = layout.axis if layout.axis in places else None
    chosen = Selection(
        opened.get("series"),
        opened.get("channel"),
        None if axis is None else places.index(axis),
        tuple((places.index(other), place) for other, place in layout.fixed if other in places),
        layout.level,
        alike=isinstance(known.data, FrameSource),
    )
    return ImageOrigin(path, files, chosen, _composed_of(image, layout))


def _composed_of(image: Image, layout: Layout) -> list[Any] | None:
    """Where the channels of a composed layer come from; ``None`` where one of them is in no file."""
    made_of = image.metadata.get(COMPOSED_KEY)
    if not isinstance(made_of, ComposedOf):
        return None
    told: list[Any] = []
    for channel, limits in zip(made_of.channels, made_of.limits, strict=True):
        if channel is None or limits is None:
            told.append(None)
            continue
        shape = channel.layer.data[0].shape if channel.layer.multiscale else channel.layer.data.shape
        there = [axis for axis in range(len(shape)) if axis != channel.axis]  # by the axes of the composed layer
        fixed = tuple((there[axis], place) for axis, place in layout.fixed)
        if channel.axis is not None:
            fixed = (*fixed, (channel.axis, channel.place))
        along = None if layout.axis is None else there[layout.axis]
        origin = origin_of(channel.layer, Layout(tuple(shape), along, fixed))
        if not origin.path:
            return None
        told.append(ComposedChannel(origin.path, origin.files, origin.chosen.told(), *limits).told())
    return told


def read_alike(origin: ImageOrigin, content: str) -> ImageOrigin:
    """How frames that napari's own reader opened are read apart from napari; as given if they are not found so.

    Parameters
    ----------
    content
        Of the frames, as :func:`~napari_medsam2.session.image_identity.content_of` gives it.
    """
    for alike in (False, True) if origin.path else ():
        other = replace(origin, chosen=replace(origin.chosen, alike=alike))
        with suppress(*EXPECTED_ERRORS):
            if content_of(other.read().frames) == content:
                return other
    return origin


def _place_of(layer: Layer, opened: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
    if opened.get("path"):
        return str(opened["path"]), ()
    paths = [Path(path) for path in opened.get("paths", ())] or list(images_of(layer).files)
    if layer.source.path and not opened:
        return os.path.abspath(layer.source.path), ()
    if len(paths) < 2:
        return (os.path.abspath(paths[0]), ()) if paths else ("", ())
    folder = Path(os.path.commonpath([path.absolute().parent for path in paths]))
    return str(folder), tuple(str(path.absolute().relative_to(folder)) for path in paths)

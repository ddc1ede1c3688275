"""What is saved with the labels of a layer: the geometry and names of its image, and the colours of the layer."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from napari.layers import Labels

from ...images.conversion import frames_of
from ...images.frames import FrameSource
from ...images.opened import Axis, LabelledObject, OpenedImages
from ...images.writers.labels import Found, Labelled, LabelSet, numbers_of
from ...types import AnyArray, Mode
from .colours import label_colours
from .layout import Layout


@dataclass(frozen=True, eq=False)
class LabelsToSave:
    """Labels in memory, apart from the layers that they were copied of, so that another thread can save them.

    Attributes
    ----------
    images
        What the image layer shows; see :func:`~.opened_layers.images_of`.
    layout
        Which of its axes is what.
    labels
        Of the shape of the layout.
    mode
        Whether the frames follow each other.
    found
        By (frame along the propagation axis, object).
    colour
        Gives the colour of an object, ``#rrggbb``.
    called
        What people call objects, by their numbers.
    """

    images: OpenedImages
    layout: Layout
    labels: AnyArray
    mode: Mode
    found: Mapping[tuple[int, int], Found]
    colour: Callable[[int], str]
    called: Mapping[int, str]

    def label_set(self) -> LabelSet:
        """What the writers take."""
        order = self._order()
        labels = self.labels.transpose(order)
        planes = labels.reshape(-1, *labels.shape[-2:])
        sizes = self.layout.sizes or (labels.shape[-2:],) * len(planes)
        names = self._names(len(planes))
        images = self._images(labels, names, order)
        found = {(self._plane_of(frame, labels.shape[:-2]), number): f for (frame, number), f in self.found.items()}
        objects = {n: LabelledObject(self.called.get(n, ""), self.colour(n)) for n in numbers_of(planes)}
        return Labelled(images, names, self.mode, labels.dtype).with_labels(
            lambda t: planes[t, : sizes[t][0], : sizes[t][1]], objects=objects, found=found
        )

    def _order(self) -> list[int]:
        """The axes of the layer with those of a frame last."""
        plane = self.layout.plane
        return [axis for axis in range(len(self.layout.shape)) if axis not in plane] + list(plane)

    def _plane_of(self, frame: int, leading: tuple[int, ...]) -> int:
        """The number among all planes of a frame along the propagation axis."""
        where = dict(self.layout.fixed)
        if self.layout.axis is not None:
            where[self.layout.axis] = frame
        return int(np.ravel_multi_index([where[axis] for axis in self._order()[:-2]], leading)) if leading else 0

    def _names(self, n_planes: int) -> tuple[str, ...]:
        """Those of the files, where each frame is one."""
        source = self.images.data
        if isinstance(source, FrameSource) and len(source) == n_planes:
            return tuple(source.name(t) for t in range(n_planes))
        if (self.mode == "flow" or n_planes == 1) and len(self.images.files) == n_planes:
            return tuple(path.name for path in self.images.files)
        return tuple(f"frame {t}" for t in range(n_planes))

    def _images(self, labels: AnyArray, names: tuple[str, ...], order: list[int]) -> OpenedImages:
        axes, affine = self._axes(), self.images.affine
        if affine is not None and self.layout.factors:
            affine = affine.copy()
            for axis, factor in zip(axes, self.layout.factors, strict=True):
                if axis.name in tuple("zyx"):
                    affine[:, "zyx".index(axis.name)] *= factor
        data: Any = labels
        if self.layout.sizes:
            sizes = enumerate(self.layout.sizes)
            data = frames_of([labels[t, :height, :width] for t, (height, width) in sizes], rgb=False, names=names)
        axes = tuple(axes[axis] for axis in order)
        return replace(self.images, data=data, axes=axes, affine=affine, mode=self.mode, colour=False, levels=())

    def _axes(self) -> tuple[Axis, ...]:
        """The axes of the labels as they are stored in the layer, with names."""
        known, n = self.images.axes, len(self.layout.shape)
        axes = known if len(known) == n else (Axis(),) * (n - len(known)) + known[-n:]
        spare = (("",) * n + ("c", "t", "z" if self.mode == "stack" else "image", "y", "x"))[-n:]
        factors = self.layout.factors or (1.0,) * n
        return tuple(
            replace(axis, name=axis.name or name, spacing=axis.spacing * factor)
            for axis, name, factor in zip(axes, spare, factors, strict=True)
        )


def object_colours(layer: Labels) -> Callable[[int], str]:
    """Gives the colour ``#rrggbb`` of an object in a layer; it may be asked on any thread."""
    colormap = layer.colormap

    def colour(number: int) -> str:
        red, green, blue = np.round(np.ravel(colormap.map(number))[:3] * 255).astype(int)
        return f"#{red:02x}{green:02x}{blue:02x}"

    return colour


def object_names(layer: Labels) -> dict[int, str]:
    """What a layer's table of features calls its objects; see :func:`features_of`."""
    features = layer.features
    if not {"index", "name"} <= set(features.columns):
        return {}
    rows = zip(features["index"], features["name"], strict=True)
    return {int(number): name for number, name in rows if isinstance(name, str) and name}


def features_of(objects: Mapping[int, LabelledObject]) -> dict[str, list[Any]]:
    """Features of a Labels layer with the names of objects, which napari shows under the mouse."""
    return {"index": list(objects), "name": [known.name for known in objects.values()]}


def show_objects(layer: Labels, called: Mapping[int, LabelledObject], hidden: Collection[int] = ()) -> None:
    """Make a Labels layer of ours show names and colours of objects, and hide some; its labels stay as they are."""
    own = {number: known.colour for number, known in called.items() if known.colour}
    layer.colormap = label_colours(own | dict.fromkeys(hidden, "transparent"))
    layer.features = features_of({0: LabelledObject("background"), **called}) if called else {}

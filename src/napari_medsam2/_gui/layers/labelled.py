"""What is saved with the labels of a layer: the geometry and names of its image, and the colours of the layer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from napari.layers import Image, Labels, Layer

from ...images.conversion import frames_of
from ...images.opened import Axis, OpenedImages
from ...images.writers.labels import Found, Labelled, LabelledObject, LabelSet, numbers_of
from ...types import AnyArray, Mode
from .coordinates import affine_of
from .layout import IMAGES_KEY, Layout

#: What axes are called that have no names, from the last one on.
_UNNAMED = ("c", "t", "z", "y", "x")
#: Millimetres in a unit of length that files know.
_MILLIMETRES = {"nm": 1e-6, "um": 1e-3, "mm": 1.0, "cm": 10.0, "m": 1000.0}


@dataclass(frozen=True, eq=False)
class LabelsToSave:
    """Labels in memory, apart from the layers that they were copied of, so that another thread can save them.

    Attributes
    ----------
    image
        The layer that they are labels of.
    layer
        The Labels layer whose place and colours are kept.
    layout
        Which axis is what.
    labels
        Of the shape of the layout.
    mode
        Whether the frames follow each other.
    found
        By (frame along the propagation axis, object).
    """

    image: Image
    layer: Labels
    layout: Layout
    labels: AnyArray
    mode: Mode
    found: dict[tuple[int, int], Found]

    def label_set(self) -> LabelSet:
        """What the writers take."""
        layout, order = self.layout, self._order()
        labels = self.labels.transpose(order)
        planes = labels.reshape(-1, *labels.shape[-2:])
        images = self._images(labels, [layer_axes(self.layer)[axis] for axis in order])
        names = tuple(images.frames.name(t) for t in range(len(planes))) if layout.sizes else self._names(len(planes))
        numbers = numbers_of(planes)
        colours = object_colours(self.layer)
        return Labelled(images, names, self.mode, labels.dtype).with_labels(
            lambda t: planes[t][tuple(slice(length) for length in layout.size_of(t))] if layout.sizes else planes[t],
            objects={number: LabelledObject("", colours(number)) for number in numbers},
            found={(self._plane_of(frame, labels.shape[:-2]), number): f for (frame, number), f in self.found.items()},
        )

    def _order(self) -> list[int]:
        """The axes of the layer with those of a frame last."""
        plane = self.layout.plane
        return [axis for axis in range(len(self.layout.shape)) if axis not in plane] + list(plane)

    def _plane_of(self, frame: int, leading: tuple[int, ...]) -> int:
        where = dict(self.layout.fixed)
        if self.layout.axis is not None:
            where[self.layout.axis] = frame
        return int(np.ravel_multi_index([where[axis] for axis in self._order()[:-2]], leading)) if leading else 0

    def _opened(self) -> OpenedImages | None:
        opened = self.image.metadata.get(IMAGES_KEY)
        return opened if isinstance(opened, OpenedImages) else None

    def _names(self, n_planes: int) -> tuple[str, ...]:
        opened = self._opened()
        if opened is not None and len(opened.axes) <= 3 and len(opened) == n_planes:
            return tuple(opened.frames.name(t) for t in range(n_planes))
        return tuple(f"frame {t}" for t in range(n_planes))

    def _images(self, labels: AnyArray, axes: list[Axis]) -> OpenedImages:
        opened = self._opened()
        data: Any = labels
        if self.layout.sizes:
            names = self._names(len(labels))
            sizes = enumerate(self.layout.sizes)
            data = frames_of([labels[t, :height, :width] for t, (height, width) in sizes], rgb=False, names=names)
        kept = opened is not None and _same_place(opened, self.layer)
        return OpenedImages(
            self.image.name if opened is None else opened.name,
            data,
            tuple(axes),
            affine=opened.affine if kept and opened is not None else layer_affine(self.layer),
            mode=self.mode,
            files=tuple(files_of(self.image)),
        )


def files_of(image: Layer) -> list[Path]:
    """The files that a layer was opened from."""
    opened = image.metadata.get(IMAGES_KEY)
    if isinstance(opened, OpenedImages):
        return list(opened.files)
    return [Path(image.source.path)] if image.source.path else []


def layer_axes(layer: Layer) -> list[Axis]:
    """Names, spacing, units and origins of a layer's axes, as far as it has them without being turned."""
    spare = (("",) * layer.ndim + _UNNAMED)[-layer.ndim :]
    told = [str(label).lower() for label in layer.axis_labels]
    names = [spare[n] if name.startswith("axis") or name.lstrip("-").isdigit() else name for n, name in enumerate(told)]
    matrix = affine_of(layer)
    return [
        Axis(name, abs(float(matrix[n, n])) or 1.0, unit_of(layer, n), float(matrix[n, -1]))
        for n, name in enumerate(names)
    ]


def unit_of(layer: Layer, axis: int) -> str:
    """The unit of one of a layer's axes in short, "um" or "pixel"."""
    unit = layer.units[axis]
    return "pixel" if str(unit) == "pixel" else f"{unit:~}".replace("µ", "u")


def layer_affine(layer: Layer) -> npt.NDArray[np.float64] | None:
    """The affine in millimetres of a layer that is turned, as :attr:`~...images.opened.OpenedImages.affine`."""
    names = [axis.name for axis in layer_axes(layer)]
    matrix = affine_of(layer)
    linear = matrix[:-1, :-1]
    straight = np.allclose(linear, np.diag(np.abs(np.diag(linear))), atol=1e-9 * np.abs(linear).max())
    if straight or not {"z", "y", "x"} <= set(names):
        return None
    places = [names.index(name) for name in "zyx"]
    to_mm = [_MILLIMETRES.get(unit_of(layer, place), 1.0) for place in places]
    affine = np.eye(4)
    for row, (place, factor) in enumerate(zip(places[::-1], to_mm[::-1], strict=True)):
        affine[row, :3] = linear[place, places] * factor
        affine[row, 3] = matrix[place, -1] * factor
    return affine


def object_colours(layer: Labels) -> Callable[[int], str]:
    """Gives the colour ``#rrggbb`` of an object in a layer; it may be asked on any thread."""
    colormap = layer.colormap

    def colour(number: int) -> str:
        red, green, blue = np.round(np.ravel(colormap.map(number))[:3] * 255).astype(int)
        return f"#{red:02x}{green:02x}{blue:02x}"

    return colour


def _same_place(opened: OpenedImages, layer: Layer) -> bool:
    """Whether a layer lies where its file says, so that nobody moved it."""
    axes = layer_axes(layer)
    return len(axes) == len(opened.axes) and all(
        np.allclose((axis.spacing, axis.origin), (told.spacing, told.origin), rtol=1e-5, atol=1e-9)
        for axis, told in zip(axes, opened.axes, strict=True)
    )

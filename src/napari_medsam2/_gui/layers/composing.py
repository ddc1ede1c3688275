"""Channels of an image, or of several, as one image in colours: what is shown to the model where one is not enough."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import dask.array as da
import numpy as np
from napari.layers import Image, Layer

from ...images.composed import as_shown

#: An axis is one of channels if it has this many places at most, and its name or the layer's shape says so.
_MOST_CHANNELS = 8
_NAMES = ("c", "channel", "channels")
#: Layer metadata of what it was composed of.
COMPOSED_KEY = "napari_medsam2_composed"


@dataclass(frozen=True, eq=False)
class Channel:
    """One channel: its name, its layer, and the axis and the place that it has there; ``None``: all of the layer."""

    name: str
    layer: Image
    axis: int | None = None
    place: int = 0

    @property
    def pixels(self) -> Any:
        """Its pixels, lazy."""
        data = self.layer.data[0] if self.layer.multiscale else self.layer.data
        lazy = data if isinstance(data, da.Array) else da.from_array(np.asarray(data) if _is_list(data) else data)
        return lazy if self.axis is None else da.take(lazy, self.place, axis=self.axis)


@dataclass(frozen=True, eq=False)
class ComposedOf:
    """What a composed layer was made of: red, green and blue, and the values that were black and full in each."""

    channels: tuple[Channel | None, ...]
    limits: tuple[tuple[float, float] | None, ...]


def channels_of(image: Image, layers: Iterable[Layer]) -> tuple[Channel, ...]:
    """The channels that go with an image: those along an axis of its own, else other images of its size in one grey.

    The image's own comes first.
    """
    if image.rgb:
        return ()
    axis = _channel_axis(image)
    if axis is not None:
        shape = image.data[0].shape if image.multiscale else image.data.shape
        return tuple(Channel(f"channel {place}", image, axis, place) for place in range(shape[axis]))
    same = [layer for layer in layers if isinstance(layer, Image) and layer is not image and not layer.rgb]
    alike = [layer for layer in same if _shape(layer) == _shape(image) and _lies_on(layer, image)]
    return tuple(Channel(layer.name, layer) for layer in (image, *alike))


def compose(chosen: Sequence[Channel | None]) -> Image | None:
    """A new image layer in colours, red, green and blue, each as bright as its layer shows it; ``None`` for none.

    Nothing is read before it is shown: the channels stay where they are.
    """
    known = [channel for channel in chosen if channel is not None]
    if not known:
        return None
    first = known[0]
    planes = [da.zeros(first.pixels.shape, dtype=np.uint8) if c is None else _as_bytes(c) for c in chosen]
    keeps = [a for a in range(first.layer.ndim) if a != first.axis]
    names = " + ".join(channel.name for channel in known)
    limits = tuple(None if channel is None else _limits(channel) for channel in chosen)
    made_of = ComposedOf(tuple(chosen), limits)
    return Image(
        da.stack(planes, axis=-1),
        rgb=True,
        name=f"{first.layer.name} ({names})" if first.axis is not None else names,
        scale=np.asarray(first.layer.scale)[keeps],
        translate=np.asarray(first.layer.translate)[keeps],
        axis_labels=tuple(first.layer.axis_labels[a] for a in keeps),
        units=tuple(first.layer.units[a] for a in keeps),
        metadata={COMPOSED_KEY: made_of},
    )


def _limits(channel: Channel) -> tuple[float, float]:
    low, high = (float(limit) for limit in channel.layer.contrast_limits)
    return low, high


def _as_bytes(channel: Channel) -> Any:
    return as_shown(channel.pixels, *_limits(channel))


def _channel_axis(image: Image) -> int | None:
    shape = _shape(image)
    named = [a for a, label in enumerate(image.axis_labels) if str(label).lower() in _NAMES]
    return next((a for a in named if 1 < shape[a] <= _MOST_CHANNELS and a < len(shape) - 2), None)


def _shape(image: Image) -> tuple[int, ...]:
    return tuple(image.data[0].shape if image.multiscale else np.shape(image.data))


def _lies_on(layer: Image, image: Image) -> bool:
    same = (np.allclose(getattr(layer, name), getattr(image, name)) for name in ("scale", "translate"))
    return all(same) and np.allclose(layer.affine.affine_matrix, image.affine.affine_matrix)


def _is_list(data: Any) -> bool:
    return isinstance(data, list | tuple)

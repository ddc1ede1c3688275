"""One image in colours of several channels, each as bright as it was shown: what a window composed, found again."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import FrameError
from ..types import AnyArray
from .frames import FrameSource
from .header import ImageHeader
from .opened import OpenedImages


@dataclass(frozen=True)
class ComposedChannel:
    """One of the channels, as a session file has it.

    Attributes
    ----------
    path, files
        The file or folder, and the names of the files in it that were opened as one image; none: all.
    selection
        Which frames; see :class:`.selection.Selection`.
    low, high
        Raw values that are black and full.
    """

    path: str
    files: tuple[str, ...]
    selection: Mapping[str, Any]
    low: float
    high: float

    def told(self) -> dict[str, Any]:
        """As plain values."""
        told = {"path": self.path, "selection": dict(self.selection), "low": self.low, "high": self.high}
        return told | ({"files": list(self.files)} if self.files else {})

    @classmethod
    def of(cls, told: Any) -> ComposedChannel:
        """Of plain values; ``ValueError`` if they are none."""
        match told:
            case {"path": str(path), "selection": dict(selection), "low": float(low), "high": float(high), **others}:
                given: Any = others.get("files", [])
                files = tuple(given) if isinstance(given, list) else (None,)
                names = tuple(name for name in files if isinstance(name, str))
                if path and names == files and math.isfinite(low) and math.isfinite(high):
                    return cls(path, names, selection, low, high)
        raise ValueError("a channel is told by path, selection, low and high")


def as_shown(pixels: Any, low: float, high: float) -> Any:
    """Pixels as bytes, ``low`` and less black, ``high`` and more full; of an array of numpy's or dask's."""
    span = high - low if high > low else 1.0
    return ((pixels.astype(np.float32) - low) * (255 / span)).clip(0, 255).round().astype(np.uint8)


class ComposedFrames(FrameSource):
    """Frames ``(H, W, 3)``, uint8, of three channels.

    Parameters
    ----------
    channels
        Red, green and blue: frames and the values that are black and full; ``None`` is black.

    Raises
    ------
    FrameError
        If there is none, or they differ in number or size of frames.
    """

    def __init__(self, channels: Sequence[tuple[FrameSource, float, float] | None]) -> None:
        super().__init__()
        self._channels = tuple(channels)
        known = [channel[0] for channel in self._channels if channel is not None]
        if not known or len(self._channels) != 3:
            raise FrameError("an image in colours has three channels, and one of them at least is not black")
        self._first = known[0]
        shapes = [[frames.shape(t) for t in range(len(frames))] for frames in known]
        if any(other != shapes[0] for other in shapes[1:]):
            raise FrameError("the channels are not of one size any more: their files are others than they were")

    def __len__(self) -> int:
        return len(self._first)

    def header(self, t: int) -> ImageHeader:
        return ImageHeader(self._first.shape(t), 3, np.dtype(np.uint8))

    def name(self, t: int) -> str:
        return self._first.name(t)

    def _read(self, t: int) -> AnyArray:
        black: npt.NDArray[np.uint8] = np.zeros(self._first.shape(t), np.uint8)
        planes = [black if c is None else as_shown(np.asarray(c[0][t]), c[1], c[2]) for c in self._channels]
        return np.stack(planes, axis=-1)


def compose_again(
    told: Any, read: Callable[[ComposedChannel], OpenedImages]
) -> tuple[Path, OpenedImages, ComposedFrames]:
    """What was composed, from its files.

    Parameters
    ----------
    told
        What a session file says of it: three channels, ``None`` for black.
    read
        Opens the frames of one.

    Returns
    -------
    tuple
        Path and images of the first channel, on whose axes the labels lie, and the frames.

    Raises
    ------
    ValueError
        If that is no composed image.
    FrameError
        If the files cannot be read, or are others.
    """
    if not isinstance(told, list) or len(told) != 3:
        raise ValueError("a composed image has three channels")
    channels = [None if one is None else ComposedChannel.of(one) for one in told]
    opened = [None if channel is None else read(channel) for channel in channels]
    pairs = zip(channels, opened, strict=True)
    frames = ComposedFrames([None if c is None or o is None else (o.frames, c.low, c.high) for c, o in pairs])
    place = next(k for k, channel in enumerate(channels) if channel is not None)
    first, images = channels[place], opened[place]
    assert first is not None and images is not None
    return Path(first.path), images, frames

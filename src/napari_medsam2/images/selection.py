"""Which frames of a file or folder: written down where they are chosen in a window, and found again without one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from ..errors import FrameError
from ..types import AnyArray
from .frames import FrameSource
from .header import ImageHeader
from .opened import CHANNEL, OpenedImages


@dataclass(frozen=True)
class Selection:
    """Frames among more axes. Axes are counted without those of length 1 (beside y and x), and without channels.

    Attributes
    ----------
    series
        Which of several images in the file, as :func:`.formats.read_images` takes it.
    channel
        Which channel, where each of them is apart; ``None``: they are an axis like others, or there are none.
    axis
        What the frames follow each other along; ``None`` for a single image.
    at
        Where others stay: ``(axis, position)``.
    level
        Of several resolutions.
    alike
        Whether frames were made alike: all in colour if one is, and of one type.
    """

    series: int | str | None = None
    channel: int | None = None
    axis: int | None = None
    at: tuple[tuple[int, int], ...] = ()
    level: int = 0
    alike: bool = False

    def told(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Selection:
        """Of plain values; ``TypeError`` or ``ValueError`` if they are none."""
        known = {name: told[name] for name in ("series", "channel", "axis", "level", "alike") if name in told}
        return cls(**known, at=tuple((int(axis), int(place)) for axis, place in told.get("at", ())))


def select(images: OpenedImages, chosen: Selection) -> OpenedImages:
    """The part of images that was chosen.

    Raises
    ------
    FrameError
        If they have no such axes, channel or positions.
    """
    if isinstance(images.data, FrameSource):
        return replace(images, data=AlikeFrames(images.data)) if chosen.alike else images
    lengths, last = images.lengths, len(images.axes) - 2
    channel = next((p for p, axis in enumerate(images.axes[:last]) if axis.name == CHANNEL and lengths[p] > 1), None)
    apart = channel if chosen.channel is not None else None
    kept = [p for p in range(len(lengths)) if p >= last or (lengths[p] > 1 and p != apart)]
    try:
        names = [images.axes[p].name or str(p) for p in kept]
        along = 0 if chosen.axis is None else names[chosen.axis]
        at = {names[axis]: place for axis, place in chosen.at}
        whole = images if not chosen.level else replace(images, data=images.levels[chosen.level - 1])
    except IndexError as error:
        raise FrameError(
            f"{images.name} has the axes {', '.join(map(str, lengths))}, and others were chosen"
        ) from error
    return whole.frames_along(along, channel=chosen.channel, at=at)


class AlikeFrames(FrameSource):
    """Frames of any kinds as a window shows them: all in colour if one is, and of one type."""

    def __init__(self, frames: FrameSource) -> None:
        super().__init__(0)
        self._frames = frames
        headers = [frames.header(t) for t in range(len(frames))]
        self._colour = any(header.colour for header in headers)
        self._dtype = np.result_type(*{header.dtype for header in headers})

    def __len__(self) -> int:
        return len(self._frames)

    def header(self, t: int) -> ImageHeader:
        return replace(self._frames.header(t), colours=3 if self._colour else 0, dtype=self._dtype)

    def name(self, t: int) -> str:
        return self._frames.name(t)

    def _read(self, t: int) -> AnyArray:
        frame = np.asarray(self._frames[t])
        if self._colour:
            frame = np.repeat(frame[..., None], 3, axis=-1) if frame.ndim == 2 else frame[..., :3]
        return frame.astype(self._dtype, copy=False)

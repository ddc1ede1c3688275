"""What a file or a folder of a user holds: pixels, read when they are needed, and what is told of their axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from ..errors import FrameError
from ..types import AnyArray, Mode
from .conversion import frames_of
from .frames import FrameSource
from .lazy import AxesView

#: The axis of colour channels that are not shown as one picture.
CHANNEL = "c"


@dataclass(frozen=True)
class Axis:
    """One axis of an image.

    Attributes
    ----------
    name
        "z", "y", "x", "t" or "c" (channels) as OME calls them, "image" where files follow each other; "" if untold.
    spacing
        From the centre of a pixel to that of the next one, in ``unit``.
    unit
        "mm", "um", "s", ... as pint reads it; "pixel" if untold.
    origin
        Where the centre of the first pixel lies, in ``unit``.
    """

    name: str = ""
    spacing: float = 1.0
    unit: str = "pixel"
    origin: float = 0.0


@dataclass(frozen=True)
class LabelledObject:
    """What is known of an object in labels beside its number.

    Attributes
    ----------
    name
        What people call it.
    colour
        ``#rrggbb``; empty if it has none of its own.
    """

    name: str = ""
    colour: str = ""

    @property
    def rgb(self) -> tuple[int, ...]:
        """The three numbers of its colour, of 0 to 255; empty if it has none."""
        return tuple(bytes.fromhex(self.colour[1:]))


def hex_colour(rgb: Sequence[int]) -> str:
    """``#rrggbb`` of three numbers of 0 to 255; empty where a file has other ones."""
    try:
        return f"#{bytes(rgb).hex()}" if len(rgb) == 3 else ""
    except (TypeError, ValueError):
        return ""


@dataclass(frozen=True, eq=False)
class OpenedImages(Sequence[AnyArray]):
    """Images as they were opened, all or a part of them; as a sequence, its frames.

    Attributes
    ----------
    name
        What to call them: the name of the file or folder without its suffix.
    data
        A lazy array with one axis for each of ``axes``, and colours last; or a frame source whose frames may differ in
        size.
    axes
        Of ``data``, without colours; y and x are the last two.
    colour
        Whether a last axis of ``data`` is colours.
    channels
        What the channels along the axis "c" are called; of one channel that was chosen, its name alone.
    affine
        Float ``(4, 4)``: from the index (z, y, x, 1), by the names of the axes in whatever order they are stored, to
        (x, y, z, 1) in millimetres towards the patient's left, back and head (LPS, as in DICOM); ``None`` if untold.
    left_out
        What is in the file or folder and was not taken, a sentence for each kind.
    levels
        The same pixels, coarser and coarser: arrays like ``data``; empty where only ``data`` is stored.
    mode
        Whether frames follow each other, where that is known.
    files
        The files that are read.
    labels
        Whether the file says that its numbers are labels, as those that we write do.
    label_series
        Series of the same file that are labels of this image, as ``series=`` takes them.
    objects
        What such a file says of its objects, by their numbers.
    """

    name: str
    data: Any
    axes: tuple[Axis, ...]
    colour: bool = False
    channels: tuple[str, ...] = ()
    affine: npt.NDArray[np.float64] | None = None
    left_out: tuple[str, ...] = ()
    levels: tuple[Any, ...] = ()
    mode: Mode | None = None
    files: tuple[Path, ...] = ()
    labels: bool = False
    label_series: tuple[str, ...] = ()
    objects: Mapping[int, LabelledObject] = field(default_factory=dict)

    @property
    def lengths(self) -> tuple[int, ...]:
        """Pixels along each of ``axes``; of frames that differ in size, those of the first."""
        if isinstance(self.data, FrameSource):
            return (len(self.data), *self.data.shape(0))[-len(self.axes) :]
        return tuple(int(length) for length in self.data.shape[: len(self.axes)])

    @cached_property
    def frames(self) -> FrameSource:
        """The frames: along the first axis, or the only one.

        Raises
        ------
        FrameError
            If there are more axes than frames have; :meth:`frames_along` chooses.
        """
        if isinstance(self.data, FrameSource):
            return self.data
        return frames_of(self.data, axis=0, rgb=self.colour)

    def __len__(self) -> int:
        return len(self.frames)

    @overload
    def __getitem__(self, index: int) -> AnyArray: ...
    @overload
    def __getitem__(self, index: slice) -> list[AnyArray]: ...
    def __getitem__(self, index: int | slice) -> AnyArray | list[AnyArray]:
        return self.frames[index]

    def frames_along(
        self, axis: int | str = 0, *, channel: int | str | None = None, at: Mapping[str, int] | None = None
    ) -> OpenedImages:
        """The part with three axes (frame, y, x) or two, whose ``frames`` can be segmented.

        Axes of length 1 beside y and x are left out.

        Parameters
        ----------
        axis
            What frames follow each other along: the name of an axis, or its number among those that are left.
        channel
            The name or the number of a channel, where there are several.
        at
            Where the other axes stay, by name, such as ``{"t": 0}``; axes without a name have their number for one.

        Raises
        ------
        FrameError
            If there is no such axis, channel or position, or an axis is left to be chosen; the message lists them.
        """
        if isinstance(self.data, FrameSource):
            _refuse(self.name, axis, channel, at)
            return self
        where = {**(at or {}), **({} if channel is None else {CHANNEL: self._channel(channel)})}
        fixed = {self._place(name): self._position(name, index) for name, index in where.items()}
        channels = self.channels
        if CHANNEL in where:
            channels = channels[where[CHANNEL] :][:1]
        kept = [
            place
            for place, length in enumerate(self.lengths)
            if place not in fixed and (length > 1 or place >= len(self.axes) - 2)
        ]
        kept = self._with_frames_first(kept, axis)
        part = AxesView(self.data, [*kept, *range(len(self.axes), len(self.data.shape))], fixed)
        axes = tuple(self.axes[place] for place in kept)
        return replace(self, data=part, axes=axes, channels=channels, affine=self._affine_at(where), levels=())

    def _affine_at(self, where: Mapping[str, int]) -> npt.NDArray[np.float64] | None:
        """The affine of the part where an axis of space stays at a position."""
        if self.affine is None:
            return None
        affine = self.affine.copy()
        for column, name in enumerate(("z", "y", "x")):
            affine[:3, 3] += affine[:3, column] * (self._position(name, where[name]) if name in where else 0)
        return affine

    # ---- names and numbers of axes -----------------------------------------------------------------------------------

    def _with_frames_first(self, kept: list[int], axis: int | str) -> list[int]:
        """Places of the axes of the part, that of the frames first."""
        told = {place: self.axes[place].name for place in kept}
        several = len(kept) > 2
        if CHANNEL in [told[place] for place in kept[:-2]] and axis != CHANNEL:
            n = self.lengths[self._place(CHANNEL)]
            names = f" ({', '.join(self.channels)})" if self.channels else ""
            raise FrameError(
                f"{self.name} has {n} channels{names}, which are no frames of a sequence: choose one of 0 to {n - 1} "
                "by its number or its name, with channel= or --channel. If they are frames after all: axis='c' or "
                "--axis c"
            )
        if isinstance(axis, str):
            first = self._place(axis)
            if several and first not in kept:
                raise FrameError(f"{self.name} has one position along {axis}; the other axes are {self._sizes(kept)}")
        else:
            if several and not -len(kept) <= axis < len(kept):
                raise FrameError(f"axis must be one of {list(range(len(kept)))} for {self._sizes(kept)}; got {axis}")
            first = kept[axis] if several else -1
        if not several and (first in kept or (axis != 0 and isinstance(axis, int))):
            raise FrameError(f"{self.name} is a single frame, there is no axis to choose; got axis {axis}")
        if len(kept) > 3:
            others = [place for place in kept[:-2] if place != first]
            example = self.axes[others[0]].name or str(others[0])
            raise FrameError(
                f"{self.name} has more axes than a sequence of frames: {self._sizes(kept)}. Say where "
                f"{' and '.join(self._title(place) for place in others)} stays, with at= or --at {example}=0"
            )
        return ([first] if several else []) + [place for place in kept if place != first]

    def _sizes(self, places: Sequence[int]) -> str:
        return ", ".join(f"{self._title(place)}={self.lengths[place]}" for place in places)

    def _title(self, place: int) -> str:
        return self.axes[place].name or f"axis {place}"

    def _place(self, name: str) -> int:
        for place, axis in enumerate(self.axes):
            if name == (axis.name or str(place)):
                return place
        raise FrameError(
            f"{self.name} has no axis {name!r}; it has {', '.join(map(self._title, range(len(self.axes))))}"
        )

    def _position(self, name: str, index: int) -> int:
        length = self.lengths[self._place(name)]
        if not -length <= index < length:
            raise FrameError(f"{self.name} has positions 0 to {length - 1} along {name}; got {index}")
        return index % length

    def _channel(self, channel: int | str) -> int:
        if isinstance(channel, str) and (n_called := self.channels.count(channel)):
            if n_called > 1:
                raise FrameError(f"{self.name} has {n_called} channels called {channel!r}: choose one by its number")
            return self.channels.index(channel)
        if isinstance(channel, str) and not channel.removeprefix("-").isdecimal():
            raise FrameError(f"{self.name} has no channel {channel!r}; it has {', '.join(self.channels) or 'no names'}")
        if CHANNEL not in [axis.name for axis in self.axes]:
            raise FrameError(f"{self.name} has no channels to choose from; got channel {channel}")
        return self._position(CHANNEL, int(channel))


def _refuse(name: str, axis: int | str, channel: int | str | None, at: Mapping[str, int] | None) -> None:
    """The files of a folder have no axes to choose from."""
    if axis not in (0, "image"):
        raise FrameError(f"the frames of {name} are its files, there is no axis to choose; got axis {axis}")
    if channel is not None or at:
        raise FrameError(f"the frames of {name} are its files, there is no channel or position to choose")

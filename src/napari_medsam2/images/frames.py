"""What a sequence of frames is: one frame at a time, read when it is asked for, the latest few kept.

Where frames come from is in :mod:`.sources`, and what a user gives becomes one of those in :mod:`.conversion`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import partial
from typing import overload

import numpy as np

from ..bounded_cache import BoundedCache
from ..errors import FrameError
from ..types import AnyArray
from .contrast import colours_of
from .damage import DECODING_ERRORS, reason_of
from .header import ImageHeader

#: Decoded frames that a source keeps, in bytes: those that objects take windows from in turn, and some to go back to.
DEFAULT_CACHE_BYTES = 64 << 20


class FrameSource(Sequence[AnyArray], ABC):
    """A lazy sequence of raw frames, each ``(H, W)`` or ``(H, W, C)``; safe to read from several threads."""

    def __init__(self, cache_bytes: int = DEFAULT_CACHE_BYTES) -> None:
        self._cache: BoundedCache[int, AnyArray] = BoundedCache(cache_bytes)

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def header(self, t: int) -> ImageHeader:
        """Size, colours and type of frame ``t``, which is not decoded.

        Raises
        ------
        FrameError
            If it cannot be read.
        IndexError
            If there is no such frame.
        """

    @abstractmethod
    def _read(self, t: int) -> AnyArray:
        """Frame ``t``; ``t`` is in range."""

    def shape(self, t: int) -> tuple[int, int]:
        """``(H, W)`` of frame ``t``; raises as :meth:`header`."""
        return self.header(t).shape

    def name(self, t: int) -> str:
        """What to call frame ``t`` in a message: its file name, or its number."""
        return f"frame {self._index(t)}"

    @overload
    def __getitem__(self, index: int) -> AnyArray: ...
    @overload
    def __getitem__(self, index: slice) -> list[AnyArray]: ...
    def __getitem__(self, index: int | slice) -> AnyArray | list[AnyArray]:
        """Frame ``(H, W)`` or ``(H, W, C)`` as it is in the source; not to be written to.

        Raises
        ------
        FrameError
            If it cannot be read.
        IndexError
            If there is no such frame.
        """
        if isinstance(index, slice):
            return [self[t] for t in range(*index.indices(len(self)))]
        t = self._index(index)
        return self._cache.get(t, partial(self._checked, t))

    def describe(self) -> str:
        """One line for people: how many frames, how large, of which type."""
        height, width = self.shape(0)
        count = "1 frame" if len(self) == 1 else f"{len(self)} frames"
        return f"{count} of {width} x {height} pixels"

    @property
    def cached_bytes(self) -> int:
        """Bytes of the decoded frames held right now."""
        return self._cache.nbytes

    def _index(self, index: int) -> int:
        t = int(index)
        if not -len(self) <= t < len(self):
            raise IndexError(f"there is no frame {t}; frames are 0 to {len(self) - 1}")
        return t % len(self)

    def _checked(self, t: int) -> AnyArray:
        try:
            frame = np.asarray(self._read(t))
            colours_of(frame)
        except FrameError as error:
            name = self.name(t)
            raise error if name in str(error) else FrameError(f"{name}: {error}") from error
        except DECODING_ERRORS as error:  # a chunk behind an array-like is missing or damaged
            raise FrameError(f"cannot read {self.name(t)}: {reason_of(error)}") from error
        if 0 in frame.shape:
            raise FrameError(f"{self.name(t)} is empty: its shape is {frame.shape}")
        frame = frame.view()
        frame.flags.writeable = False
        return frame

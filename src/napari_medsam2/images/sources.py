"""Where frames come from: along an axis of an array, or from a list of arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import FrameError
from ..types import AnyArray
from .frames import FrameSource
from .header import ImageHeader


class ArrayFrames(FrameSource):
    """Frames along one axis of anything that can be indexed like a numpy array."""

    def __init__(self, data: Any, axis: int | None, names: Sequence[str] | None, cache_bytes: int) -> None:
        # Slices of an array in memory are views: caching them would only count bytes twice.
        super().__init__(0 if isinstance(data, np.ndarray) else cache_bytes)
        self._data = data
        self._axis = axis
        self._names = names
        self._shape = tuple(int(n) for i, n in enumerate(data.shape) if i != axis)

    def __len__(self) -> int:
        return 1 if self._axis is None else int(self._data.shape[self._axis])

    def header(self, t: int) -> ImageHeader:
        self._index(t)
        return ImageHeader.of(self._shape, self._data.dtype)

    def name(self, t: int) -> str:
        return self._names[self._index(t)] if self._names else super().name(t)

    def _read(self, t: int) -> AnyArray:
        if self._axis is None:
            return np.asarray(self._data[...])
        frame = np.asarray(self._data[(slice(None),) * self._axis + (t,)])
        if frame.shape != self._shape:  # a lazy array may promise what its files do not hold
            told, held = (" x ".join(map(str, shape)) for shape in (self._shape, frame.shape))
            raise FrameError(
                f"it is {held}, and the first one {told}: images of differing sizes are no stack. Open their folder as "
                "a flow, with the button 'Folder...' of the dock or by its path"
            )
        return frame

    def describe(self) -> str:
        return f"{super().describe()}, {np.dtype(self._data.dtype).name}{_colour_words(self._shape)}"


class ListFrames(FrameSource):
    """Arrays of differing size, one a frame."""

    def __init__(self, arrays: Sequence[Any], names: Sequence[str] | None, cache_bytes: int) -> None:
        in_memory = all(isinstance(array, np.ndarray) for array in arrays)
        super().__init__(0 if in_memory else cache_bytes)
        self._arrays = arrays
        self._names = names

    def __len__(self) -> int:
        return len(self._arrays)

    def header(self, t: int) -> ImageHeader:
        array = self._arrays[self._index(t)]
        return ImageHeader.of(array.shape, array.dtype)

    def name(self, t: int) -> str:
        return self._names[self._index(t)] if self._names else super().name(t)

    def _read(self, t: int) -> AnyArray:
        return np.asarray(self._arrays[t][...])

    def describe(self) -> str:
        sizes = {self.shape(t) for t in range(len(self))}
        return super().describe() if len(sizes) == 1 else f"{len(self)} frames of differing size"


def _colour_words(frame_shape: Sequence[int]) -> str:
    return ", colour" if len(frame_shape) == 3 else ", grey"

"""Where frames come from: arrays, dask, zarr, tif files, folders of images; always one frame at a time.

A :class:`FrameSource` is a lazy sequence of raw frames with a bounded cache. Nothing here holds a whole sequence that
was not already in memory.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import Any, overload

import numpy as np

from ..errors import FrameError
from ..types import AnyArray
from .contrast import Contrast, ContrastLike, PerFrameContrast, colours_of, estimate_contrast
from .files import IMAGE_SUFFIXES, TIF_SUFFIXES, TifPages, as_paths, image_header, list_images, read_image

__all__ = [
    "DEFAULT_CACHE_BYTES",
    "Contrast",
    "ContrastLike",
    "FrameError",
    "FrameSource",
    "PerFrameContrast",
    "as_frames",
    "colours_of",
    "estimate_contrast",
]


#: Decoded frames that a source keeps, in bytes.
DEFAULT_CACHE_BYTES = 256 << 20

#: What array-likes raise when a chunk behind them is missing or damaged.
_READING_ERRORS = (OSError, ValueError, KeyError, IndexError, TypeError, RuntimeError)


class FrameSource(Sequence[AnyArray], ABC):
    """A lazy sequence of raw frames, each ``(H, W)`` or ``(H, W, C)``; safe to read from several threads.

    Attributes
    ----------
    skipped
        Names of files that were found beside the frames and left out.
    """

    skipped: tuple[str, ...] = ()

    def __init__(self, cache_bytes: int = DEFAULT_CACHE_BYTES) -> None:
        self._cache_bytes = cache_bytes
        self._cache: OrderedDict[int, AnyArray] = OrderedDict()
        self._lock = threading.Lock()

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def shape(self, t: int) -> tuple[int, int]:
        """``(H, W)`` of frame ``t``, without decoding it where that is possible."""

    @abstractmethod
    def _read(self, t: int) -> AnyArray:
        """Frame ``t``; ``t`` is in range."""

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
        with self._lock:
            if t in self._cache:
                self._cache.move_to_end(t)
                return self._cache[t]
        frame = self._checked(t)
        self._remember(t, frame)
        return frame

    def describe(self) -> str:
        """One line for people: how many frames, how large, of which type."""
        height, width = self.shape(0)
        count = "1 frame" if len(self) == 1 else f"{len(self)} frames"
        return f"{count} of {width} x {height} pixels"

    @property
    def cached_bytes(self) -> int:
        """Bytes of the decoded frames held right now."""
        with self._lock:
            return sum(frame.nbytes for frame in self._cache.values())

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
        except _READING_ERRORS as error:
            raise FrameError(f"cannot read {self.name(t)}: {error or type(error).__name__}") from error
        if 0 in frame.shape:
            raise FrameError(f"{self.name(t)} is empty: its shape is {frame.shape}")
        frame = frame.view()
        frame.flags.writeable = False
        return frame

    def _remember(self, t: int, frame: AnyArray) -> None:
        if frame.nbytes > self._cache_bytes:
            return
        with self._lock:
            self._cache[t] = frame
            self._cache.move_to_end(t)
            held = sum(kept.nbytes for kept in self._cache.values())
            while held > self._cache_bytes:
                held -= self._cache.popitem(last=False)[1].nbytes


class _ArrayFrames(FrameSource):
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

    def shape(self, t: int) -> tuple[int, int]:
        self._index(t)
        return self._shape[0], self._shape[1]

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


class _ListFrames(FrameSource):
    """Arrays of differing size, one a frame."""

    def __init__(self, arrays: Sequence[Any], names: Sequence[str] | None, cache_bytes: int) -> None:
        in_memory = all(isinstance(array, np.ndarray) for array in arrays)
        super().__init__(0 if in_memory else cache_bytes)
        self._arrays = arrays
        self._names = names

    def __len__(self) -> int:
        return len(self._arrays)

    def shape(self, t: int) -> tuple[int, int]:
        height, width = self._arrays[self._index(t)].shape[:2]
        return int(height), int(width)

    def name(self, t: int) -> str:
        return self._names[self._index(t)] if self._names else super().name(t)

    def _read(self, t: int) -> AnyArray:
        return np.asarray(self._arrays[t][...])

    def describe(self) -> str:
        sizes = {self.shape(t) for t in range(len(self))}
        return super().describe() if len(sizes) == 1 else f"{len(self)} frames of differing size"


class _FileFrames(FrameSource):
    """Image files, one a frame."""

    def __init__(self, paths: Sequence[Path], skipped: Sequence[Path], cache_bytes: int) -> None:
        super().__init__(cache_bytes)
        self._paths = paths
        self._shapes: dict[int, tuple[int, int]] = {}
        self.skipped = tuple(path.name for path in skipped)

    def __len__(self) -> int:
        return len(self._paths)

    def shape(self, t: int) -> tuple[int, int]:
        t = self._index(t)
        if t not in self._shapes:
            self._shapes[t] = image_header(self._paths[t]).shape
        return self._shapes[t]

    def name(self, t: int) -> str:
        return self._paths[self._index(t)].name

    def _read(self, t: int) -> AnyArray:
        frame = read_image(self._paths[t])
        self._shapes[t] = (int(frame.shape[0]), int(frame.shape[1])) if frame.ndim >= 2 else (0, 0)
        return frame

    def describe(self) -> str:
        skipped = f"; {len(self.skipped)} other entries skipped" if self.skipped else ""
        count = "1 image file" if len(self) == 1 else f"{len(self)} image files"
        try:
            height, width = self.shape(0)
        except FrameError:  # damaged: said when it is read
            return count + skipped
        return f"{count}, the first of {width} x {height} pixels{skipped}"


def as_frames(
    data: Any,
    *,
    axis: int = 0,
    rgb: bool | None = None,
    names: Sequence[str] | None = None,
    cache_bytes: int = DEFAULT_CACHE_BYTES,
) -> FrameSource:
    """Make a frame source of whatever holds images.

    Parameters
    ----------
    data
        An array of numpy, dask or zarr with two axes (one frame) or three (a stack), and one more for colours; a list
        of single frames whose sizes may differ; the path of a folder of images, of a tif with one or many pages, or of
        one image; a list of such files; or a frame source, which is returned as it is.
    axis
        The axis that the frames follow each other along, for arrays of three axes (colours not counted).
    rgb
        Whether the last axis is colours (3 or 4 of them). ``None`` guesses from its length.
    names
        What to call the frames in messages.
    cache_bytes
        Decoded frames kept, in bytes.

    Raises
    ------
    FrameError
        If there are no frames, or the axes do not say which they are.
    """
    if isinstance(data, FrameSource):
        return data
    if isinstance(data, str | PathLike):
        return _from_path(Path(fspath(data)), axis, rgb, cache_bytes)
    if isinstance(data, list | tuple) or _is_pyramid(data):
        return _from_list(list(data), rgb, names, cache_bytes)
    return _from_array(data, axis, rgb, names, cache_bytes)


def refuse_axis(axis: int, reason: str) -> None:
    """Raise a :class:`FrameError` for another axis than 0 where, for this reason, there is none to choose."""
    if axis != 0:
        raise FrameError(f"{reason}, there is no axis to choose; got axis {axis}")


def _from_path(path: Path, axis: int, rgb: bool | None, cache_bytes: int) -> FrameSource:
    if not path.exists():
        raise FrameError(f"there is no file or folder {path}")
    if path.is_dir():
        refuse_axis(axis, "the frames of a folder are its files")
        images, skipped = list_images(path)
        if not images:
            held = f"it holds {len(skipped)} other entries" if skipped else "it is empty"
            raise FrameError(f"no images in the folder {path}: {held}; images are {', '.join(IMAGE_SUFFIXES)}")
        return _FileFrames(images, skipped, cache_bytes)
    if path.suffix.lower() in TIF_SUFFIXES:
        pages = TifPages(path)
        if rgb is not None and rgb != pages.colour:
            raise FrameError(
                f"by its header {path.name} is {'in colour' if pages.colour else 'grey'}, and rgb={rgb} says otherwise"
            )
        n_axes = pages.ndim - pages.colour
        along_pages = n_axes == 2 or axis in (0, -n_axes)
        return _from_array(pages if along_pages else pages.whole(), axis, pages.colour, None, cache_bytes)
    if path.suffix.lower() == ".npy":
        return _from_array(read_image(path), axis, rgb, None, cache_bytes)
    refuse_axis(axis, f"{path.name} is a single frame")
    return _FileFrames(as_paths([path]), [], cache_bytes)


def _from_list(items: list[Any], rgb: bool | None, names: Sequence[str] | None, cache_bytes: int) -> FrameSource:
    if not items:
        raise FrameError("there are no frames: the list is empty")
    if all(isinstance(item, str | PathLike) for item in items):
        return _FileFrames(as_paths(items), [], cache_bytes)
    arrays = [_array_like(item) for item in items]
    for number, array in enumerate(arrays):
        colour = _is_colour(array, rgb)
        if array.ndim != 2 + colour:
            raise FrameError(
                f"a list must hold single frames, (H, W) or (H, W, colours); number {number} has shape "
                f"{tuple(array.shape)}. Of a multiscale image, pass one level"
            )
        _check_numbers(array)
    return _ListFrames(arrays, names, cache_bytes)


def _from_array(data: Any, axis: int, rgb: bool | None, names: Sequence[str] | None, cache_bytes: int) -> FrameSource:
    data = _array_like(data)
    _check_numbers(data)
    shape = tuple(int(n) for n in data.shape)
    colour = _is_colour(data, rgb)
    n_axes = len(shape) - colour
    if n_axes < 2:
        raise FrameError(f"an image needs at least two axes, y and x; got shape {shape}")
    if n_axes > 3:
        raise FrameError(
            f"shape {shape} has {n_axes} axes{' beside the colours' if colour else ''}, a sequence of frames has 3: "
            "choose what to segment by taking one position of the others, such as data[0]"
            + ("" if colour or shape[-1] not in (3, 4) else ", or say rgb=True if the last axis is colours")
        )
    if n_axes == 2:
        return _ArrayFrames(data, None, names, cache_bytes)
    if not -n_axes <= axis < n_axes:
        raise FrameError(f"axis must be one of {list(range(n_axes))} for shape {shape}; got {axis}")
    return _ArrayFrames(data, axis % n_axes, names, cache_bytes)


def _array_like(data: Any) -> Any:
    if all(hasattr(data, name) for name in ("shape", "ndim", "__getitem__")) and hasattr(
        getattr(data, "dtype", None), "kind"
    ):
        return data
    try:
        return np.asarray(data)
    except ValueError as error:
        raise FrameError(f"no images can be made of {type(data).__name__}: {error}") from error


def _check_numbers(data: Any) -> None:
    shape = tuple(data.shape)
    if np.dtype(data.dtype).kind not in "buif":
        raise FrameError(f"pixels must be real numbers; got {data.dtype} in shape {shape}")
    if 0 in shape:
        raise FrameError(f"there is nothing to segment: the image is empty, its shape is {shape}")


def _is_colour(data: Any, rgb: bool | None) -> bool:
    shape = tuple(data.shape)
    possible = len(shape) >= 3 and shape[-1] in (3, 4)
    if rgb and not possible:
        raise FrameError(f"colour images have 3 or 4 colours on the last axis; got shape {shape}")
    return possible and len(shape) <= 4 if rgb is None else rgb


def _is_pyramid(data: Any) -> bool:
    """Sequences such as napari's multiscale data, which are no arrays themselves."""
    return isinstance(data, Sequence) and not hasattr(data, "__array_interface__") and not hasattr(data, "chunks")


def _colour_words(frame_shape: Sequence[int]) -> str:
    return ", colour" if len(frame_shape) == 3 else ", grey"

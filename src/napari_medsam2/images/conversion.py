"""Make a sequence of frames of arrays: of numpy, dask or zarr, or lists of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import FrameError
from .frames import DEFAULT_CACHE_BYTES, FrameSource
from .sources import ArrayFrames, ListFrames


def frames_of(
    data: Any,
    *,
    axis: int = 0,
    rgb: bool | None = None,
    names: Sequence[str] | None = None,
    cache_bytes: int = DEFAULT_CACHE_BYTES,
) -> FrameSource:
    """Make a frame source of an array of two axes (one frame) or three, and one for colours, or of a list of frames.

    Parameters
    ----------
    data
        Anything with a shape, a dtype and numpy's basic indexing; or a list of single frames whose sizes may differ.
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
    if isinstance(data, list | tuple) or _is_pyramid(data):
        return _from_list(list(data), rgb, names, cache_bytes)
    return _from_array(data, axis, rgb, names, cache_bytes)


def _from_list(items: list[Any], rgb: bool | None, names: Sequence[str] | None, cache_bytes: int) -> FrameSource:
    if not items:
        raise FrameError("there are no frames: the list is empty")
    arrays = [_array_like(item) for item in items]
    for number, array in enumerate(arrays):
        colour = _is_colour(array, rgb)
        if array.ndim != 2 + colour:
            raise FrameError(
                f"a list must hold single frames, (H, W) or (H, W, colours); number {number} has shape "
                f"{tuple(array.shape)}. Of a multiscale image, pass one level"
            )
        _check_numbers(array)
    _check_names(names, len(arrays))
    return ListFrames(arrays, names, cache_bytes)


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
        _check_names(names, 1)
        return ArrayFrames(data, None, names, cache_bytes)
    if axis not in range(-n_axes, n_axes):
        raise FrameError(f"axis must be one of {list(range(n_axes))} for shape {shape}; got {axis}")
    _check_names(names, shape[axis])
    return ArrayFrames(data, axis % n_axes, names, cache_bytes)


def _check_names(names: Sequence[str] | None, n_frames: int) -> None:
    if names is not None and len(names) != n_frames:
        raise FrameError(f"each frame needs a name: there are {n_frames} frames, and {len(names)} names")


def _array_like(data: Any) -> Any:
    if all(hasattr(data, name) for name in ("shape", "ndim", "__getitem__")) and hasattr(
        getattr(data, "dtype", None), "kind"
    ):
        return data
    try:
        return np.asarray(data)
    except (RuntimeError, TypeError, ValueError) as error:  # as a tensor on a GPU says it
        raise FrameError(f"no images can be made of {type(data).__name__}: {error}") from error


def _check_numbers(data: Any) -> None:
    shape = tuple(data.shape)
    if any(length != length for length in shape):  # NaN: how dask says that it does not know
        raise FrameError(
            f"the sizes of the image are not known, its shape is {shape}: call compute_chunk_sizes() first"
        )
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

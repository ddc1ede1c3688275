"""Pixels that napari asks for while it draws: read a plane at a time, told and empty where that fails."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from napari.utils import progress
from napari.utils.notifications import show_warning

from ...errors import FrameError
from ...images.damage import DECODING_ERRORS, reason_of
from ...images.frames import FrameSource
from ...images.header import ImageHeader
from ...images.label_images import label_image
from ...images.opened import OpenedImages
from ...types import AnyArray
from .layout import SIZES_KEY

#: So many planes of a layer that cannot be read are told one by one.
_TOLD_SINGLY = 3
#: Headers of so many files are read before a progress bar is shown.
_MANY = 200
#: Planes of more pixels are read one at a time, and only where they are looked at.
_LARGE = 10**7


class Tell:
    """Tells what cannot be read, each once, and of many that there are more."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    def __call__(self, problem: str) -> None:
        if problem in self._told or len(self._told) > _TOLD_SINGLY:
            return
        self._told.add(problem)
        more = len(self._told) > _TOLD_SINGLY
        show_warning("More images cannot be read. They are shown empty." if more else f"{problem}. It is shown empty.")


def shown(array: Any, tell: Tell, *, colour: bool) -> Any:
    """A dask array of an array-like, one chunk a plane.

    Parameters
    ----------
    array
        Anything with a shape, a dtype and numpy's basic indexing.
    tell
        Is told what cannot be read; that is empty then, since napari would not survive an error.
    colour
        Whether a last axis is colours.
    """
    import dask.array as da

    plane = 2 + colour
    chunks = (1,) * (len(array.shape) - plane) + tuple(array.shape[-plane:])
    meta = np.empty((0,) * len(array.shape), array.dtype)
    return da.from_array(_Told(array, tell), chunks, name=False, meta=meta)  # not to be told apart by what it holds


def shown_frames(images: OpenedImages, tell: Tell) -> tuple[Any, dict[str, Any], bool]:
    """Frames that may differ in size as one dask array ``(T, H, W)`` or ``(T, H, W, 3)``; ``(H, W[, 3])`` of one frame.

    Each image lies in the upper left corner of its frame, which is as large as the largest one.

    Returns
    -------
    data, metadata, colour
        The metadata hold the size of each image where they differ.

    Raises
    ------
    FrameError
        If none can be read, or labels are pictures in several colours.
    """
    import dask.array as da
    from dask.delayed import delayed

    frames: FrameSource = images.data
    headers = _headers(images, tell)
    sizes = tuple(header.shape for header in headers)
    height, width = (max(size[side] for size in sizes) for side in range(2))
    coloured = [t for t, header in enumerate(headers) if header.colour]
    colour = bool(coloured) and not images.labels
    if coloured and images.labels:
        label_image(frames[coloured[0]], frames.name(coloured[0]))  # that may only be saved so
    dtype = np.result_type(*{header.dtype for header in headers})
    shape = (height, width, 3) if colour else (height, width)
    load = delayed(partial(_padded, images, shape, dtype, tell), pure=False)
    planes = [da.from_delayed(load(t), shape, dtype) for t in range(len(frames))]
    metadata = {SIZES_KEY: sizes} if len(set(sizes)) > 1 else {}
    return planes[0] if len(planes) == 1 else da.stack(planes), metadata, colour


def contrast_of(array: Any, *, colour: bool) -> dict[str, Any]:
    """An option that shows all values of the first, middle and last plane; of large planes the middle one alone.

    napari itself would take the plane at 0 of the world, which is not one of an image that lies elsewhere, and show all
    of that in black or white. Where it has a range of its own, as for colours and 8 bit, or all is alike: nothing.
    """
    if colour or array.dtype.kind not in "iuf" or array.dtype == np.uint8:
        return {}
    *leading, height, width = array.shape
    middle = tuple(n // 2 for n in leading)
    places = {middle} if height * width > _LARGE else {(0,) * len(leading), middle, tuple(n - 1 for n in leading)}
    values = [plane[np.isfinite(plane)] for plane in (np.asarray(array[place]) for place in sorted(places))]
    values = [some for some in values if some.size]
    low, high = (min(map(np.min, values)), max(map(np.max, values))) if values else (0, 0)
    return {"contrast_limits": (float(low), float(high))} if low < high else {}


class _Told:
    """An array-like that is empty where it cannot be read."""

    def __init__(self, source: Any, tell: Tell) -> None:
        self._source, self._tell = source, tell
        self.shape = tuple(int(n) for n in source.shape)
        self.ndim = len(self.shape)
        self.dtype = np.dtype(source.dtype)

    def __getitem__(self, key: Any) -> AnyArray:
        empty = np.broadcast_to(np.zeros((), self.dtype), self.shape)[key]
        return _or_told(lambda: np.asarray(self._source[key]), self._tell, np.zeros(empty.shape, self.dtype))


def _padded(images: OpenedImages, shape: tuple[int, ...], dtype: npt.DTypeLike, tell: Tell, t: int) -> AnyArray:
    """Frame ``t`` in the corner of an empty one of this shape; grey becomes colour where the others have colours."""
    frames: FrameSource = images.data
    padded = np.zeros(shape, dtype)

    def fill() -> AnyArray:
        frame = label_image(frames[t], frames.name(t)) if images.labels else frames[t]
        if frame.shape[0] > shape[0] or frame.shape[1] > shape[1]:
            raise FrameError(f"{frames.name(t)} is now larger than when the folder was opened")
        whole = padded.copy()
        height, width = frame.shape[:2]
        whole[:height, :width] = frame if frame.ndim == len(shape) == 2 else _as_colours(frame)
        return whole

    return _or_told(fill, tell, padded)


def _as_colours(frame: AnyArray) -> AnyArray:
    return frame[..., None] if frame.ndim == 2 else frame[..., :3]


def _or_told(read: Callable[[], AnyArray], tell: Tell, empty: AnyArray) -> AnyArray:
    try:
        return read()
    except FrameError as error:
        tell(str(error))
    except DECODING_ERRORS as error:
        tell(f"this part cannot be read: {reason_of(error)}")
    return empty


def _headers(images: OpenedImages, tell: Tell) -> list[ImageHeader]:
    """What is known of each frame before it is decoded; of files that cannot be read, what others are."""
    frames: FrameSource = images.data
    found: list[ImageHeader | None] = []
    problem: FrameError | None = None
    every = range(len(frames))
    # No bar rather than a disabled one: napari never counts that as closed, and shows for good that it is busy.
    for t in every if len(frames) < _MANY else progress(every, desc="Looking at images"):
        try:
            found.append(frames.header(t))
        except FrameError as error:
            problem = problem or error
            found.append(None)
            tell(str(error))
    good = next((header for header in found if header is not None), None)
    if good is None:
        raise problem or FrameError(f"{images.name} has no images in it")
    return [header or good for header in found]

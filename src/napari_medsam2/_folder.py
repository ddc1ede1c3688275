"""A folder of unrelated images as one layer: a flow whose images may differ in size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ._layout import MODE_KEY, SIZES_KEY
from .frames import FrameError, FrameSource, as_frames


def read_folder(path: Path) -> tuple[Any, dict[str, Any]]:
    """Images of a folder in natural order, read when they are looked at.

    Parameters
    ----------
    path
        Of the folder; what is no image in it is skipped.

    Returns
    -------
    data
        A dask array ``(T, H, W)`` or ``(T, H, W, 3)``: each image in the upper left corner of its frame, which is as
        large as the largest one.
    options
        For ``viewer.add_image``; the metadata hold the size of each image, and that they are a flow.

    Raises
    ------
    FrameError
        If there is no image in it, or one is damaged.
    """
    import dask.array as da
    from dask.delayed import delayed

    frames = as_frames(path)
    sizes = tuple(frames.shape(t) for t in range(len(frames)))
    height, width = (max(size[side] for size in sizes) for side in range(2))
    first = [frames[t] for t in range(min(len(frames), 8))]  # a folder of both has most likely one of each among these
    rgb = any(frame.ndim == 3 for frame in first)
    dtype = np.result_type(*first)
    shape = (height, width, 3) if rgb else (height, width)
    load = delayed(_padded, pure=True)
    images = [da.from_delayed(load(frames, t, shape, dtype), shape, dtype) for t in range(len(frames))]
    options = {
        "name": path.name,
        "rgb": rgb,
        "metadata": {MODE_KEY: "flow", SIZES_KEY: sizes},
    }
    return da.stack(images), options


def _padded(frames: FrameSource, t: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Frame ``t`` in the corner of an empty one of this shape; grey becomes colour where the others have colours."""
    frame = frames[t]
    rgb = len(shape) == 3
    if frame.ndim == 3 and not rgb:
        raise FrameError(f"{frames.name(t)} is in colour, and the first images of its folder are grey")
    if not np.can_cast(frame.dtype, dtype, "same_kind"):
        raise FrameError(f"{frames.name(t)} holds {frame.dtype}, and the first images of its folder {dtype}")
    padded = np.zeros(shape, dtype)
    height, width = frame.shape[:2]
    padded[:height, :width] = (frame[..., None] if frame.ndim == 2 else frame[..., :3]) if rgb else frame
    return padded

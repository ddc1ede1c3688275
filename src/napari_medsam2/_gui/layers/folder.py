"""A folder of unrelated images as one layer: a flow whose images may differ in size."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from napari.utils.notifications import show_warning

from ...errors import FrameError
from ...images.formats import as_frames
from ...images.frames import FrameSource
from ...images.listing import list_images
from ...images.readers.single import image_header
from ...types import AnyArray
from .layout import MODE_KEY, SIZES_KEY


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
        If there is no image in it, or the header of one cannot be read.
    """
    import dask.array as da
    from dask.delayed import delayed

    frames = as_frames(path)
    headers = [image_header(file) for file in list_images(path)[0]]
    sizes = tuple(header.shape for header in headers)
    height, width = (max(size[side] for size in sizes) for side in range(2))
    rgb = any(header.colour for header in headers)
    dtype = np.result_type(*(header.dtype for header in headers))
    shape = (height, width, 3) if rgb else (height, width)
    load = delayed(partial(_padded, frames, shape, dtype), pure=False)  # not to be told apart by what it holds
    images = [da.from_delayed(load(t), shape, dtype) for t in range(len(frames))]
    options = {"name": path.name, "rgb": rgb, "metadata": {MODE_KEY: "flow", SIZES_KEY: sizes}}
    return da.stack(images), options


def _padded(frames: FrameSource, shape: tuple[int, ...], dtype: np.dtype[Any], t: int) -> AnyArray:
    """Frame ``t`` in the corner of an empty one of this shape; grey becomes colour where the others have colours.

    One that cannot be read is empty, which is told: napari would not survive an error.
    """
    padded = np.zeros(shape, dtype)
    try:
        frame = frames[t]
        height, width = frame.shape[:2]
        if len(shape) == 3:
            padded[:height, :width] = frame[..., None] if frame.ndim == 2 else frame[..., :3]
        else:
            padded[:height, :width] = frame
    except (FrameError, ValueError) as error:
        show_warning(f"{error}. It is shown empty.")
    return padded

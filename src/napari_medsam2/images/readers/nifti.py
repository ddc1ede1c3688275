"""NIfTI by nibabel."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...errors import FrameError
from ..damage import reading, require
from ..lazy import AxesView
from ..listing import stem_of
from ..opened import Axis, OpenedImages
from .options import ReadOptions


def open_nifti(path: Path, options: ReadOptions) -> OpenedImages:
    """A NIfTI volume (x, y, z, ...) as (..., z, y, x)."""
    nibabel = require("nibabel", path)
    with reading(path):
        image = nibabel.load(path)
        # A slice of a compressed file costs reading all before it, so that is read once; others stay on the disk.
        data = np.asanyarray(image.dataobj) if path.name.lower().endswith(".gz") else image.dataobj
    if data.dtype.names:
        raise FrameError(f"{path.name} holds colours as {data.dtype}, which is not supported; save it as tif")
    names = ("x", "y", "z", "t")
    axes = tuple(Axis(names[place] if place < 4 else "") for place in range(len(data.shape)))
    return OpenedImages(stem_of(path), AxesView(data, range(len(axes))[::-1]), axes[::-1], files=(path,))

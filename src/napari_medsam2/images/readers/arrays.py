"""Arrays of numpy in files."""

from __future__ import annotations

from pathlib import Path

from ..datasets import dataset_images
from ..listing import stem_of
from ..opened import Axis, OpenedImages
from .options import ReadOptions
from .single import read_image


def open_npy(path: Path, options: ReadOptions) -> OpenedImages:
    """One array, whose last axis is colours if it may be."""
    data = read_image(path)
    colour = 3 <= data.ndim <= 4 and data.shape[-1] in (3, 4)
    return OpenedImages(stem_of(path), data, (Axis(),) * (data.ndim - colour), colour, files=(path,))


def open_npz(path: Path, options: ReadOptions) -> OpenedImages:
    """The images of a dataset; what else is in it is not read."""
    images = dataset_images(path)
    z, y, x = images.spacing or (1.0, 1.0, 1.0)
    unit = "mm" if images.spacing else "pixel"
    axes = (Axis("z", z, unit) if images.mode == "stack" else Axis("image"), Axis("y", y, unit), Axis("x", x, unit))
    return OpenedImages(stem_of(path), images.frames, axes, left_out=images.unused, mode=images.mode, files=(path,))

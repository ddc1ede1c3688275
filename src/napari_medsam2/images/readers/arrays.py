"""Arrays of numpy in files."""

from __future__ import annotations

from pathlib import Path

from ..datasets import dataset_frames
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
    """The images of a dataset."""
    frames = dataset_frames(path)
    return OpenedImages(stem_of(path), frames, (Axis("image"), Axis("y"), Axis("x")), files=(path,))

"""Zarr arrays and OME-Zarr images."""

from __future__ import annotations

from pathlib import Path

from ...errors import FrameError
from ..damage import reading, require
from ..listing import stem_of
from ..opened import Axis, OpenedImages
from .options import ReadOptions

ZARR_MARKS = ("zarr.json", ".zarray", ".zgroup")


def open_zarr(path: Path, options: ReadOptions) -> OpenedImages:
    """An array, or the finest level of an OME-Zarr image."""
    zarr = require("zarr", path)
    with reading(path):
        node = zarr.open(str(path), mode="r")
        if not hasattr(node, "shape"):
            attributes = dict(node.attrs)
            scales = attributes.get("ome", attributes).get("multiscales")
            names = [scales[0]["datasets"][0]["path"]] if scales else sorted(node.array_keys())
            if len(names) != 1:
                held = ", ".join(names) or "no array"
                raise FrameError(f"{path.name} is a group that holds {held}: give the path of one array in it")
            node = node[names[0]]
    colour = len(node.shape) > 3 and node.shape[-1] in (3, 4)
    return OpenedImages(stem_of(path), node, (Axis(),) * (len(node.shape) - colour), colour, files=(path,))

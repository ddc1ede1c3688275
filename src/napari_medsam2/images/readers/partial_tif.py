"""What is left of a tif that was cut: the pages, or planes in one piece, up to the first that is not whole."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import FrameError
from ...types import AnyArray
from ..budget import ask_for
from ..damage import DECODING_ERRORS, reading
from ..lazy import PlaneArray
from ..listing import stem_of
from ..opened import Axis, OpenedImages
from .tif import COMPRESSIONS
from .tif_checks import check_stored


def open_partial_tif(path: Path, why: str) -> OpenedImages:
    """The whole planes from the first one on, as pages that follow each other; what the header says of axes is lost.

    Parameters
    ----------
    path
        A tif that was refused.
    why
        What was wrong with it.

    Raises
    ------
    FrameError
        If not even the first plane is whole.
    """
    import tifffile

    with reading(path), tifffile.TiffFile(path) as tif:
        pages = _whole_pages(path, tif)
        if not pages:
            raise FrameError(f"{why}. Not even its first plane is whole")
        first = pages[0].keyframe
        colour = first.ndim == 3 and first.shape[-1] in (3, 4)
        if first.ndim != 2 and not colour:
            raise FrameError(f"{why}. Its pages are no single planes, so that what is left cannot be read in part")
        n_pages, together = len(pages), _planes_in_one_piece(path, tif) if len(pages) == 1 else 0
        planes = _mapped(path, pages[0], together) if together > 1 else _one_by_one(path, pages)
    told = f"{why}. Read in part: {max(together, n_pages)} whole planes from the first one on, and no scale"
    return OpenedImages(
        stem_of(path), planes, (Axis(), Axis("y"), Axis("x")), colour=colour, left_out=(told,), files=(path,)
    )


def _whole_pages(path: Path, tif: Any) -> list[Any]:
    """Pages like the first one whose pixels can be decoded, until one that is not."""
    pages: list[Any] = []
    seen = set[int]()
    while True:
        try:
            page = tif.pages[len(pages)]
            page = page.aspage() if hasattr(page, "aspage") else page
            if page.offset in seen:  # they go in a circle
                return pages
            seen.add(page.offset)
            check_stored(path, [page], page.shape)
            if pages and (page.shape, page.dtype) != (pages[0].shape, pages[0].dtype):
                return pages
            what = " x ".join(map(str, page.shape)) + " pixels"
            packing = COMPRESSIONS.get(int(page.compression), "")
            ask_for(path, what, int(page.nbytes), stored=sum(page.databytecounts), compression=packing)
            if page.asarray().shape != page.shape:
                return pages
        except DECODING_ERRORS:
            return pages
        pages.append(page)


def _planes_in_one_piece(path: Path, tif: Any) -> int:
    """Of a file with one page whose planes follow each other without pages of their own: how many are there."""
    page = tif.pages[0]
    if page.compression != 1 or page.is_tiled or not (tif.is_imagej or tif.is_shaped):
        return 0
    return int((path.stat().st_size - page.dataoffsets[0]) // page.nbytes)


def _mapped(path: Path, page: Any, n: int) -> AnyArray:
    stored = page.dtype.newbyteorder(page.parent.byteorder)
    return np.memmap(path, stored, "r", int(page.dataoffsets[0]), (n, *page.shape))


def _one_by_one(path: Path, pages: list[Any]) -> PlaneArray:
    """Pages that are read one at a time, the file opened for a moment."""
    first, lock = pages[0], threading.Lock()

    def read(index: tuple[int, ...]) -> AnyArray:
        with reading(path, f"page {index[0]}"), lock:
            handle = first.parent.filehandle
            handle.open()
            try:
                pixels: AnyArray = pages[index[0]].asarray()
            finally:
                handle.close()
            return pixels

    return PlaneArray((len(pages),), first.shape, first.dtype, read)

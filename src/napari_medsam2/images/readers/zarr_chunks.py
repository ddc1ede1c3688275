"""Chunks of a zarr: those that have no file, and those that are too large to be decoded."""

from __future__ import annotations

import math
import os
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..budget import ask_for

_CHUNK = re.compile(r"(?:c\.)?[0-9]+(?:\.[0-9]+)*")


def unstored_chunks(path: Path, array: Any) -> tuple[str, ...]:
    """In words, how many chunks have no file.

    Writers leave out empty ones, and a copy that broke off leaves out others: nothing in a zarr tells these apart, and
    zarr reads both as its fill value. Its own count asks for each chunk by itself, which takes a second for thousand.
    """
    stored_as = getattr(array, "shards", None) or array.chunks
    expected = math.prod(math.ceil(n / step) for n, step in zip(array.shape, stored_as, strict=True))
    inside = str(getattr(array, "path", "") or "")
    stored = sum(1 for name in _file_names(path, inside) if _CHUNK.fullmatch(name))
    if stored >= expected:
        return ()
    return (
        f"{expected - stored} of {expected} chunks{f' in {inside}' if inside else ''} are not stored and read as "
        f"{array.fill_value}: they were empty when the image was written, or their files are lost",
    )


def ask_for_chunks(path: Path, array: Any) -> None:
    """A chunk is decoded as a whole, and a frame is at least a plane: refuse what does not fit into memory."""
    size = np.dtype(array.dtype).itemsize
    for what, lengths in (("chunks of ", array.chunks), ("", array.shape[-2:])):
        ask_for(path, f"{what}{' x '.join(map(str, lengths))} pixels", math.prod(lengths) * size)


def _file_names(path: Path, inside: str) -> Iterator[str]:
    """Of all files of an array, without their folders."""
    if path.is_dir():
        for _, _, names in os.walk(path / inside):
            yield from names
        return
    with zipfile.ZipFile(path) as archive:
        start = f"{inside}/" if inside else ""
        yield from (name.rpartition("/")[2] for name in archive.namelist() if name.startswith(start))

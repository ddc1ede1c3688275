"""Compressed files are unpacked once, into no more memory than their header declares and than is free."""

from __future__ import annotations

import bz2
import gzip
import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedIOBase
from pathlib import Path

from ..errors import FrameError
from .budget import ask_for

_PIECE = 1 << 20
_GZIP, _BZIP2 = b"\x1f\x8b", b"BZ"


@contextmanager
def open_unpacked(path: Path, *, start: int = 0) -> Iterator[tuple[BufferedIOBase, str | None]]:
    """Open a file from some byte on, unpacking what is compressed by gzip or bzip2, whatever the file is called.

    Yields the stream, and the name of the compression for :func:`.budget.ask_for`; ``None`` where there is none.
    """
    with path.open("rb") as file:
        file.seek(start)
        magic = file.read(2)
        file.seek(start)
        if magic == _GZIP:
            with gzip.GzipFile(fileobj=file) as stream:
                yield stream, "deflate"
        elif magic == _BZIP2:
            with bz2.BZ2File(file) as stream:
                yield stream, "bzip2"
        else:
            yield file, None


def unpack(path: Path, n_bytes: int, *, start: int = 0) -> mmap.mmap:
    """Read so many bytes of a file that may be compressed, into memory that is taken while they come.

    Parameters
    ----------
    path
        The file.
    n_bytes
        How many its header declares.
    start
        Where in the file they begin.

    Raises
    ------
    FrameError
        If they do not fit into memory, or fewer are there.
    """
    memory, filled, broken = unpack_part(path, n_bytes, start=start)
    if broken is not None:
        raise FrameError(
            f"{path.name} is truncated: its compressed data end before the {n_bytes} bytes that its header declares"
        ) from broken
    if filled < n_bytes:
        raise FrameError(f"{path.name} is truncated: its header declares {n_bytes} bytes, and it holds {filled}")
    return memory


def unpack_part(path: Path, n_bytes: int, *, start: int = 0) -> tuple[mmap.mmap, int, EOFError | None]:
    """As :func:`unpack` of a file that may be cut: memory, zero where nothing came, how many bytes came, the cut.

    Raises
    ------
    FrameError
        If the bytes do not fit into memory.
    """
    broken = None
    with open_unpacked(path, start=start) as (stream, compression):
        stored = path.stat().st_size - start
        ask_for(path, f"{n_bytes} bytes", n_bytes, stored=stored, compression=compression or "")
        memory, filled = mmap.mmap(-1, max(n_bytes, 1)), 0
        with memoryview(memory) as view:
            try:
                while filled < n_bytes and (count := stream.readinto1(view[filled : min(filled + _PIECE, n_bytes)])):
                    filled += count
                stream.read(1)  # at the end of a gzip its checksum is compared
            except EOFError as error:
                broken = error
    return memory, filled, broken

"""Image features on disk, where there is no room for them in memory: in a file without a name, which goes by itself."""

from __future__ import annotations

import math
import os
import shutil
import tempfile
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import IO

import psutil
import torch
from torch import Tensor

from ..bounded_cache import BoundedCache
from ..network.interface import ImageFeatures

#: Where the file is made; another folder than the system's one for temporary files.
FOLDER_VARIABLE = "NAPARI_MEDSAM2_SCRATCH"
#: At most this part of what is free on the disk is taken.
_SHARE_OF_FREE = 4
_IN_MEMORY = ("tmpfs", "ramfs")

#: Shapes and types of features' tensors. Tensors without values would do, but their small blocks lie between the large
#: ones that are given back, and keep those from the system: 0.9 MB for each of micro's features.
_Layout = tuple[tuple[tuple[int, ...], torch.dtype], ...]


class ScratchFile:
    """Features by their keys in a file of bounded size; the oldest are written over. Safe to use from several threads.

    A disk that is full or fails ends it: features are computed anew then, and nothing else comes of it.

    Parameters
    ----------
    max_bytes
        Budget; less where the disk has little room.
    folder
        Where the file is made; ``None`` for :func:`scratch_folder`.
    """

    def __init__(self, max_bytes: int, folder: Path | None = None) -> None:
        self._max_bytes, self._folder = max_bytes, folder
        self._lock = threading.Lock()
        self._file: IO[bytes] | None = None
        self._places: OrderedDict[Hashable, tuple[int, int, _Layout]] = OrderedDict()  # in the order of the file
        self._end = 0

    def __len__(self) -> int:
        return len(self._places)

    def put(self, key: Hashable, features: ImageFeatures) -> None:
        """Write features of a key that has none."""
        size = features.nbytes
        with self._lock:
            if key in self._places or size > self._max_bytes:
                return
            try:
                if self._file is None:
                    self._begin(size)
                if self._file is not None:
                    self._write(self._file, key, features, size)
            except OSError:
                self._give_up()

    def get(self, key: Hashable) -> ImageFeatures | None:
        """The features of a key, on the CPU; ``None`` if they are not there any more, or never were."""
        with self._lock:
            if self._file is None or key not in self._places:
                return None
            start, size, layout = self._places[key]
            data = bytearray(size)
            try:
                self._file.seek(start)
                complete = self._file.readinto(data) == size  # type: ignore[attr-defined]
            except OSError:
                complete = False
            if not complete:
                self._give_up()
                return None
        return _unpacked(data, layout)

    def _begin(self, size: int) -> None:
        folder = scratch_folder() if self._folder is None else self._folder
        free = 0 if folder is None else shutil.disk_usage(folder).free
        self._max_bytes = min(self._max_bytes, free // _SHARE_OF_FREE)
        if size <= self._max_bytes:
            self._file = tempfile.TemporaryFile(prefix="napari-medsam2-", dir=folder, buffering=0)  # noqa: SIM115
            weakref.finalize(self, self._file.close)

    def _write(self, file: IO[bytes], key: Hashable, features: ImageFeatures, size: int) -> None:
        start = self._end if self._end + size <= self._max_bytes else 0
        if start == 0:  # what follows the end of the last round is of the round before, and gone
            self._forget(self._end, self._max_bytes)
        self._forget(start, start + size)
        file.seek(start)
        for tensor in _tensors(features):
            rest = _bytes_of(tensor)
            while rest:
                rest = rest[file.write(rest) :]
        self._places[key] = (start, size, _layout_of(features))
        self._end = start + size

    def _forget(self, start: int, stop: int) -> None:
        """Those go whose bytes are written over; they are the oldest."""
        while self._places:
            key, (first, size, _) = next(iter(self._places.items()))
            if first >= stop or first + size <= start:
                return
            del self._places[key]

    def _give_up(self) -> None:
        self._max_bytes = 0
        self._places.clear()
        if self._file is not None:
            self._file.close()
            self._file = None


class FeatureCache(BoundedCache[Hashable, ImageFeatures]):
    """Image features within a budget of memory; past it, those that were not used for longest go to the disk.

    Parameters
    ----------
    max_bytes
        Budget of memory.
    scratch_bytes
        Budget on the disk; 0 writes nothing.
    folder
        As for :class:`ScratchFile`.
    """

    def __init__(self, max_bytes: int, scratch_bytes: int = 0, folder: Path | None = None) -> None:
        self._scratch = ScratchFile(scratch_bytes, folder)
        super().__init__(max_bytes, on_drop=self._scratch.put)

    def get(self, key: Hashable, compute: Callable[[], ImageFeatures]) -> ImageFeatures:
        """Those of a key: from memory, from the disk, or else computed and kept."""
        return super().get(key, lambda: self._scratch.get(key) or compute())


def scratch_folder() -> Path | None:
    """A folder for large files of the moment that is not in memory itself, as /tmp is on some systems; or ``None``."""
    chosen = os.environ.get(FOLDER_VARIABLE)
    candidates = [chosen] if chosen else [tempfile.gettempdir(), "/var/tmp"]
    for folder in map(Path, candidates):
        if folder.is_dir() and os.access(folder, os.W_OK) and not _is_in_memory(folder):
            return folder
    return None


def _is_in_memory(folder: Path) -> bool:
    """True if files of this folder are kept in memory."""
    parts = {Path(part.mountpoint): part.fstype for part in psutil.disk_partitions(all=True)}
    resolved = folder.resolve()
    mount = next((each for each in (resolved, *resolved.parents) if each in parts), None)
    return mount is not None and parts[mount] in _IN_MEMORY


def _tensors(features: ImageFeatures) -> tuple[Tensor, ...]:
    return (*features.levels, features.descriptor)


def _bytes_of(tensor: Tensor) -> memoryview:
    return tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data


def _layout_of(features: ImageFeatures) -> _Layout:
    return tuple((tuple(tensor.shape), tensor.dtype) for tensor in _tensors(features))


def _unpacked(data: bytearray, layout: _Layout) -> ImageFeatures:
    tensors, start = [], 0
    for shape, dtype in layout:
        stop = start + math.prod(shape) * dtype.itemsize
        # Of a part of its own, so that it begins where a number may begin.
        flat = torch.frombuffer(data[start:stop], dtype=dtype) if stop > start else torch.empty(0, dtype=dtype)
        tensors.append(flat.reshape(shape))
        start = stop
    return ImageFeatures(tuple(tensors[:-1]), tensors[-1])

"""Arrays of an npz: their shapes first, and the pixels of those alone that are asked for."""

from __future__ import annotations

import math
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DatasetError, FrameError
from ..types import AnyArray
from .budget import ask_for
from .damage import DECODING_ERRORS, reason_of

_NPY_START = b"\x93NUMPY"


class Archive:
    """An npz.

    Attributes
    ----------
    path
        The file.
    names
        Of its arrays.

    Raises
    ------
    DatasetError
        If it is no npz, or damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with path.open("rb") as file:
                if file.read(len(_NPY_START)) == _NPY_START:
                    raise DatasetError(f"{path.name} holds a single array; a dataset is an npz with images and masks")
            with zipfile.ZipFile(path) as archive:
                stored = [info for info in archive.infolist() if info.filename.endswith(".npy")]
        except FileNotFoundError as error:
            raise DatasetError(f"there is no file {path}") from error
        except DatasetError:
            raise
        except DECODING_ERRORS as error:
            raise _damaged(path, error) from error
        self._stored = {info.filename.removesuffix(".npy"): info for info in stored}
        self.names = tuple(self._stored)

    def __contains__(self, name: object) -> bool:
        return name in self._stored

    def array(self, name: str) -> StoredArray:
        """One of the arrays, its pixels not yet read.

        Raises
        ------
        DatasetError
            If it holds objects of Python, its header is damaged, or it declares more than is there or fits into memory.
        """
        info = self._stored[name]
        try:
            with zipfile.ZipFile(self.path) as archive, archive.open(info) as file:
                version = np.lib.format.read_magic(file)
                read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
                shape, _, dtype = read(file)
                start = file.tell()
        except DECODING_ERRORS as error:
            raise _damaged(self.path, error) from error
        if dtype.hasobject:
            raise DatasetError(
                f"{name} in {self.path.name} holds objects of Python, which are not read: they can run code"
            )
        needed, there = math.prod(shape) * dtype.itemsize, info.file_size - start
        if needed > there:
            raise DatasetError(
                f"{name} in {self.path.name} declares {needed} bytes, and it holds {there}: it is truncated"
            )
        compression = "deflate" if info.compress_type == zipfile.ZIP_DEFLATED else ""
        try:
            ask_for(self.path, f"{name} of shape {shape}", needed, stored=info.compress_size, compression=compression)
        except FrameError as error:
            raise DatasetError(str(error)) from error
        return StoredArray(self.path, info.filename, tuple(shape), dtype)


@dataclass(frozen=True)
class StoredArray:
    """An array in an npz, read whenever it is indexed."""

    path: Path
    member: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def ndim(self) -> int:
        """How many axes it has."""
        return len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> AnyArray:
        part: AnyArray = self.read()[key]
        return part

    def read(self) -> AnyArray:
        """All of it.

        Raises
        ------
        DatasetError
            If it is damaged.
        """
        try:
            with zipfile.ZipFile(self.path) as archive, archive.open(self.member) as file:
                pixels: AnyArray = np.lib.format.read_array(file, allow_pickle=False)
                return pixels
        except DECODING_ERRORS as error:
            raise _damaged(self.path, error) from error


def _damaged(path: Path, error: Exception) -> DatasetError:
    return DatasetError(f"cannot read {path.name}: it is no npz, or it is damaged ({reason_of(error)})")

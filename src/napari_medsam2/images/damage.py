"""Contexts around every library that reads a file of a user: whatever it raises becomes a sentence with the name."""

from __future__ import annotations

import errno
import struct
import threading
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from ..errors import DatasetError, FrameError

#: Characters of what a library says that are repeated.
_LONGEST_REASON = 300
#: Numbers of system errors that stand for damage: none is what libraries raise, and damage sends them to odd places.
_OF_DAMAGE = (None, errno.EINVAL)
#: What the libraries raise on files that are truncated, damaged, or not what their name says. The list is long because
#: they trust what is in a file: they divide by its sizes, look its numbers up in tables, assert what should hold, and
#: parse the header of an npy as Python.
DECODING_ERRORS: tuple[type[Exception], ...] = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)


@contextmanager
def reading(path: Path, part: str = "") -> Iterator[None]:
    """Around the call of a library that reads a file.

    Parameters
    ----------
    path
        The file.
    part
        Which part of it is read, such as "page 3".

    Raises
    ------
    FrameError
        In place of what the library raises, with the name of the file; a ``FrameError`` passes, with the name added
        where it does not have it. Missing memory and a ``DatasetError`` pass as they are.
    """
    where = f"{part} of {path.name}" if part else path.name
    try:
        yield
    except (MemoryError, DatasetError):
        raise
    except FrameError as error:
        raise error if path.name in str(error) else FrameError(f"cannot read {where}: {error}") from error
    except FileNotFoundError as error:
        raise FrameError(f"cannot read {where}: there is no file {path}") from error
    except PermissionError as error:
        raise FrameError(f"cannot read {where}: you have no permission to read it") from error
    except Exception as error:
        if isinstance(error, OSError) and error.errno not in _OF_DAMAGE:  # the system's, and not the file's fault
            raise FrameError(f"cannot read {where}: {error.strerror}") from error
        raise FrameError(
            f"cannot read {where}: it is truncated, damaged or of another format ({reason_of(error)})"
        ) from error


class _WithoutWarnings:
    """Python's own ``catch_warnings``, entered by the first of several threads and left by the last.

    Where threads overlap that by itself ends with what one of them found: with all warnings of the process ignored.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._n_inside = 0
        self._caught = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            if not self._n_inside:
                self._caught = warnings.catch_warnings()
                self._caught.__enter__()
                warnings.simplefilter("ignore")
            self._n_inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._n_inside -= 1
            if not self._n_inside:
                self._caught.__exit__(None, None, None)


#: Around the call of a library that warns of what its caller checks; several threads may be in it at once.
without_warnings = _WithoutWarnings()


def require(package: str, path: Path) -> Any:
    """Import a package that a file needs.

    Raises
    ------
    FrameError
        If it is not installed, with the command that installs it.
    """
    try:
        return import_module(package)
    except ImportError as error:
        name = package.partition(".")[0]
        raise FrameError(f"{path.name} needs the package {name}, which is not installed: pip install {name}") from error


def reason_of(error: Exception) -> str:
    """What an error says, on one line and not at length; its type where it says nothing.

    Some libraries repeat the bytes that they did not understand.
    """
    text = " ".join(str(error)[: 2 * _LONGEST_REASON].split())
    return f"{text[:_LONGEST_REASON]}..." if len(text) > _LONGEST_REASON else text or type(error).__name__

"""What would not work is said before a long run, in words."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from ...errors import OutputError
from .formats import format_of
from .labels import Labelled
from .saving import written_files

#: Labels take less than this share of their bytes once they are compressed.
_COMPRESSED = 0.05


def check_labels(path: Path, labelled: Labelled, *, read: Iterable[Path] = (), written: Iterable[Path] = ()) -> None:
    """Make sure, before a long run and not after it, that labels can be written to ``path``.

    Folders on the way are made.

    Parameters
    ----------
    path, labelled, read, written
        As for :func:`check_choice`.

    Raises
    ------
    OutputError
        In words, with what helps.
    """
    check_choice(path, labelled, read=read, written=written)
    is_folder = format_of(path) is None
    targets = written_files(path, labelled)
    for target in targets if is_folder else ():
        if target.is_dir():
            raise OutputError(f"{target} is a folder, and a file of that name is to be written; name another folder")
    check_place(path if is_folder else path.parent, targets, round(labelled.nbytes * _COMPRESSED))


def check_choice(path: Path, labelled: Labelled, *, read: Iterable[Path] = (), written: Iterable[Path] = ()) -> None:
    """Make sure that a path names a format that can hold the labels, and nothing that is read.

    Parameters
    ----------
    path
        Where labels are to go.
    labelled
        What they are labels of.
    read
        Files and folders of images that are read beside those of ``labelled``.
    written
        Other files that are to be written.

    Raises
    ------
    OutputError
        In words, with what helps.
    """
    if not path.name:
        raise OutputError("the labels need a place: name a file or a folder")
    keep_what_is_read([*written_files(path, labelled), *written], [*labelled.images.files, *read])
    kind = format_of(path)
    if kind is not None and (problem := kind.refuses(labelled)):
        raise OutputError(problem)
    if kind is not None and not kind.store and path.is_dir():
        raise OutputError(f"{path} is a folder; name a file in it")
    if (kind is None or kind.store) and path.is_file():
        raise OutputError(f"{path} is a file; name another one, or a folder")


def check_place(folder: Path, targets: Iterable[Path], nbytes: int = 0) -> None:
    """Make sure that files can be written into a folder, which is made if it is not there.

    Raises
    ------
    OutputError
        In words.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {folder}: {error.strerror or error}") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(f"cannot write to the folder {folder}: you have no permission to")
    for target in targets:
        _try_to_open(target)
    free = shutil.disk_usage(folder).free
    if free < nbytes:
        raise OutputError(
            f"the disk of {folder} has {free / 1e6:.0f} MB left, and the labels may need {nbytes / 1e6:.0f} MB"
        )


def _try_to_open(target: Path) -> None:
    """A file that is there may be locked, or its name may not be one for this disk."""
    try:
        if target.is_file():
            with target.open("rb+"):
                return
    except PermissionError as error:
        raise OutputError(
            f"cannot write over {target}: it is read-only, or open in another program; close it there, or name another"
        ) from error
    except OSError as error:
        raise OutputError(f"cannot write {target}: {error.strerror or error}") from error


def keep_what_is_read(written: Iterable[Path], read: Iterable[Path]) -> None:
    """Refuse to write over a file that is read, or into a folder whose images are: they could be lost, or mixed up.

    Parameters
    ----------
    written
        Files that will be written, there or not.
    read
        Files that are read, and folders of images.

    Raises
    ------
    OutputError
        Naming the file.
    """
    sources, targets = {_real(source) for source in read}, set[Path]()
    for path in written:
        target = _real(path)
        if target in targets:
            raise OutputError(f"{path} would be written twice; name another file")
        targets.add(target)
        if target in sources:
            raise OutputError(f"{path} is read from; writing there would overwrite it: name another file")
        if target.parent in sources:
            raise OutputError(f"{path} would lie among the images that are read; name another folder")


def _real(path: Path) -> Path:
    """Where a path leads."""
    try:
        return path.resolve()
    except (OSError, RuntimeError) as error:  # links in a circle
        raise OutputError(f"cannot use {path}: its links lead in a circle, or nowhere") from error
    except ValueError as error:
        raise OutputError(f"cannot use {str(path)!r}: {error}") from error

"""What would not work is said before a long run, in words."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from ...errors import OutputError
from ..readers.zarr_nodes import ZARR_MARKS
from .formats import format_of
from .labels import Labelled
from .ome_zarr import is_beside_image
from .saving import written_files

#: Labels take less than this share of their bytes once they are compressed.
_COMPRESSED = 0.05


def check_labels(path: Path, labelled: Labelled, *, read: Iterable[Path] = (), written: Iterable[Path] = ()) -> None:
    """Make sure, before a long run and not after it, that labels can be written to ``path``.

    Parameters
    ----------
    path, labelled, read, written
        As for :func:`check_choice`; ``written`` can be written too.

    Raises
    ------
    OutputError
        In words, with what helps.
    """
    written = list(written)
    check_choice(path, labelled, read=read, written=written)
    targets = written_files(path, labelled)
    if format_of(path) is None:
        check_place(path, ())
        for target in targets:
            if target.is_dir():
                raise OutputError(f"{target} is a folder, and a file of that name is to be written; name another one")
    check_place(targets[0].parent, targets, round(labelled.nbytes * _COMPRESSED))
    for other in written:
        check_file(other)


def check_file(path: Path) -> None:
    """Make sure that a file can be written; raises as :func:`check_place`."""
    if path.is_dir():
        raise OutputError(f"{path} is a folder; name a file in it")
    check_place(path.parent, [path])


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
    keep_what_is_read([*written_files(path, labelled), *written], [*labelled.images.files, *read])
    kind = format_of(path)
    beside = kind is not None and kind.store and is_beside_image(path)
    _keep_out_of_zarrs([*([] if beside else written_files(path, labelled)), *written])
    if kind is not None and (problem := kind.refuses(labelled) or kind.refuses_place(path, labelled)):
        raise OutputError(problem)
    if kind is not None and not kind.store and path.is_dir():
        raise OutputError(f"{path} is a folder; name a file in it")
    if (kind is None or kind.store) and path.is_file():
        raise OutputError(f"{path} is a file; name another one, or a folder")
    if kind is not None and kind.store and path.is_dir() and not _gives_way(path):
        raise OutputError(f"{path} is a folder with other files in it, which would be lost; name another one")


def _keep_out_of_zarrs(written: Iterable[Path]) -> None:
    """Refuse files within a zarr, where only chunks and labels have a place: others would take them for that."""
    for folder in {path.parent for path in written}:
        above = (real := _real(folder), *real.parents)
        zarrs = [place for place in above if any((place / mark).is_file() for mark in ZARR_MARKS)]
        if zarrs:
            name = zarrs[-1].name
            raise OutputError(
                f"{folder} is within the zarr {name}: name another folder, or {name}/labels/NAME for labels beside "
                "that image"
            )


def _gives_way(store: Path) -> bool:
    """Whether a folder may be replaced by a store."""
    return not any(store.iterdir()) or any((store / mark).exists() for mark in ZARR_MARKS)


def check_place(folder: Path, targets: Iterable[Path], nbytes: int = 0) -> None:
    """Make sure that files can be written into a folder that is there or can be made.

    Raises
    ------
    OutputError
        In words.
    """
    there = next(above for above in (folder, *folder.absolute().parents) if _exists(above))
    if not there.is_dir():
        raise OutputError(f"cannot make the folder {folder}: {there} is a file")
    if not os.access(there, os.W_OK | os.X_OK):
        raise OutputError(f"cannot write to the folder {there}: you have no permission")
    for target in targets:
        _try_to_open(target)
    free = shutil.disk_usage(there).free
    if free < nbytes:
        raise OutputError(f"the disk of {there} has {_told(free)} left, and the labels may need {_told(nbytes)}")


def _told(nbytes: int) -> str:
    return f"{nbytes / 1e6:.0f} MB" if nbytes >= 1e6 else f"{nbytes / 1e3:.0f} kB"


def _exists(path: Path) -> bool:
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:  # the name is too long, or a folder above may not be looked into
        raise OutputError(f"cannot use {path}: {error.strerror or error}") from error
    return True


def _try_to_open(target: Path) -> None:
    """A file that is there may be locked, and its name may not be one for this disk."""
    if not _exists(target) or not target.is_file():
        return
    try:
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
        if target.parent in sources and not target.parent.is_file():
            raise OutputError(f"{path} would lie among the images that are read; name another folder")


def _real(path: Path) -> Path:
    """Where a path leads."""
    circle = f"cannot use {path}: its links lead in a circle"
    try:
        real = path.resolve()
        if real.is_symlink():  # how newer Pythons say it
            raise OutputError(circle)
        return real
    except RuntimeError as error:
        raise OutputError(circle) from error
    except (OSError, ValueError) as error:
        why = circle if getattr(error, "errno", None) == errno.ELOOP else f"cannot use {str(path)!r}: {error}"
        raise OutputError(why) from error

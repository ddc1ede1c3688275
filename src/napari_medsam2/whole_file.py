"""Files that are written whole or not at all: after a kill, a power cut, on a full disk the older one is as it was."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from .errors import OutputError, UserError

#: A disk with so few bytes left is full.
_ALMOST_NOTHING = 1 << 16
#: In bytes, on most disks.
_LONGEST_NAME = 255


def replace_file(
    path: Path,
    write: Callable[[Path], object],
    *,
    error: type[UserError] = OutputError,
    advice: str = "",
    wrapped_in: tuple[type[Exception], ...] = (),
    suffix: str = "",
) -> None:
    """Write a file through a draft beside it, which takes its name once it is complete and on the disk.

    Links are followed. What is there and is no file, such as ``/dev/stdout``, is written to as it is.

    Parameters
    ----------
    path
        The file; its folder has to exist.
    write
        Writes all of it to the path that it is given. What it raises beside ``OSError`` is raised as it is.
    error
        What is raised if the file cannot be written.
    advice
        A sentence for the user, without its full stop, to end the message with.
    wrapped_in
        What the writer raises in place of the system's ``OSError``.
    suffix
        What the name of the draft ends with, for writers that go by it.

    Raises
    ------
    error
        If it cannot be written; the older file is as it was.
    """
    failures: tuple[type[Exception], ...] = (OSError, *wrapped_in)
    target = Path(os.path.realpath(path))
    draft = _beside(target, "", f".part{suffix}")
    try:
        if target.exists() and not target.is_file():
            write(target)
            return
        draft.touch()
        permissions = draft.stat().st_mode  # some writers make the file for its owner alone
        write(draft)
        with draft.open("rb+") as file:
            os.fsync(file.fileno())
        draft.chmod(permissions)
        draft.replace(target)
        _sync_folder(target.parent)
    except UserError:
        raise
    except failures as cause:
        raise error(_cannot_write(path, cause) + (f". {advice}" if advice else "")) from cause
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def replace_folder(
    path: Path, write: Callable[[Path], object], *, wrapped_in: tuple[type[Exception], ...] = ()
) -> None:
    """Write a folder through a draft beside it, which takes its name, and its place, once it is complete.

    Parameters
    ----------
    path
        The folder; the one that it is in has to exist. If it is there, all that is in it gives way.
    write
        Writes into the empty folder that it is given.
    wrapped_in
        What the writer raises in place of the system's ``OSError``.

    Raises
    ------
    OutputError
        If it cannot be written; the older folder is as it was.
    """
    failures: tuple[type[Exception], ...] = (OSError, *wrapped_in)
    target = Path(os.path.realpath(path))
    draft, older = (_beside(target, ".", f".napari-medsam2.{ending}") for ending in ("part", "old"))
    try:
        for left in (draft, older):  # by a run that was killed
            if left.exists() and (target.exists() or left is draft):
                shutil.rmtree(left)
        draft.mkdir()
        write(draft)
        _sync_all()
        if target.exists():
            target.rename(older)
        draft.rename(target)
        _sync_folder(target.parent)
    except UserError:
        raise
    except failures as cause:
        if older.exists() and not target.exists():
            older.rename(target)
        raise OutputError(_cannot_write(path, cause)) from cause
    finally:
        for left in (draft, older):
            if target.exists() or left is draft:
                shutil.rmtree(left, ignore_errors=True)


def add_to_folder(path: Path, write: Callable[[Path], object], *, wrapped_in: tuple[type[Exception], ...] = ()) -> None:
    """Write files into a folder that may hold others: in a draft folder within it first, and each moved when all are.

    Parameters
    ----------
    path
        The folder, made if it is not there.
    write
        Writes files, and no folders, into the empty folder that it is given.
    wrapped_in
        What the writer raises in place of the system's ``OSError``.

    Raises
    ------
    OutputError
        If they cannot be written; those of the same names from before are as they were.
    """
    failures: tuple[type[Exception], ...] = (OSError, *wrapped_in)
    made = not path.exists()
    draft = path / ".napari-medsam2.part"
    try:
        path.mkdir(exist_ok=True)
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir()
        write(draft)
        _sync_all()
        for file in sorted(draft.iterdir()):
            file.replace(path / file.name)
        _sync_folder(path)
    except UserError:
        raise
    except failures as cause:
        raise OutputError(_cannot_write(path, cause)) from cause
    finally:
        shutil.rmtree(draft, ignore_errors=True)
        if made:
            with suppress(OSError):  # it holds something
                path.rmdir()


def _beside(target: Path, before: str, after: str) -> Path:
    """A name that tells what it is of; no longer than names may be, where the target's own is not."""
    name = target.name
    while name and len(os.fsencode(before + name + after)) > _LONGEST_NAME:
        name = name[:-1]
    return target.with_name(before + name + after)


def _sync_all() -> None:
    """Have many files on the disk at once, where the system can; one by one would take long."""
    if hasattr(os, "sync"):
        os.sync()


def _cannot_write(path: Path, error: Exception) -> str:
    """In words; called while the draft still takes its room, because torch's own message does not name a full disk."""
    full = getattr(error, "errno", None) == errno.ENOSPC or "No space left" in str(error)
    full = full or (path.parent.is_dir() and shutil.disk_usage(path.parent).free < _ALMOST_NOTHING)
    why = "the disk is full" if full else (str(error).splitlines() or [type(error).__name__])[0]
    if isinstance(error, PermissionError) and not full:
        why = f"you have no permission, or it is open in another program ({error.strerror or error})"
    kept = f"; the {path.name} from before is untouched" if path.is_file() else ""
    return f"cannot write {path}: {why}{kept}"


def _sync_folder(folder: Path) -> None:
    """Make the new name last; systems that cannot open folders do so by themselves."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

"""Files that are written whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from safetensors import SafetensorError

from .errors import TrainingError

#: A disk with so few bytes left is full.
_ALMOST_NOTHING = 1 << 16


def replace_file(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file through a draft beside it: after a kill, a power cut or on a full disk the older one is whole.

    Raises
    ------
    TrainingError
        If it cannot be written; the older file is as it was.
    """
    draft = path.with_name(path.name + ".part")
    try:
        write(draft)
        with draft.open("rb+") as file:
            os.fsync(file.fileno())
        draft.chmod(0o644)  # some writers make it for its owner alone
        draft.replace(path)
        _sync_folder(path.parent)
    except (OSError, RuntimeError, SafetensorError) as error:  # torch and safetensors wrap the system's error
        told = _cannot_write(path, error)
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        raise TrainingError(told) from error


def _cannot_write(path: Path, error: Exception) -> str:
    """In words; called while the draft still takes its room, because torch's own message does not name a full disk."""
    full = getattr(error, "errno", None) == errno.ENOSPC or "No space left" in str(error)
    full = full or (path.parent.is_dir() and shutil.disk_usage(path.parent).free < _ALMOST_NOTHING)
    why = "the disk is full" if full else (str(error).splitlines() or [type(error).__name__])[0]
    kept = f"; the {path.name} from before is untouched" if path.exists() else ""
    return f"cannot write {path}: {why}{kept}. Make room or name another place, and go on with --resume"


def _sync_folder(folder: Path) -> None:
    """Make the new name last; systems that cannot open folders do so by themselves."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

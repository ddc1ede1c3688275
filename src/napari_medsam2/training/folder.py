"""The folder that a run or an example is written into."""

from __future__ import annotations

from pathlib import Path

from ..errors import TrainingError


def prepare_folder(folder: Path) -> None:
    """Make a folder and see that it can be written to.

    Raises
    ------
    TrainingError
        If not, and why.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise TrainingError(f"cannot write to the folder {folder}: {error.strerror or error}") from error

"""How the files of a run are written: whole or not at all, and what to do where that fails."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from safetensors import SafetensorError

from ...errors import TrainingError
from ...whole_file import replace_file


def save_run_file(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file of a run; see :func:`.whole_file.replace_file`.

    Raises
    ------
    TrainingError
        If it cannot be written; the older file is as it was.
    """
    replace_file(
        path,
        write,
        error=TrainingError,
        advice="Make room or name another place, and go on with --resume",
        wrapped_in=(RuntimeError, SafetensorError),  # torch and safetensors wrap the system's error
    )

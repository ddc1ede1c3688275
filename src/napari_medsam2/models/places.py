"""Folders of the user: the home folder, and the one where programs keep what can be fetched again."""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import ModelError


def expanded(path: str | Path) -> Path:
    """A path whose ``~`` or ``~name`` is replaced by that home folder.

    Raises
    ------
    ModelError
        If there is no such home folder.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise ModelError(f"there is no home folder for {path}; write the path without ~") from error


def cache_folder() -> Path:
    """Where programs keep what can be fetched again: ``$XDG_CACHE_HOME``, or ``.cache`` in the home folder."""
    return expanded(os.environ.get("XDG_CACHE_HOME") or "~/.cache")

"""How a file is to be read: the same options for all readers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class ReadOptions:
    """How a file is to be read.

    Attributes
    ----------
    series
        Which of several images in a file or folder: its number, or its name or identifier.
    as_labels
        Whether the numbers in it are labels: of a palette picture the indices are read, not the colours.
    partial
        Whether what is left of a file that was cut, or of a folder with damaged files, is read, and told each time.
    progress
        Told how many of how many files were looked at.
    """

    series: int | str | None = None
    as_labels: bool = False
    partial: bool = False
    progress: Callable[[int, int], None] | None = None

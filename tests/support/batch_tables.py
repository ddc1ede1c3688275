"""Tables of jobs for ``batch``, and what comes of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile

NAMES = ("a", "b", "c")
BOX = "2,25.5,16.5,38.5,29.5"


def write_table(path: Path, *jobs: dict[str, str]) -> Path:
    """A table of jobs; of each it is known that it is a stack with a box, unless it says otherwise."""
    lines = [{"mode": "stack", "box": BOX, **job} for job in jobs]
    names = list(dict.fromkeys(name for line in lines for name in line))
    rows = [names, *([line.get(name, "") for name in names] for line in lines)]
    path.write_text("".join(",".join(f'"{cell}"' for cell in row) + "\n" for row in rows))
    return path


def labels(path: Path) -> np.ndarray:
    """The labels in a tif."""
    return np.asarray(tifffile.imread(path))

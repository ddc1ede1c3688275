"""A folder with one file for each image, under its own name and in its own size."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..listing import stem_of
from .labels import Labelled, LabelSet
from .tif import write_frame

#: Not allowed in names of files on one system or another, and what stands in their place.
_RESERVED = str.maketrans(dict.fromkeys([*'<>:"/\\|?*', *map(chr, range(32))], "_"))
#: Names that Windows keeps for devices.
_DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}
#: Bytes that a name may have on all systems, less what the suffix and the draft need.
_LONGEST = 240


def write_folder(path: Path, labels: LabelSet) -> None:
    """Write one file a frame into an empty folder: png where the images are that and labels fit in, else tif."""
    for t, name in enumerate(file_names(labels)):
        if name.endswith(".png"):
            from PIL import Image

            Image.fromarray(labels.labels(t)).save(path / name)
        else:
            write_frame(path / name, labels, t)


def file_names(labelled: Labelled) -> list[str]:
    """A file for each frame: ``img2.jpg`` becomes ``img2.tif``; numbers where stems repeat or frames have no files."""
    suffix = ".png" if _are_png(labelled.names) and np.dtype(labelled.dtype).itemsize <= 2 else ".tif"
    stems = [_stem(name) for name in labelled.names]
    folded = {stem.casefold() for stem in stems}  # some systems do not tell A from a
    if "" in folded or len(folded) < len(stems) or folded & _DEVICES or any(len(s.encode()) > _LONGEST for s in stems):
        digits = max(3, len(str(len(stems) - 1)))
        return [f"frame_{t:0{digits}d}{suffix}" for t in range(len(stems))]
    return [f"{stem}{suffix}" for stem in stems]


def _stem(name: str) -> str:
    """Of the name of a file, what may be part of a name on any system; empty if it is no file's."""
    return safe_name(stem_of(Path(name))) if Path(name).suffix else ""


def safe_name(text: str) -> str:
    """A text as part of a name of a file on any system; bytes that are no UTF-8, which Linux allows, become "_"."""
    readable = (
        text.encode("utf-8", "surrogateescape").decode("utf-8", "replace").replace("\N{REPLACEMENT CHARACTER}", "_")
    )
    return readable.translate(_RESERVED).rstrip(". ")


def _are_png(names: Sequence[str]) -> bool:
    return all(name.lower().endswith(".png") for name in names)

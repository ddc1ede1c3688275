"""The files of a folder, in the order that people expect."""

from __future__ import annotations

import re
from pathlib import Path

TIF_SUFFIXES = (".tif", ".tiff")
IMAGE_SUFFIXES = (*TIF_SUFFIXES, ".png", ".jpg", ".jpeg", ".bmp", ".npy")


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Sort key that puts ``slice2`` before ``slice10``."""
    parts = re.split(r"(\d+)", name.casefold())
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts]


def list_images(folder: Path) -> tuple[list[Path], list[Path]]:
    """The image files of a folder in natural order, and what was skipped: hidden files, folders, other files."""
    entries = sorted(folder.iterdir(), key=lambda path: natural_key(path.name))
    images = [
        path
        for path in entries
        if path.is_file() and not path.name.startswith(".") and path.suffix.lower() in IMAGE_SUFFIXES
    ]
    chosen = set(images)
    return images, [path for path in entries if path not in chosen]


def stem_of(path: Path) -> str:
    """The name without its suffix; ``.nii.gz`` and ``.ome.tif`` are one suffix."""
    name = path.name
    for double in (".nii.gz", ".ome.tif", ".ome.tiff", ".ome.zarr"):
        if name.lower().endswith(double) and len(name) > len(double):
            return name[: -len(double)]
    return path.stem

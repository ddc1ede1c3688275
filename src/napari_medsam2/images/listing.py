"""The files of a folder, in the order that people expect."""

from __future__ import annotations

import os
import re
from pathlib import Path

#: What labels are written to; and what else is a tif.
TIF_SUFFIXES = (".tif", ".tiff")
TIF_LIKE = (*TIF_SUFFIXES, ".btf", ".tf8", ".lsm", ".stk", ".svs", ".ndpi", ".qptiff")
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".gif", ".webp", ".jp2", ".j2k")
#: What may be a frame of a folder.
IMAGE_SUFFIXES = (*TIF_LIKE, *PICTURE_SUFFIXES, ".npy")
#: Files that are a volume each, and so no frame of a folder.
VOLUME_SUFFIXES = (".nii", ".nii.gz", ".hdr", ".img", ".nrrd", ".nhdr")
_DOUBLE_SUFFIXES = (
    *(".nii.gz", ".hdr.gz", ".img.gz", ".seg.nrrd"),
    *(".ome.tif", ".ome.tiff", ".ome.btf", ".ome.zarr.zip", ".ome.zarr", ".zarr.zip"),
)
#: What label files are called beside their image: NAME.tif and NAME_labels.tif.
LABEL_ENDINGS = ("_labels", "_label", "_masks", "_mask", "_seg")
#: What systems leave in folders that people do not see.
_UNSEEN = ("thumbs.db", "desktop.ini", "__macosx", "icon\r")


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Sort key that puts ``slice2`` before ``slice10``."""
    parts = re.split(r"(\d+)", name.casefold())
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts]


def list_images(folder: Path) -> tuple[list[Path], list[Path]]:
    """The image files of a folder in natural order, and what else people see in it: folders and other files.

    Neither has what is hidden, or what a system leaves behind, such as Thumbs.db. No file is opened.
    """
    with os.scandir(folder) as entries:
        seen = [(entry.name, _is_file(entry)) for entry in entries if is_seen(entry.name)]
    seen.sort(key=lambda entry: natural_key(entry[0]))
    images = [folder / name for name, is_file in seen if is_file and _is_image(name)]
    others = [folder / name for name, is_file in seen if not (is_file and _is_image(name))]
    return images, others


def without_labels(images: list[Path], folder: Path) -> tuple[list[Path], list[Path]]:
    """Images, and the label files of one of them or of the folder that lie among them, as NAME_labels.tif does."""
    names = {stem_of(path) for path in images} | {folder.name}
    labels = [path for path in images if image_stem(path) != stem_of(path) and image_stem(path) in names]
    apart = set(labels)
    return [path for path in images if path not in apart], labels


def image_stem(path: Path) -> str:
    """The name of the image that a label file belongs to; of other files their own name without its suffix."""
    stem = stem_of(path)
    for ending in LABEL_ENDINGS:
        if stem.lower().endswith(ending) and len(stem) > len(ending):
            return stem[: -len(ending)]
    return stem


def stem_of(path: Path) -> str:
    """The name without its suffix; ``.nii.gz``, ``.ome.tif`` and their like are one suffix."""
    name = path.name
    for double in _DOUBLE_SUFFIXES:
        if name.lower().endswith(double) and len(name) > len(double):
            return name[: -len(double)]
    return path.stem


def is_seen(name: str) -> bool:
    """Whether people see a file or folder of that name, and no system left it behind."""
    return not name.startswith(".") and name.lower() not in _UNSEEN


def _is_image(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES


def _is_file(entry: os.DirEntry[str]) -> bool:
    """Also of links; one that leads in a circle is none."""
    try:
        return entry.is_file()
    except OSError:
        return False

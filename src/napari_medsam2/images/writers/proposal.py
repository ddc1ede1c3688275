"""Where labels go unless the user says otherwise: beside the image, as NAME_labels."""

from __future__ import annotations

from pathlib import Path

from ..listing import stem_of
from ..opened import OpenedImages
from .folder import safe_name
from .formats import all_suffixes

#: How names of what we save end, before the suffix; readers know it.
LABELS_ENDING = "_labels"
#: Formats that keep the geometry of a source, by the suffixes of the source.
_LIKE = {".nii": ".nii.gz", ".nii.gz": ".nii.gz", ".nrrd": ".nrrd", ".nhdr": ".nrrd", ".zarr": ".ome.zarr"}


def proposed_path(images: OpenedImages, *, each: bool) -> Path:
    """A path beside the images, in the format that fits them.

    Parameters
    ----------
    images
        What the labels are of.
    each
        Whether each image is to have a file of its own, in a folder.
    """
    files = images.files
    if len(files) == 1 and not each:
        suffix = next((own for end, own in _LIKE.items() if files[0].name.lower().endswith(end)), ".tif")
        return _beside(files[0], stem_of(files[0]), suffix)
    if not files:
        return Path(f"{images.name}{LABELS_ENDING}" + ("" if each else ".tif"))
    folder = files[0].absolute().parent
    name = images.name if images.name.startswith(folder.name) else folder.name  # one of several series says which
    return _beside(folder, safe_name(name), "" if each else ".tif" if images.affine is None else ".nii.gz")


def _beside(path: Path, name: str, suffix: str) -> Path:
    return path.with_name(name + LABELS_ENDING + (suffix if not suffix or suffix in all_suffixes() else ".tif"))

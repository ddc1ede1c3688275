"""The formats that labels are written in, by suffix: one table for the command line and the dock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ...errors import OutputError
from .coco import write_coco
from .labels import Labelled, LabelSet
from .nifti import NIFTI_SUFFIXES, write_nifti
from .nrrd import NRRD_SUFFIXES, write_nrrd
from .ome_zarr import ZARR_SUFFIXES, is_beside_image, refuse_place, refuse_zarr, write_zarr
from .tif import TIF_ERRORS, refuse_tif, write_tif
from .volumes import refuse_volume


def _nothing(labelled: Labelled) -> str:
    return ""


def _nowhere(path: Path, labelled: Labelled) -> str:
    return ""


@dataclass(frozen=True)
class LabelFormat:
    """How labels are written to a path with one of these suffixes.

    Attributes
    ----------
    title
        What it is, in a few words for a dialog.
    suffixes
        The first is the usual one.
    write
        Writes all of it to a path whose name ends with the suffix: a new file, or an empty folder that is there. Whole
        or not at all, older files, and words for ``OSError`` are the caller's concern.
    refuses
        Why labels cannot be written like this, in a sentence with what helps; empty if they can.
    refuses_place
        Why they cannot be written to this very path.
    store
        Whether it is a folder that people take for a file, such as a zarr.
    wrapped_in
        What ``write`` raises in place of the system's ``OSError``.
    """

    title: str
    suffixes: tuple[str, ...]
    write: Callable[[Path, LabelSet], None]
    refuses: Callable[[Labelled], str] = _nothing
    refuses_place: Callable[[Path, Labelled], str] = _nowhere
    store: bool = False
    wrapped_in: tuple[type[Exception], ...] = ()


FORMATS = (
    LabelFormat(
        "OME-TIFF, for napari and Fiji",
        (".tif", ".tiff", ".ome.tif", ".ome.tiff"),
        write_tif,
        refuse_tif,
        wrapped_in=TIF_ERRORS,
    ),
    LabelFormat("NIfTI", NIFTI_SUFFIXES, write_nifti, refuse_volume),
    LabelFormat("NRRD, for 3D Slicer", NRRD_SUFFIXES, write_nrrd, refuse_volume),
    LabelFormat("OME-Zarr", ZARR_SUFFIXES, write_zarr, refuse_zarr, refuse_place, store=True),
    LabelFormat("COCO, masks as run lengths", (".json",), write_coco),
)


def format_of(path: Path) -> LabelFormat | None:
    """The format that the suffix of a path says; ``None`` for a folder with one file an image.

    Raises
    ------
    OutputError
        For a suffix that is no format's; the message lists those that are.
    """
    for written in FORMATS:
        if suffix_of(path, written) or (written.write is write_zarr and is_beside_image(path)):
            return written
    if path.suffix and not path.is_dir():
        raise OutputError(
            f"labels are written to a {', '.join(all_suffixes())}, or to a folder with one file an image, which has no "
            f"suffix unless it is there; got {path.name}"
        )
    return None


def suffix_of(path: Path, written: LabelFormat) -> str:
    """The longest suffix of a format that a path ends with; empty if it has none of them."""
    name = path.name.lower()
    return max((suffix for suffix in written.suffixes if name.endswith(suffix)), key=len, default="")


def all_suffixes() -> list[str]:
    """The suffixes of all formats."""
    return [suffix for written in FORMATS for suffix in written.suffixes]

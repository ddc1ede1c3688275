"""Which files are DICOM, by what is in them: names and suffixes say nothing."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ..errors import FrameError
from .listing import IMAGE_SUFFIXES, is_seen, natural_key

#: Where the letters DICM stand in a file with a preamble.
_PREAMBLE = 128

#: Groups that a data set without a preamble can begin with: its file meta information, or its identification.
_FIRST_GROUPS = (b"\x02\x00", b"\x08\x00", b"\x00\x08")

#: The longest first element that is believed: it is a length, a character set or a UID.
_LONGEST_FIRST_ELEMENT = 1 << 10

#: Pictures that may lie beside slices, such as a preview.
_FEW_PICTURES = 3

#: After so many files without a DICOM file among them nobody looks further: somebody opened a whole disk.
_MOST_STRANGERS = 20_000


@dataclass(frozen=True)
class DicomFolder:
    """What lies in a folder that is DICOM.

    Attributes
    ----------
    files
        The DICOM files in it and below it, in natural order of their paths.
    others
        The other files.
    """

    files: tuple[Path, ...]
    others: tuple[Path, ...]


def looks_like_dicom(path: Path) -> bool:
    """Whether the file begins as DICOM does, with a preamble or without; ``False`` if it cannot be read."""
    try:
        with path.open("rb") as file:
            head = file.read(_PREAMBLE + 4)
    except OSError:
        return False
    return head[_PREAMBLE:] == b"DICM" or (_begins_with_an_element(head) and _says_what_it_is(path))


def dicom_folder(folder: Path) -> DicomFolder | None:
    """The DICOM files of a folder; ``None`` if they are not what the folder is about.

    They are if the folder itself holds as many of them as ordinary pictures, or the folders below it more. Where there
    are more than a few pictures, and more than DICOM files, nobody looks below. Links to folders are not followed.

    Raises
    ------
    FrameError
        If there are DICOM files, and others or folders that may not be read: slices would be missing without a word.
    """
    here = [Path(entry) for entry in os.scandir(folder) if is_seen(entry.name)]
    pictures = sorted(path for path in here if path.name.lower().endswith(IMAGE_SUFFIXES))
    named_wrongly = bool(pictures) and pictures[0].is_file() and looks_like_dicom(pictures[0])
    found, others = _sorted_out(here, look_at_pictures=named_wrongly)
    n_pictures = 0 if named_wrongly else len(pictures)
    closed: list[Path] = []
    if n_pictures > max(_FEW_PICTURES, len(found)):
        return None
    enough = len(found) >= n_pictures
    for path in sorted(path for path in here if path.is_dir() and not path.is_symlink()):
        below, beside = _sorted_out(_files_below(path, closed), look_at_pictures=named_wrongly)
        found += below
        others += beside
        if not found and len(others) > _MOST_STRANGERS:
            return None
    if not found or (not enough and len(found) <= n_pictures):
        return None
    if closed := [*closed, *(path for path in others if not os.access(path, os.R_OK))]:
        raise FrameError(
            f"cannot read {closed[0]}: you have no permission to read it, and it may hold slices of the images in "
            f"{folder.name}"
        )
    key = partial(_place_in, folder)
    return DicomFolder(tuple(sorted(found, key=key)), tuple(sorted(others, key=key)))


def _sorted_out(paths: Iterable[Path], *, look_at_pictures: bool) -> tuple[list[Path], list[Path]]:
    """Files that are DICOM, and others. What is called a picture is only looked at where one of them is no picture."""
    found: list[Path] = []
    others: list[Path] = []
    for path in paths:
        if not path.is_file():  # a pipe, a link to nowhere
            continue
        picture = path.name.lower().endswith(IMAGE_SUFFIXES) and not look_at_pictures
        (others if picture or not looks_like_dicom(path) else found).append(path)
        if not found and len(others) > _MOST_STRANGERS:
            break
    return found, others


def _files_below(folder: Path, closed: list[Path]) -> Iterator[Path]:
    """Files in a folder and below it; folders that cannot be looked into are put into ``closed``."""
    for parent, folders, names in os.walk(folder, onerror=lambda error: closed.append(Path(error.filename))):
        folders[:] = sorted(name for name in folders if is_seen(name))
        yield from (Path(parent, name) for name in names if is_seen(name))


def _place_in(folder: Path, path: Path) -> list[tuple[int, int, str]]:
    return natural_key(str(path.relative_to(folder)))


def _begins_with_an_element(head: bytes) -> bool:
    if len(head) < 12 or head[:2] not in _FIRST_GROUPS:
        return False
    if head[4:6].isalpha() and head[4:6].isupper():
        return True
    return int.from_bytes(head[4:8], "little") <= _LONGEST_FIRST_ELEMENT


def _says_what_it_is(path: Path) -> bool:
    """Whether a file without a preamble holds the identifier of a kind of object."""
    from pydicom import dcmread

    from .damage import DECODING_ERRORS

    try:
        header = dcmread(path, force=True, stop_before_pixels=True, specific_tags=["SOPClassUID", "Rows"])
    except DECODING_ERRORS:
        return False
    return "SOPClassUID" in header or "Rows" in header

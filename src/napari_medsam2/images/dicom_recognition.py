"""Which files are DICOM, by what is in them: names and suffixes say nothing."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from .listing import IMAGE_SUFFIXES, is_seen, natural_key

#: Where the letters DICM stand in a file with a preamble.
_PREAMBLE = 128

#: Groups that a data set without a preamble can begin with: its file meta information, or its identification.
_FIRST_GROUPS = (b"\x02\x00", b"\x08\x00", b"\x00\x08")

#: The longest first element that is believed: it is a length, a character set or a UID.
_LONGEST_FIRST_ELEMENT = 1 << 10


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

    They are if the folder itself holds as many of them as ordinary pictures, or folders below it hold more of them.
    Links to folders are not followed, hidden files are passed over.
    """
    files = _files_below(folder)
    pictures = [path for path in files if path.name.lower().endswith(IMAGE_SUFFIXES)]
    named_wrongly = bool(pictures) and looks_like_dicom(pictures[0])
    passed = set() if named_wrongly else set(pictures)
    found = [path for path in files if path not in passed and looks_like_dicom(path)]
    if not found:
        return None
    taken = set(found)
    here = sum(path.parent == folder for path in found)
    pictures_here = sum(path.parent == folder and path not in taken for path in pictures)
    if here < pictures_here and not (here == 0 and len(found) > pictures_here):
        return None
    return DicomFolder(tuple(found), tuple(path for path in files if path not in taken))


def _files_below(folder: Path) -> list[Path]:
    files = []
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if is_seen(name)]
        files += [Path(parent, name) for name in names if is_seen(name)]
    regular = [path for path in files if path.is_file()]  # no pipes, no links to nowhere
    return sorted(regular, key=lambda path: natural_key(str(path.relative_to(folder))))


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

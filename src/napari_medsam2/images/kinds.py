"""What a file is, by its first bytes; by its suffix only where they do not say."""

from __future__ import annotations

import stat
from collections.abc import Callable
from dataclasses import dataclass
from gzip import GzipFile
from pathlib import Path
from typing import Literal

from ..errors import FrameError
from .damage import reading
from .dicom_recognition import looks_like_dicom
from .listing import IMAGE_SUFFIXES, PICTURE_SUFFIXES, TIF_LIKE, VOLUME_SUFFIXES

Kind = Literal["tif", "picture", "npy", "npz", "nifti", "nrrd", "zarr", "dicom"]

#: Bytes that are looked at.
_HEAD = 560


@dataclass(frozen=True)
class FileKind:
    """A kind of file that can be read.

    Attributes
    ----------
    kind
        Which reader is made for it.
    suffixes
        What its files are called, for those whose first bytes say nothing.
    looks
        Whether the first bytes are those of such a file.
    """

    kind: Kind
    suffixes: tuple[str, ...]
    looks: Callable[[bytes], bool]


def _starts(*magic: bytes) -> Callable[[bytes], bool]:
    return lambda head: head.startswith(magic)


def _nifti(head: bytes) -> bool:
    return head[344:348] in (b"n+1\0", b"ni1\0") or head[4:8] in (b"n+2\0", b"ni2\0")


def _picture(head: bytes) -> bool:
    known = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"BM", b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51")
    return head.startswith(known) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")


#: The first that fits: DICOM first, since 128 bytes of anything may come before its mark.
KINDS = (
    FileKind("dicom", (".dcm", ".dicom", ".ima"), lambda head: head[128:132] == b"DICM"),
    FileKind("tif", TIF_LIKE, _starts(b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")),
    FileKind("picture", PICTURE_SUFFIXES, _picture),
    FileKind("npy", (".npy",), _starts(b"\x93NUMPY")),
    FileKind("nrrd", (".nrrd", ".nhdr"), _starts(b"NRRD000")),
    FileKind("nifti", (".nii", ".nii.gz", ".hdr", ".img", ".hdr.gz", ".img.gz"), _nifti),
    FileKind("npz", (".npz",), lambda head: False),  # any zip; its name says that it is one of numpy's
    FileKind("zarr", (".zarr.zip", ".ozx"), lambda head: False),  # the same for a zarr in one file
)

#: What cannot be read, by its first bytes: what it is, and what helps.
_EXPORT = "save it as tif with the program that made it, or with Fiji"
_OTHERS: tuple[tuple[int, bytes, str], ...] = (
    (0, b"8BPS", f"a Photoshop file: {_EXPORT}"),
    (0, b"\x89HDF\r\n", f"an HDF5 file: {_EXPORT}"),
    (0, b"ZISRAWFILE", f"a Zeiss CZI file: {_EXPORT}"),
    (0, b"\xda\xce\xbe\x0a", f"a Nikon ND2 file: {_EXPORT}"),
    (0, b"\xd0\xcf\x11\xe0", f"a compound file, such as Olympus OIB: {_EXPORT}"),
    (0, b"%PDF", "a PDF: save its picture as png"),
    (0, b"version https://git-lfs", "a pointer of Git LFS: git lfs pull fetches the file itself"),
    (0, b"<!DOCTYPE", "a web page, perhaps the answer of a server where a file was expected: download it again"),
    (0, b"<html", "a web page, perhaps the answer of a server where a file was expected: download it again"),
    (4, b"ftyp", f"a video or a HEIC photo: {_EXPORT}"),
    (0, b"\x1f\x8b", "compressed with gzip: unpack it first"),
    (0, b"Rar!", "an archive: unpack it first"),
    (0, b"7z\xbc\xaf", "an archive: unpack it first"),
    (0, b"PK\x03\x04", "an archive: unpack it first"),
)

#: A zip may be an npz, and gzip a NIfTI whose first bytes are damaged.
_PACKED = (b"PK\x03\x04", b"\x1f\x8b")


def kind_of(path: Path) -> Kind:
    """What kind of file it is.

    Raises
    ------
    FrameError
        If it is none that can be read, in words; or no file but a named pipe, a device, a link that leads nowhere.
    """
    head = _head(path)
    if looks_like_dicom(path):  # also without the mark
        return "dicom"
    for known in KINDS:
        if known.looks(head):
            return known.kind
    name = path.name.lower()
    fitting = [known.kind for known in KINDS if name.endswith(known.suffixes)]
    told = next((words for at, magic, words in _OTHERS if head[at:].startswith(magic)), None)
    if fitting and (told is None or head.startswith(_PACKED)):
        return fitting[0]
    if told is not None:
        raise FrameError(f"{path.name} cannot be read, it is {told}")
    can = ", ".join((*IMAGE_SUFFIXES, *VOLUME_SUFFIXES, ".npz", ".zarr", ".dcm"))
    raise FrameError(f"{path.name} is not an image that can be read; these can: {can}")


def _head(path: Path) -> bytes:
    """The first bytes, unpacked where they are compressed with gzip and a NIfTI comes out."""
    with reading(path):
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            raise FrameError(f"{path.name} is {_what(mode)}, not a file")
        with path.open("rb") as file:
            head = file.read(_HEAD)
            if not head:
                raise FrameError(f"{path.name} is empty: it has 0 bytes")
            if head.startswith(b"\x1f\x8b") and path.name.lower().endswith(".gz"):
                file.seek(0)
                unpacked = GzipFile(fileobj=file).read(_HEAD)
                return unpacked if _nifti(unpacked) else head
    return head


def _what(mode: int) -> str:
    if stat.S_ISDIR(mode):
        return "a folder"
    if stat.S_ISFIFO(mode):
        return "a named pipe"
    return "a socket" if stat.S_ISSOCK(mode) else "a device"

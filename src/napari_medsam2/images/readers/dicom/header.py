"""What the header of a DICOM file says, read without its pixels, and whether the pixels it promises are there."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Literal

from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import parse_basic_offsets, parse_fragments
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_dataset, read_file_meta_info
from pydicom.pixels.utils import get_expected_length
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from ....errors import FrameError
from ...damage import without_warnings
from .tags import PIXEL_TAGS, TAGS

#: What a deflated file may unpack to: as large as the largest series, and no archive that fills the memory.
MOST_UNPACKED_BYTES = 1 << 30

#: What an index is, in words; in a folder it is passed over.
INDEX = "the index of a disc: open the folder that it is in"

#: What pixel data can be called between its tag and its length; without it the length follows at once.
_REPRESENTATIONS = (b"OB", b"OW", b"OF", b"OD", b"UN")

#: How a deflated file says that it is, within the first bytes.
_DEFLATED, _META_BYTES = DeflatedExplicitVRLittleEndian.encode(), 2048

#: Modalities of what belongs to images and has none.
_WITHOUT_PIXELS = (
    "RTSTRUCT", "RTPLAN", "RTRECORD", "PLAN", "SR", "PR", "KO", "REG", "FID", "RWV", "DOC", "AU", "ECG", "HD",
)  # fmt: skip

_LARGEST_LENGTH = 0xFFFFFFFF


@dataclass(frozen=True, eq=False)
class PixelPlace:
    """Where the pixels of a file are.

    Attributes
    ----------
    keyword
        "PixelData", "FloatPixelData" or "DoubleFloatPixelData".
    start
        Of the value, in bytes from the start of the (unpacked) file.
    representation
        What its value is called, such as "OW": in big endian it says which bytes are swapped.
    n_frames
        How many frames the header declares; there is data for all of them.
    n_spare
        For how many more there is data.
    """

    keyword: str
    start: int
    representation: str
    n_frames: int
    n_spare: int = 0


class NoImageError(FrameError):
    """DICOM without an image in it, such as a report; ``kind`` says what it is."""

    def __init__(self, path: Path, kind: str) -> None:
        super().__init__(f"{path.name} has no image that can be segmented in it: it is {kind}")
        self.kind = kind


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The bytes of a file, unpacked if it is deflated."""
    with path.open("rb") as file:
        deflated = _DEFLATED in file.read(_META_BYTES)
        file.seek(0)
        if deflated and _meta(path).get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
            yield BytesIO(_unpacked(path, file))
        else:
            yield file


def read_header(path: Path, file: BinaryIO) -> Dataset:
    """The elements that this package looks at; the file stands at its pixel data afterwards.

    A data set that does not say how it is encoded gets the transfer syntax it can be read with.
    """
    with without_warnings:  # of values that break the rules: those that matter are checked where they are used
        if isinstance(file, BytesIO):
            header = read_dataset(file, False, True, stop_when=_at_pixels, specific_tags=TAGS)
            header.file_meta = _meta(path)
        else:
            header = dcmread(file, force=True, stop_before_pixels=True, specific_tags=TAGS)
    if "TransferSyntaxUID" not in header.file_meta:
        implicit = header.original_encoding[0]
        header.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    return header


def pixel_place(path: Path, file: BinaryIO, header: Dataset) -> PixelPlace:
    """Where the pixels are, the file standing before them.

    Raises
    ------
    NoImageError
        If there are none.
    FrameError
        If the header declares more than there is; names both numbers.
    """
    syntax = header.file_meta.TransferSyntaxUID
    order: Literal["little", "big"] = "little" if syntax.is_little_endian else "big"
    head = file.read(12)
    tag = (int.from_bytes(head[:2], order) << 16) | int.from_bytes(head[2:4], order)
    if tag not in PIXEL_TAGS or "Rows" not in header or "Columns" not in header:
        kind = kind_of(header)
        if kind not in _WITHOUT_PIXELS and ("Rows" in header or kind.endswith("Image") or not kind):
            raise FrameError(f"{path.name} is truncated: it is {kind or 'of no kind'}, and no pixels are in it")
        raise NoImageError(path, kind)
    implicit = head[4:6] not in _REPRESENTATIONS  # as it is: the transfer syntax may say otherwise
    told = head[4:8] if implicit else head[8:12]
    representation = "OW" if implicit else head[4:6].decode()
    start = file.tell() - (4 if implicit else 0)
    length = int.from_bytes(told, order)
    n_frames = _declared_frames(path, header)
    file.seek(0, 2)
    available = file.tell() - start
    if syntax.is_encapsulated:
        file.seek(start)
        n_spare = max(0, _compressed_frames(path, file, n_frames) - n_frames)
        return PixelPlace(PIXEL_TAGS[tag], start, representation, n_frames, n_spare)
    if length != _LARGEST_LENGTH:
        available = min(available, length)
    expected = get_expected_length(header)
    if available < expected:
        raise FrameError(
            f"{path.name} is truncated, or its header is wrong: it declares {_frames(n_frames)} of {header.Columns} x "
            f"{header.Rows} pixels, which is {expected} bytes, and {available} bytes of pixels are there"
        )
    return PixelPlace(PIXEL_TAGS[tag], start, representation, n_frames, available * n_frames // expected - n_frames)


def kind_of(header: Dataset) -> str:
    """What a DICOM object is, in the words of the standard; empty if it does not say."""
    if header.get("Modality") in _WITHOUT_PIXELS:  # some are written with the class of the images that they belong to
        return str(header.Modality)
    kind = header.get("SOPClassUID")
    named = getattr(kind, "name", "")
    if named == (kind or ""):  # none that is known: the file may have been cut in the middle of it
        named = getattr(header.file_meta.get("MediaStorageSOPClassUID"), "name", named)
    return named.removesuffix(" Storage") or str(header.get("Modality") or "")


def _declared_frames(path: Path, header: Dataset) -> int:
    """The number of frames, its sizes checked."""
    for keyword in ("Rows", "Columns", "BitsAllocated"):
        if not isinstance(header.get(keyword), int) or header.get(keyword) < 1:
            raise FrameError(f"{path.name} declares {keyword} as {header.get(keyword)}, it should be 1 or more")
    declared = header.get("NumberOfFrames")
    n_frames = 1 if declared in (None, "") else int(declared)
    if n_frames < 1:
        raise FrameError(f"{path.name} declares {n_frames} frames, it should be 1 or more")
    header.NumberOfFrames = n_frames
    return n_frames


def _compressed_frames(path: Path, file: BinaryIO, n_frames: int) -> int:
    """How many compressed frames the table of offsets has, if there is one; the pieces are all there."""
    offsets = parse_basic_offsets(file)
    n_pieces, places = parse_fragments(file)
    if places:
        file.seek(places[-1] + 4)
        end = places[-1] + 8 + int.from_bytes(file.read(4), "little")
        held = file.seek(0, 2)
        if held < end:
            raise FrameError(f"{path.name} is truncated: its pixels end at byte {end}, the file at byte {held}")
    if n_pieces < n_frames:
        raise FrameError(
            f"{path.name} is truncated, or its header is wrong: it declares {_frames(n_frames)}, and {n_pieces} "
            "compressed pieces are there"
        )
    return len(offsets)


def _unpacked(path: Path, file: BinaryIO) -> bytes:
    """A deflated file as one that is not: its pixels can only be found in it unpacked."""
    start = 144 + int(_meta(path).FileMetaInformationGroupLength)
    file.seek(start)
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    data = unpacker.decompress(file.read(), MOST_UNPACKED_BYTES)
    if unpacker.unconsumed_tail:
        raise FrameError(
            f"{path.name} unpacks to more than {MOST_UNPACKED_BYTES >> 20} MiB: store it uncompressed, or as frames "
            "that are compressed one by one"
        )
    if not unpacker.eof:
        raise FrameError(f"{path.name} is truncated: its deflated data has no end")
    return data


def _meta(path: Path) -> FileMetaDataset:
    """The file meta information; empty where there is none."""
    with without_warnings:
        try:
            return read_file_meta_info(path)
        except InvalidDicomError:  # without a preamble
            return FileMetaDataset()


def _at_pixels(tag: Any, vr: str | None, length: int) -> bool:
    return tag in PIXEL_TAGS


def _frames(n_frames: int) -> str:
    return "1 frame" if n_frames == 1 else f"{n_frames} frames"

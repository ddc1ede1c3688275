"""DICOM that promises more than it holds, is cut short, or cannot be shown as frames: refused in words."""

from __future__ import annotations

import os
import zlib
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pydicom
import pytest
from dicom_files import SLICES, at, dicom_header, saved, write_compressed, write_frames, write_series, write_slice
from pydicom.uid import DeflatedExplicitVRLittleEndian, RLELossless

from napari_medsam2.errors import FrameError
from napari_medsam2.images.formats import open_images, read_images
from napari_medsam2.images.readers.dicom import header as header_file
from napari_medsam2.images.readers.dicom import pixels as pixels_file


@pytest.mark.parametrize("n_frames", [7, 2**31 - 1])
def test_more_frames_than_there_is_data_for(n_frames: int, tmp_path: Path) -> None:
    path = saved(tmp_path / "s.dcm", dicom_header(SLICES), NumberOfFrames=n_frames)
    with pytest.raises(FrameError, match=rf"declares {n_frames} frames of 10 x 8 pixels.* 960 bytes of pixels"):
        open_images(path)


def test_more_enhanced_frames_than_there_is_data_for(tmp_path: Path) -> None:
    path = write_frames(tmp_path / "e", SLICES, [at(z) for z in range(6)], NumberOfFrames=2**31 - 1)
    with pytest.raises(FrameError, match=r"declares 2147483647 frames"):
        open_images(path)


def test_more_compressed_frames_than_pieces(tmp_path: Path) -> None:
    frames = [imagecodecs.jpegls_encode(plane) for plane in SLICES]
    header = dicom_header(SLICES)
    header.NumberOfFrames = 2**31 - 1
    path = write_compressed(tmp_path / "c", header, frames, "1.2.840.10008.1.2.4.80")
    with pytest.raises(FrameError, match="declares 2147483647 frames, and 6 compressed pieces are there"):
        open_images(path)


@pytest.mark.parametrize(("keyword", "value"), [("Rows", 0), ("Columns", 0), ("BitsAllocated", 0)])
def test_sizes_of_nothing(keyword: str, value: int, tmp_path: Path) -> None:
    path = write_slice(tmp_path / "s.dcm", SLICES[0], **{keyword: value})
    with pytest.raises(FrameError, match=rf"s\.dcm declares {keyword} as 0, it should be 1 or more"):
        open_images(path)


def test_a_size_far_beyond_the_data(tmp_path: Path) -> None:
    path = write_slice(tmp_path / "s.dcm", SLICES[0], Rows=65535, Columns=65535)
    with pytest.raises(FrameError, match="65535 x 65535 pixels, which is 8589672450 bytes, and 160 bytes"):
        open_images(path)


@pytest.mark.parametrize("cut", [1, 100, 170, 700])
@pytest.mark.parametrize("compressed", [True, False])
def test_a_file_that_was_cut(cut: int, compressed: bool, tmp_path: Path) -> None:
    """Also one among whole ones: a slice must not go missing without a word."""
    paths = write_series(tmp_path)
    if compressed:
        header = pydicom.dcmread(paths[4])
        header.compress(RLELossless, generate_instance_uid=False)
        header.save_as(paths[4])
    whole = paths[4].read_bytes()
    paths[4].write_bytes(whole[: -cut - 8 * compressed])  # the mark of the end may be missing
    for path in (paths[4], tmp_path):
        with pytest.raises(FrameError, match=r"a4\.dcm"):
            open_images(path)


@pytest.mark.parametrize("kept", [3, 10, 22])
def test_a_file_that_was_cut_in_the_name_of_its_kind(kept: int, tmp_path: Path) -> None:
    paths = write_series(tmp_path)
    whole = paths[4].read_bytes()
    place = whole.rindex(b"1.2.840.10008.5.1.4.1.1.2")
    paths[4].write_bytes(whole[: place + kept])
    for path in (paths[4], tmp_path):
        with pytest.raises(FrameError, match=r"a4\.dcm"):
            open_images(path)


def test_data_for_more_frames_than_declared_is_told(tmp_path: Path) -> None:
    images = open_images(saved(tmp_path / "s", dicom_header(SLICES), NumberOfFrames=4))
    assert len(images) == 4
    assert images.left_out == ("s declares 4 frames and has pixels for 2 more, not read",)


def test_a_file_that_unpacks_to_more_than_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(header_file, "MOST_UNPACKED_BYTES", 1 << 20)
    path = write_slice(tmp_path / "s", SLICES[0])
    header = pydicom.dcmread(path)
    header.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    header.save_as(path)
    start = 144 + int(pydicom.filereader.read_file_meta_info(path).FileMetaInformationGroupLength)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = packer.compress(zlib.decompress(path.read_bytes()[start:], -15) + b"\0" * (1 << 26)) + packer.flush()
    path.write_bytes(path.read_bytes()[:start] + bomb)
    with pytest.raises(FrameError, match="s unpacks to more than 1 MiB"):
        open_images(path)
    path.write_bytes(path.read_bytes()[: start + 20])
    monkeypatch.undo()
    with pytest.raises(FrameError, match="truncated: its deflated data has no end"):
        open_images(path)


def test_tiles_of_a_whole_slide_are_no_frames(tmp_path: Path) -> None:
    header = dicom_header(SLICES, kind="1.2.840.10008.5.1.4.1.1.77.1.6")
    path = saved(tmp_path / "slide", header, Modality="SM", TotalPixelMatrixColumns=20, TotalPixelMatrixRows=24)
    with pytest.raises(FrameError, match=r"VL Whole Slide Microscopy.* tiles of an image of 20 pixels width"):
        open_images(path)


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 128 + b"DICM", b"\0" * 128 + b"DICMxyz", b"\x08\x00\x05\x00CS\x0a\x00"]
)
def test_hardly_anything(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.dcm").write_bytes(content)
    with pytest.raises(FrameError, match=r"x\.dcm"):
        open_images(tmp_path / "x.dcm")
    with pytest.raises(FrameError):
        open_images(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_pipes_and_links_in_a_circle_are_passed_over(tmp_path: Path) -> None:
    write_series(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    (tmp_path / "circle").symlink_to(tmp_path)
    assert len(open_images(tmp_path)) == 6


def test_a_file_that_vanishes_is_named(tmp_path: Path) -> None:
    images = open_images(write_series(tmp_path)[0].parent)
    (tmp_path / "a2.dcm").unlink()
    with pytest.raises(FrameError, match=r"cannot read a2\.dcm: there is no file"):
        images[2]
    assert images[3].shape == (8, 10)


def test_pixels_wait_until_they_are_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[Any] = []
    real = pixels_file._decoded
    monkeypatch.setattr(pixels_file, "_decoded", lambda *given: decoded.append(given[-1]) or real(*given))
    write_series(tmp_path, np.repeat(SLICES, 10, axis=0))
    told: list[tuple[int, int]] = []
    images = read_images(tmp_path, progress=lambda done, total: told.append((done, total)))
    assert told[0] == (0, 60) and told[-1] == (60, 60) and len(told) < 10
    assert decoded == []
    assert np.asarray(images.data[7]).shape == (8, 10)
    assert len(decoded) == 1


def test_headers_of_a_clip_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []
    real = header_file.read_header
    images = open_images(write_frames(tmp_path / "e", SLICES, [at(z) for z in range(6)]))
    monkeypatch.setattr(pixels_file, "read_header", lambda path, file: read.append(path) or real(path, file))
    for t in range(6):
        np.testing.assert_array_equal(images[t], SLICES[t])
    assert len(read) == 1

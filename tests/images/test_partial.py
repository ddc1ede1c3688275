"""What is left of a file that was cut is read if the user asks for it, and told each time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import nrrd
import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_medsam2.cli.main import main
from napari_medsam2.errors import FrameError
from napari_medsam2.images.formats import open_images

STACK = np.random.default_rng(0).integers(0, 250, (30, 40, 44), dtype=np.uint8)


def _tif(**options: Any) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        tifffile.imwrite(folder / "scan.tif", STACK, photometric="minisblack", **options)
        return folder / "scan.tif"

    return write


def _pages(folder: Path) -> Path:
    with tifffile.TiffWriter(folder / "scan.tif") as tif:
        for plane in STACK:
            tif.write(plane, contiguous=False, compression="lzw", metadata=None)
    return folder / "scan.tif"


def _pillow(folder: Path) -> Path:
    first, *others = (Image.fromarray(plane) for plane in STACK)
    first.save(folder / "scan.tif", save_all=True, append_images=others)
    return folder / "scan.tif"


def _nifti(name: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        nibabel.save(nibabel.Nifti1Image(STACK.T, np.diag([2.0, 2, 3, 1])), folder / name)
        return folder / name

    return write


def _nrrd(encoding: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        nrrd.write(str(folder / "scan.nrrd"), STACK, {"encoding": encoding}, index_order="C")
        return folder / "scan.nrrd"

    return write


WRITERS = {
    "tif in one piece": _tif(),
    "tif of imagej": _tif(imagej=True, metadata={"axes": "ZYX"}),
    "bigtiff": _tif(bigtiff=True),
    "tif, packed": _tif(compression="zlib"),
    "tif, a page after the other": _pages,
    "tif of Pillow": _pillow,
    "nifti": _nifti("scan.nii"),
    "nifti, packed": _nifti("scan.nii.gz"),
    "nrrd": _nrrd("raw"),
    "nrrd, packed": _nrrd("gzip"),
    "nrrd, packed by bzip2": _nrrd("bzip2"),
}


@pytest.mark.parametrize("share", [0.45, 0.8, 0.97])
@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_what_is_left_of_a_cut_file(write: Callable[[Path], Path], share: float, tmp_path: Path) -> None:
    path = write(tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(FrameError):
        open_images(path)
    if write is WRITERS["nrrd, packed by bzip2"]:  # all of it is one block of the packer
        with pytest.raises(FrameError, match=r"scan\.nrrd is truncated, and not even its first frame is whole"):
            open_images(path, partial=True)
        return
    images = open_images(path, partial=True)
    n = len(images.frames)
    assert 0 < n < len(STACK)
    for t in range(n):
        np.testing.assert_array_equal(images.frames[t], STACK[t])
    assert any(path.name in told and str(n) in told for told in images.left_out)


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_a_whole_file_is_opened_as_ever(write: Callable[[Path], Path], tmp_path: Path) -> None:
    path = write(tmp_path)
    whole, partial = open_images(path), open_images(path, partial=True)
    assert partial.axes == whole.axes and partial.left_out == whole.left_out and len(partial.frames) == 30
    np.testing.assert_array_equal(partial.frames[29], STACK[29])


def test_most_of_what_is_there_is_read(tmp_path: Path) -> None:
    for name in ("tif in one piece", "tif of imagej", "tif of Pillow", "nifti", "nrrd", "nrrd, packed"):
        path = WRITERS[name](tmp_path)
        content = path.read_bytes()
        path.write_bytes(content[: int(0.8 * len(content))])
        assert len(open_images(path, partial=True).frames) >= 22, name


def test_a_folder_with_damaged_files(tmp_path: Path) -> None:
    for t in range(4):
        Image.fromarray(STACK[t]).save(tmp_path / f"{t}.png")
    (tmp_path / "2.png").write_bytes((tmp_path / "2.png").read_bytes()[:300])
    images = open_images(tmp_path, partial=True)
    assert [images.frames.name(t) for t in range(3)] == ["0.png", "1.png", "3.png"] and len(images.frames) == 3
    assert images.left_out == ("left out because they are damaged: 2.png",)
    for t in range(4):
        (tmp_path / f"{t}.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(FrameError, match="none of the 4 images can be read"):
        open_images(tmp_path, partial=True)


def test_the_command_says_it_each_time(tmp_path: Path, blobs: list[dict[str, Any]], capsys: Any) -> None:
    path = WRITERS["tif in one piece"](tmp_path)
    path.write_bytes(path.read_bytes()[:-5000])
    out = tmp_path / "labels.tif"
    words = ["segment", str(path), "--mode", "stack", "--box", "2,3,3,30,30", "-o", str(out)]
    assert main(words) == 2 and not out.exists()
    assert main([*words, "--partial"]) == 0
    assert "Read in part: 29 whole planes" in capsys.readouterr().err
    assert tifffile.imread(out).shape == (29, 40, 44)


@pytest.mark.timeout(30)
def test_pages_in_a_circle_come_to_an_end(tmp_path: Path) -> None:
    path = WRITERS["tif, a page after the other"](tmp_path)
    with tifffile.TiffFile(path) as tif:
        offset, first = tif.pages[4].offset, tif.pages[0].offset
    content = bytearray(path.read_bytes())
    n_tags = int.from_bytes(content[offset : offset + 2], "little")
    content[offset + 2 + 12 * n_tags : offset + 6 + 12 * n_tags] = first.to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(FrameError, match="circle"):
        open_images(path)
    assert len(open_images(path, partial=True).frames) == 5

"""A tif that was cut, or whose header promises more than it holds, never opens as a shorter one."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_medsam2.errors import FrameError
from napari_medsam2.images.formats import open_images

STACK = np.random.default_rng(0).integers(0, 255, (12, 24, 32), dtype=np.uint8)


def by_tifffile(**options: Any) -> Callable[[Path], None]:
    given = {"photometric": "minisblack", **options}
    return lambda path: tifffile.imwrite(path, STACK, **given)


def by_pillow(compression: str | None) -> Callable[[Path], None]:
    first, *others = (Image.fromarray(page) for page in STACK)
    return lambda path: first.save(path, save_all=True, append_images=others, compression=compression)


ZYX = {"axes": "ZYX"}
WRITERS = {
    "raw": by_tifffile(),
    "raw without metadata": by_tifffile(metadata=None),
    "zlib": by_tifffile(compression="zlib"),
    "zlib without metadata": by_tifffile(compression="zlib", metadata=None),
    "zstd tiles": by_tifffile(compression="zstd", tile=(16, 16)),
    "jpeg": by_tifffile(compression="jpeg", metadata=None),
    "BigTIFF": by_tifffile(bigtiff=True),
    "BigTIFF, zlib": by_tifffile(bigtiff=True, compression="zlib"),
    "ImageJ": by_tifffile(imagej=True, metadata=ZYX),
    "ImageJ, zlib": by_tifffile(imagej=True, compression="zlib", metadata=ZYX),
    "OME": by_tifffile(ome=True, metadata=ZYX),
    "OME, zlib": by_tifffile(ome=True, compression="zlib", metadata=ZYX),
    "Pillow": by_pillow(None),
    "Pillow, LZW": by_pillow("tiff_lzw"),
    "Pillow, deflate": by_pillow("tiff_adobe_deflate"),
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_cut_stack_is_refused_when_it_is_opened(name: str, tmp_path: Path) -> None:
    path = tmp_path / "scan.tif"
    WRITERS[name](path)
    whole = path.read_bytes()
    expected = tifffile.imread(path)
    for kept in (0.001, 0.1, 0.3, 0.5, 0.7, 0.9, 0.97, 0.99, 0.995):
        path.write_bytes(whole[: max(1, int(kept * len(whole)))])
        with pytest.raises(FrameError, match=r"scan\.tif"):
            open_images(path)
    path.write_bytes(whole[:-1])  # a byte of padding may be all that is lost
    try:
        frames = open_images(path).frames[:]
    except FrameError:
        return
    np.testing.assert_array_equal(np.stack(frames), expected)


def replaced(path: Path, *changes: tuple[bytes, bytes]) -> None:
    content = path.read_bytes()
    for old, new in changes:
        assert content.count(old) == 1 and len(old) == len(new)
        content = content.replace(old, new)
    path.write_bytes(content)


LIES = {
    "images": [(b"images=2", b"images=9")],
    "slices": [(b"slices=2", b"slices=9")],
    "images and slices": [(b"images=2", b"images=9"), (b"slices=2", b"slices=9")],
    "no images": [(b"images=2", b"images=0")],
}


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("lie", LIES)
def test_an_imagej_header_that_says_other_than_is_there(lie: str, compression: str | None, tmp_path: Path) -> None:
    path = tmp_path / "scan.tif"
    tifffile.imwrite(path, STACK[:2], imagej=True, compression=compression, metadata=ZYX)
    assert len(open_images(path).frames) == 2
    replaced(path, *LIES[lie])
    if lie == "no images":  # is not counted on: the slices say it
        assert len(open_images(path).frames) == 2
        return
    with pytest.raises(FrameError, match=r"declares 9 .*holds 2"):
        open_images(path)


def test_the_shape_that_tifffile_noted_is_compared_with_the_pages(tmp_path: Path) -> None:
    path = tmp_path / "scan.tif"
    for compression in (None, "zlib"):
        tifffile.imwrite(path, STACK, photometric="minisblack", compression=compression)
        replaced(path, (b'{"shape": [12, ', b'{"shape": [14, '))
        with pytest.raises(FrameError, match=r"declares 14 .*(holds 12|holds 1 )|truncated"):
            open_images(path)


def test_pages_in_a_circle(tmp_path: Path) -> None:
    path = tmp_path / "scan.tif"
    tifffile.imwrite(path, STACK, photometric="minisblack", metadata=None)
    with tifffile.TiffFile(path) as tif:
        first, last = tif.pages[0].offset, tif.pages[-1].offset
    content = bytearray(path.read_bytes())
    (n_tags,) = struct.unpack_from("<H", content, last)
    struct.pack_into("<I", content, last + 2 + 12 * n_tags, first)
    path.write_bytes(content)
    with pytest.raises(FrameError, match="its pages go in a circle after 12"):
        open_images(path)


def test_a_file_that_is_written_anew_while_it_is_open_is_not_read_at_the_old_places(tmp_path: Path) -> None:
    path = tmp_path / "scan.tif"
    for compression in (None, "zlib"):
        tifffile.imwrite(path, STACK, photometric="minisblack", compression=compression)
        frames = open_images(path).frames
        np.testing.assert_array_equal(frames[3], STACK[3])
        tifffile.imwrite(path, STACK[:, ::2], photometric="minisblack", compression=compression)
        with pytest.raises(FrameError, match=r"scan\.tif has changed since it was opened"):
            frames[4]
        path.unlink()
        with pytest.raises(FrameError, match=r"there is no file .*scan\.tif"):
            frames[4]


def test_a_page_that_declares_more_than_its_bytes_can_hold_is_not_decoded(tmp_path: Path) -> None:
    path = tmp_path / "scan.tif"
    tifffile.imwrite(path, STACK[0], photometric="minisblack", compression="zlib", metadata=None)
    with tifffile.TiffFile(path, mode="r+") as tif:
        for name in ("ImageLength", "ImageWidth", "RowsPerStrip"):
            tif.pages[0].tags[name].overwrite(60_000)  # type: ignore[union-attr, index]
    with pytest.raises(FrameError, match=r"scan\.tif declares 60000 x 60000 pixels, 3\.4 GB, and has"):
        open_images(path).frames[0]


@pytest.mark.parametrize("compression", ["zlib", "lzw", "packbits", "zstd", "jpeg"])
@pytest.mark.parametrize("names", [("ImageLength",), ("ImageLength", "RowsPerStrip"), ("ImageWidth",)])
def test_rows_and_columns_that_are_declared_and_not_there(
    names: tuple[str, ...], compression: str, tmp_path: Path
) -> None:
    path = tmp_path / "scan.tif"
    tifffile.imwrite(path, STACK[0], photometric="minisblack", compression=compression, metadata=None)
    with tifffile.TiffFile(path, mode="r+") as tif:
        for name in names:
            tif.pages[0].tags[name].overwrite(40)  # type: ignore[union-attr, index]
    with pytest.raises(FrameError, match=r"scan\.tif"):
        open_images(path).frames[0]

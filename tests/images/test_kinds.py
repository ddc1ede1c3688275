"""What a file is, its content says; what cannot be a file of pixels is refused at once and in words."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_medsam2.errors import FrameError
from napari_medsam2.images.formats import as_frames, open_images

PIXELS = np.random.default_rng(0).integers(0, 255, (8, 9), dtype=np.uint8)


def png(path: Path, pixels: np.ndarray = PIXELS) -> None:
    Image.fromarray(pixels).save(path, format="PNG")


@pytest.mark.parametrize(
    "name", ["a.tif", "a.jpg", "a.npy", "a.dcm", "a.nii", "a", "a.txt", "a.PNG", "a b\nc é 図.png"]
)
def test_a_png_under_any_name(name: str, tmp_path: Path) -> None:
    png(tmp_path / name)
    np.testing.assert_array_equal(open_images(tmp_path / name).frames[0], PIXELS)


@pytest.mark.parametrize("name", ["a.png", "a.npy", "a.lsm", "a"])
def test_a_tif_under_any_name(name: str, tmp_path: Path) -> None:
    with (tmp_path / name).open("wb") as file:
        tifffile.imwrite(file, np.stack([PIXELS] * 3), photometric="minisblack")
    assert len(open_images(tmp_path / name).frames) == 3


def test_an_npy_under_another_name(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", PIXELS)
    (tmp_path / "a.npy").rename(tmp_path / "b.tif")
    np.testing.assert_array_equal(open_images(tmp_path / "b.tif").frames[0], PIXELS)


def test_files_of_a_folder_are_what_their_content_says(tmp_path: Path) -> None:
    png(tmp_path / "a1.tif")
    tifffile.imwrite(tmp_path / "b.tif", PIXELS)
    (tmp_path / "b.tif").rename(tmp_path / "a2.png")
    frames = as_frames(tmp_path)
    for t in range(2):
        np.testing.assert_array_equal(frames[t], PIXELS)
        assert frames.shape(t) == PIXELS.shape


NOT_READ = {
    "a.png": (b"", "a.png is empty: it has 0 bytes"),
    "a.tif": (b"", "a.tif is empty: it has 0 bytes"),
    "b.tif": (b"8BPS\0\1" + b"\0" * 50, "a Photoshop file: save it as tif"),
    "c.tif": (b"version https://git-lfs.github.com/spec/v1\noid sha256:1", "a pointer of Git LFS"),
    "d.png": (b"<!DOCTYPE html><html>", "a web page"),
    "e.czi": (b"ZISRAWFILE" + b"\0" * 50, "a Zeiss CZI file"),
    "f.h5": (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    "g.mp4": (b"\0\0\0\x18ftypmp42", "a video"),
    "h.zip": (b"PK\x03\x04", "an archive: unpack it first"),
    "i.txt": (b"words", "is not an image that can be read; these can: .tif"),
    "j.png": (b"words", "cannot read j.png: it is truncated, damaged or of another format"),
    "k.tif": (b"II*\0", "cannot read k.tif: it is truncated, damaged or of another format"),
}


@pytest.mark.parametrize("name", NOT_READ)
def test_what_cannot_be_read_is_named_with_what_helps(name: str, tmp_path: Path) -> None:
    content, words = NOT_READ[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FrameError) as told:
        open_images(tmp_path / name)
    assert words in str(told.value) and name in str(told.value)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
@pytest.mark.timeout(20)
def test_pipes_devices_and_sockets_are_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(FrameError, match=r"pipe\.png is a named pipe"):
        open_images(tmp_path / "pipe.png")
    with pytest.raises(FrameError, match="is a device"):
        open_images("/dev/zero")
    with socket.socket(socket.AF_UNIX) as listening:
        monkeypatch.chdir(tmp_path)  # names of sockets are short
        listening.bind("s.png")
        with pytest.raises(FrameError, match=r"s\.png is a socket"):
            open_images("s.png")
    png(tmp_path / "a.png")
    assert len(as_frames(tmp_path)) == 1  # they are no images of a folder either


def test_links_that_lead_nowhere_or_in_a_circle(tmp_path: Path) -> None:
    (tmp_path / "gone.png").symlink_to(tmp_path / "missing.png")
    (tmp_path / "a.png").symlink_to(tmp_path / "b.png")
    (tmp_path / "b.png").symlink_to(tmp_path / "a.png")
    (tmp_path / "folder").symlink_to(tmp_path / "folder")
    for name in ("gone.png", "a.png", "folder"):
        with pytest.raises(FrameError, match="is a link that leads nowhere, or in a circle"):
            open_images(tmp_path / name)
    png(tmp_path / "real.png")
    (tmp_path / "link.png").symlink_to(tmp_path / "real.png")
    assert len(as_frames(tmp_path)) == 2


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read anything")
def test_what_may_not_be_read_says_so(tmp_path: Path) -> None:
    for name in ("a.png", "a.tif"):
        png(tmp_path / name)
        (tmp_path / name).chmod(0)
        with pytest.raises(FrameError, match="you have no permission to read it"):
            open_images(tmp_path / name)


@pytest.mark.parametrize("name", ["x" * 300 + ".png", "a\0b.png", "missing.png"])
def test_names_that_no_file_can_have(name: str, tmp_path: Path) -> None:
    with pytest.raises(FrameError):
        open_images(tmp_path / name)


ARRAYS = {
    "complex": PIXELS.astype(complex),
    "words": PIXELS.astype(str),
    "a table": np.zeros((8, 9), [("a", "f4")]),
    "dates": PIXELS.astype("M8[s]"),
    "objects": PIXELS.astype(object),
    "a row": PIXELS[0],
    "a number": PIXELS[0, 0],
    "nothing": PIXELS[:0],
    "no frames": np.zeros((0, 8, 9)),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_an_npy_that_holds_no_image_is_named(name: str, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", ARRAYS[name], allow_pickle=True)
    with pytest.raises(FrameError, match=r"a\.npy"):
        open_images(tmp_path / "a.npy")
    with pytest.raises(FrameError, match=r"a\.npy"):
        as_frames([tmp_path / "a.npy"])[0]


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [">f4", "<u2", "?", "f2"])
def test_an_npy_in_any_order_of_axes_and_bytes(dtype: str, order: str, tmp_path: Path) -> None:
    stack = np.stack([PIXELS, PIXELS // 2]).astype(dtype)
    np.save(tmp_path / "a.npy", np.asarray(stack, order=order))  # type: ignore[call-overload]
    np.testing.assert_array_equal(open_images(tmp_path / "a.npy").frames[1], stack[1])

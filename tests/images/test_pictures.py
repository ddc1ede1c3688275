"""Pictures are upright, keep their depth, and are decoded only if there is room for them."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
from PIL import Image, ImageOps

from napari_medsam2.errors import FrameError
from napari_medsam2.images import budget
from napari_medsam2.images.formats import as_frames, open_images
from napari_medsam2.images.readers.single import image_header

RGB = np.random.default_rng(0).integers(0, 255, (20, 30, 3), dtype=np.uint8)
DEEP = np.random.default_rng(1).integers(0, 65535, (20, 30, 4), dtype=np.uint16)


def check(path: Path, expected: np.ndarray) -> None:
    """The pixels, and a header that says the same of them before they are decoded."""
    images, header = open_images(path), image_header(path)
    np.testing.assert_array_equal(images.frames[0], expected)
    assert (header.shape, header.dtype, header.colour) == (expected.shape[:2], expected.dtype, expected.ndim == 3)
    assert images.data.shape == expected.shape and images.data.dtype == expected.dtype


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_upright_in_any_of_the_eight_orientations(orientation: int, suffix: str, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    options: dict[str, Any] = {"lossless": True} if suffix == "webp" else {}
    Image.fromarray(RGB).save(tmp_path / f"p.{suffix}", exif=exif, **options)
    with Image.open(tmp_path / f"p.{suffix}") as image:
        check(tmp_path / f"p.{suffix}", np.asarray(ImageOps.exif_transpose(image)))


def test_an_orientation_behind_the_pixels_of_a_png(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(RGB).save(tmp_path / "p.png", exif=exif)
    content = (tmp_path / "p.png").read_bytes()
    start = content.index(b"eXIf") - 4
    end = start + 12 + struct.unpack_from(">I", content, start)[0]
    last = content.rindex(b"IEND") - 4
    (tmp_path / "p.png").write_bytes(content[:start] + content[end:last] + content[start:end] + content[last:])
    check(tmp_path / "p.png", np.rot90(RGB, -1))


@pytest.mark.parametrize("n", [1, 3, 4])
def test_a_png_of_16_bits_keeps_them(n: int, tmp_path: Path) -> None:
    pixels = np.ascontiguousarray(DEEP[..., 0] if n == 1 else DEEP[..., :n])
    (tmp_path / "p.png").write_bytes(imagecodecs.png_encode(pixels))
    check(tmp_path / "p.png", pixels)


def test_jpeg_and_jpeg_2000_keep_more_than_8_bits(tmp_path: Path) -> None:
    twelve = np.ascontiguousarray(DEEP[..., 0] >> 4)
    content = imagecodecs.jpeg8_encode(twelve, bitspersample=12)
    (tmp_path / "p.jpg").write_bytes(content)
    check(tmp_path / "p.jpg", imagecodecs.jpeg_decode(content))
    for kept in (0.3, 0.9, 0.99):
        (tmp_path / "cut.jpg").write_bytes(content[: int(kept * len(content))])
        with pytest.raises(FrameError, match=r"cut\.jpg"):
            open_images(tmp_path / "cut.jpg").frames[0]
    for suffix, pixels in (("jp2", np.ascontiguousarray(DEEP[..., :3])), ("j2k", twelve), ("jp2", RGB)):
        path = tmp_path / f"p.{suffix}"
        path.write_bytes(imagecodecs.jpeg2k_encode(pixels, level=0, codecformat=suffix))
        check(path, pixels)


#: What Pillow writes as what.
MODES = {
    "png": "1 L LA P RGB RGBA",
    "jpg": "1 L RGB CMYK YCbCr",
    "gif": "1 L LA P RGB RGBA",
    "bmp": "1 L P RGB RGBA",
    "webp": "L LA P PA RGB RGBA CMYK",
    "jp2": "L LA RGB RGBA CMYK YCbCr",
}


@pytest.mark.parametrize(("suffix", "mode"), [(suffix, mode) for suffix in MODES for mode in MODES[suffix].split()])
def test_every_mode_of_pillow(suffix: str, mode: str, tmp_path: Path) -> None:
    path = tmp_path / f"p.{suffix}"
    Image.fromarray(RGB).convert("L" if mode == "PA" else "RGB").convert(mode).save(path)
    with Image.open(path) as image:
        grey = "L" if image.mode == "LA" else image.mode
        check(path, np.asarray(image.convert({"P": "RGB", "CMYK": "RGB", "YCbCr": "RGB"}.get(image.mode, grey))))


@pytest.mark.parametrize("suffix", ["png", "webp", "gif"])
def test_an_animation_is_a_stack_and_no_frame_of_a_folder(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"p.{suffix}"
    frames = [np.full((9, 8, 3), 40 * t, np.uint8) for t in range(4)]
    first, *others = (Image.fromarray(frame) for frame in frames)
    options: dict[str, Any] = {"lossless": True} if suffix == "webp" else {}
    first.save(path, save_all=True, append_images=others, **options)
    images = open_images(path)
    assert images.mode == "stack"
    for t in (3, 0, 2, 1):
        np.testing.assert_array_equal(images.frames[t], frames[t])
    with pytest.raises(FrameError, match="has 4 frames; in a folder every file is one frame"):
        as_frames([path])[0]


def png_without_pixels(width: int, height: int) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def test_a_png_that_declares_more_pixels_than_it_can_hold_is_not_decoded(tmp_path: Path) -> None:
    (tmp_path / "p.png").write_bytes(png_without_pixels(60_000, 60_000))
    with pytest.raises(FrameError, match=r"p\.png declares 60000 x 60000 pixels, 3\.4 GB, and has \d+ bytes"):
        open_images(tmp_path / "p.png").frames[0]


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "gif", "bmp", "jp2"])
def test_a_picture_larger_than_the_memory_that_is_free_is_not_decoded(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(RGB).save(tmp_path / f"p.{suffix}")
    monkeypatch.setattr(budget, "free_memory", lambda: 1000)
    with pytest.raises(FrameError, match=r"declares 30 x 20 pixels, which need .* 1000 bytes are free"):
        open_images(tmp_path / f"p.{suffix}").frames[0]


def test_the_memory_of_a_container_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "_CONTAINER", tmp_path)
    whole = budget.free_memory()
    (tmp_path / "memory.current").write_text("1000\n")
    (tmp_path / "memory.stat").write_text("anon 500\ninactive_file 200\nactive_file 100\n")
    (tmp_path / "memory.max").write_text("max\n")
    assert abs(budget.free_memory() - whole) < whole / 2
    (tmp_path / "memory.max").write_text("5000\n")
    assert budget.free_memory() == 4300


def test_a_header_that_promises_another_shape_than_comes_out(tmp_path: Path) -> None:
    content = bytearray(imagecodecs.jpeg8_encode(np.ascontiguousarray(DEEP[..., 0] >> 4), bitspersample=12))
    start = content.index(b"\xff\xc1")  # bits, height, width and the number of colours follow
    content[start + 9] = 3
    (tmp_path / "p.jpg").write_bytes(content)
    with pytest.raises(FrameError, match=r"p\.jpg"):
        open_images(tmp_path / "p.jpg").frames[0]


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "gif", "bmp", "jp2"])
@pytest.mark.parametrize("kept", [0.3, 0.6, 0.9])
def test_a_cut_picture_is_refused(kept: float, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"p.{suffix}"
    Image.fromarray(RGB).save(path)
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    with pytest.raises(FrameError, match=rf"p\.{suffix}"):
        open_images(path).frames[0]

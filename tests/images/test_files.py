"""Image files and folders of them are opened as frames; a file that cannot be read is named, and spares the others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_medsam2.errors import FrameError
from napari_medsam2.images.contrast import estimate
from napari_medsam2.images.formats import as_frames, open_images
from napari_medsam2.images.listing import natural_key

STACK = np.arange(5 * 8 * 9, dtype=np.uint16).reshape(5, 8, 9)


def save_png(path: Path, array: np.ndarray) -> None:
    Image.fromarray(array).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_png(tmp_path / "img10.png", np.random.default_rng(0).integers(0, 255, (80, 90), dtype=np.uint8))
    save_png(tmp_path / "img2.png", np.full((6, 7, 3), 2, np.uint8))
    tifffile.imwrite(tmp_path / "img3.TIF", np.full((5, 4), 4095, np.uint16))
    Image.fromarray(np.full((5, 5), 7, np.uint8)).save(tmp_path / "img11.jpg")
    np.save(tmp_path / "img12.npy", np.full((3, 3), -1.5))
    (tmp_path / ".hidden.png").write_bytes(b"x")
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "sub").mkdir()
    return tmp_path


def test_a_folder_in_natural_order_without_what_is_no_image(folder: Path) -> None:
    frames = as_frames(folder)
    assert [frames.name(t) for t in range(len(frames))] == [
        "img2.png", "img3.TIF", "img10.png", "img11.jpg", "img12.npy"
    ]  # fmt: skip
    assert open_images(folder).left_out == (
        "sub-folders that are not looked into: sub", "skipped beside the images: notes.txt"
    )  # fmt: skip
    assert [frames.shape(t) for t in range(5)] == [(6, 7), (5, 4), (80, 90), (5, 5), (3, 3)]
    assert [frame.shape[:2] for frame in frames] == [frames.shape(t) for t in range(5)]
    assert frames[1].dtype == np.uint16
    assert frames[1].max() == 4095
    assert frames.describe() == "5 image files, the first of 7 x 6 pixels"
    assert len(as_frames([folder / "img10.png", str(folder / "img2.png")])) == 2
    assert len(as_frames(folder / "img10.png")) == 1


def test_any_digit_can_be_in_a_name() -> None:
    names = ["10 µm² b.tif", "5²3.tif", "9 µm².tif"]
    assert sorted(names, key=natural_key) == ["5²3.tif", "9 µm².tif", "10 µm² b.tif"]


def test_a_folder_without_images(tmp_path: Path) -> None:
    with pytest.raises(FrameError, match="it is empty"):
        as_frames(tmp_path)
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(FrameError, match=r"holds 1 other entries; images are \.tif"):
        as_frames(tmp_path)
    with pytest.raises(FrameError, match=r"a\.txt is not an image"):
        as_frames(tmp_path / "a.txt")


@pytest.mark.parametrize("name", ["img10.png", "img3.TIF", "img11.jpg", "img12.npy"])
@pytest.mark.parametrize("kept", [0, 12, 0.8])
def test_a_damaged_file_is_named_when_it_is_read_and_spares_the_others(folder: Path, name: str, kept: float) -> None:
    file = folder / name
    content = file.read_bytes()
    file.write_bytes(content[: int(kept * len(content)) if kept < 1 else int(kept)])
    frames = as_frames(folder)
    for t in range(len(frames)):
        if frames.name(t) == name:
            with pytest.raises(FrameError, match=name.replace(".", r"\.")):
                frames[t]
        else:
            assert frames[t].size
    assert estimate(frames).contrast is not None


@pytest.mark.parametrize(
    "options",
    [{}, {"compression": "zlib"}, {"metadata": {"axes": "ZYX"}}, {"imagej": True, "metadata": {"axes": "ZYX"}}],
)
def test_a_tif_with_pages_is_a_stack(tmp_path: Path, options: dict[str, Any]) -> None:
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, STACK, **options)
    frames = as_frames(path)
    assert len(frames) == 5
    assert frames.shape(0) == (8, 9)
    for t in range(5):
        np.testing.assert_array_equal(frames[t], STACK[t])


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_colour_tif_keeps_its_colours_last(tmp_path: Path, compression: str | None) -> None:
    colours = np.random.default_rng(0).integers(0, 255, (4, 8, 9, 3), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "stack.tif", colours, photometric="rgb", compression=compression)
    np.testing.assert_array_equal(as_frames(tmp_path / "stack.tif")[2], colours[2])
    planar = np.moveaxis(colours[0], -1, 0)
    tifffile.imwrite(
        tmp_path / "planar.tif", planar, photometric="rgb", planarconfig="separate", compression=compression
    )
    frames = as_frames(tmp_path / "planar.tif")
    assert len(frames) == 1
    np.testing.assert_array_equal(frames[0], colours[0])


def test_a_tif_compressed_with_lzw_needs_nothing_more(tmp_path: Path) -> None:
    Image.fromarray(STACK[0].astype(np.uint8)).save(tmp_path / "lzw.tif", compression="tiff_lzw")
    np.testing.assert_array_equal(as_frames(tmp_path / "lzw.tif")[0], STACK[0].astype(np.uint8))


def test_a_tif_with_too_many_axes_says_which(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "hyper.tif", np.zeros((2, 3, 8, 9), np.uint8), metadata={"axes": "TZYX"}, ome=True)
    with pytest.raises(FrameError, match="t=2, z=3"):
        as_frames(tmp_path / "hyper.tif")


def test_a_tif_of_several_images_is_refused_and_one_with_a_thumbnail_is_not(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "several.tif") as tif:
        for size in (40, 50, 60):
            tif.write(np.zeros((size, size), np.uint8), photometric="minisblack")
    with pytest.raises(FrameError, match=r"3 images that are not frames of one sequence: 0 \(40 x 40\), 1"):
        as_frames(tmp_path / "several.tif")
    with tifffile.TiffWriter(tmp_path / "slide.tif") as tif:
        tif.write(np.zeros((40, 40), np.uint8), photometric="minisblack")
        tif.write(np.zeros((10, 10), np.uint8), photometric="minisblack", subfiletype=1)
    assert as_frames(tmp_path / "slide.tif").shape(0) == (40, 40)


def test_a_stack_among_single_images_is_refused_by_name(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "stack.tif", STACK, photometric="minisblack")
    frames = as_frames([tmp_path / "stack.tif"])
    with pytest.raises(FrameError, match=r"stack\.tif has 5 pages"):
        frames[0]


def test_an_npy_is_not_read_into_memory(tmp_path: Path) -> None:
    np.save(tmp_path / "stack.npy", STACK)
    frame = as_frames(tmp_path / "stack.npy")[1]
    np.testing.assert_array_equal(frame, STACK[1])
    assert not frame.flags.owndata


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("axis", [0, 1, 2, -1, -3])
def test_frames_of_a_tif_follow_the_axis_asked_for(axis: int, compression: str | None, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "stack.tif", STACK, compression=compression, photometric="minisblack")
    frames = as_frames(tmp_path / "stack.tif", axis=axis)
    assert len(frames) == STACK.shape[axis]
    np.testing.assert_array_equal(frames[3], np.take(STACK, 3, axis=axis))
    with pytest.raises(FrameError, match="axis must be one of"):
        as_frames(tmp_path / "stack.tif", axis=3)
    with pytest.raises(FrameError, match="no axis to choose; got axis 1"):
        as_frames(tmp_path, axis=1)


@pytest.mark.parametrize(("leading", "metadata"), [((), None), ((), {}), ((5,), {})])
def test_colours_that_were_written_as_grey_are_no_pages_of_three_pixels(leading, metadata, tmp_path):
    pictures = np.random.default_rng(0).integers(0, 255, (*leading, 20, 30, 3), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", pictures, photometric="minisblack", metadata=metadata)
    images = open_images(tmp_path / "a.tif")
    np.testing.assert_array_equal(images[-1], pictures[-1] if leading else pictures)
    assert len(images) == (5 if leading else 1) and "colours" in images.left_out[-1]

"""A folder is its images, one a frame; what else is in it is told, and never mixed among them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_medsam2.errors import FrameError
from napari_medsam2.images import listing
from napari_medsam2.images.formats import open_images
from napari_medsam2.images.readers import folder as folder_reader

PIXELS = np.random.default_rng(0).integers(0, 255, (8, 9), dtype=np.uint8)


def png(path: Path) -> None:
    Image.fromarray(PIXELS).save(path)


def names(path: Path) -> list[str]:
    frames = open_images(path).frames
    return [frames.name(t) for t in range(len(frames))]


@pytest.fixture
def images(tmp_path: Path) -> Path:
    path = tmp_path / "cells"
    path.mkdir()
    for t in (1, 2, 10):
        png(path / f"img{t}.png")
    return path


def test_what_systems_leave_in_folders_is_passed_over(images: Path) -> None:
    for name in (".DS_Store", "Thumbs.db", "desktop.ini", "._img1.png", ".hidden.tif"):
        (images / name).write_bytes(b"x")
    (images / "__MACOSX").mkdir()
    assert open_images(images).left_out == ()
    assert names(images) == ["img1.png", "img2.png", "img10.png"]


@pytest.mark.parametrize("label", ["img2_labels.tif", "img2_mask.png", "cells_labels.tif", "img10_seg.ome.tif"])
def test_labels_that_lie_beside_their_images_are_no_frames(label: str, images: Path) -> None:
    tifffile.imwrite(images / "labels.tif", np.zeros((3, 8, 9), np.uint8), photometric="minisblack")
    (images / "labels.tif").rename(images / label)
    assert names(images) == ["img1.png", "img2.png", "img10.png"]
    assert open_images(images).left_out == (f"left out as labels of images beside them: {label}",)


def test_a_name_that_ends_like_labels_without_their_image_is_an_image(images: Path) -> None:
    png(images / "img7_labels.png")
    assert "img7_labels.png" in names(images)


def test_a_folder_of_labels_alone_is_opened(tmp_path: Path) -> None:
    for t in range(2):
        png(tmp_path / f"img{t}_labels.png")
    assert len(names(tmp_path)) == 2


def test_the_rest_is_told_by_kind(images: Path) -> None:
    (images / "more").mkdir()
    (images / "scan.nii.gz").write_bytes(b"x")
    (images / "notes.txt").write_text("x")
    assert open_images(images).left_out == (
        "left out, each being a volume to be opened by itself: scan.nii.gz",
        "sub-folders that are not looked into: more",
        "skipped beside the images: notes.txt",
    )


def volumes(path: Path) -> None:
    for name in ("a.nii.gz", "b.nrrd"):
        (path / name).write_bytes(b"x")


def sub_folders(path: Path) -> None:
    for name in ("day1", "day2"):
        (path / name).mkdir()
        png(path / name / "a.png")


EMPTY: dict[str, tuple[Callable[[Path], object], str]] = {
    "volumes": (volumes, r"holds volumes, each an image by itself: open one of a\.nii\.gz, b\.nrrd"),
    "sub-folders": (sub_folders, "open one of its sub-folders, such as day1, day2"),
    "other files": (lambda path: (path / "a.txt").write_text("x"), "it holds 1 other entries; images are"),
    "nothing": (lambda path: None, "it is empty"),
    "hidden files": (lambda path: (path / ".a.png").write_text("x"), "it is empty"),
}


@pytest.mark.parametrize("name", EMPTY)
def test_a_folder_without_images_says_what_may_be_opened(name: str, tmp_path: Path) -> None:
    fill, words = EMPTY[name]
    fill(tmp_path)
    with pytest.raises(FrameError, match=words):
        open_images(tmp_path)


def test_images_of_every_suffix_are_frames(tmp_path: Path) -> None:
    for suffix in ("png", "jpg", "jpeg", "bmp", "gif", "webp", "jp2", "tif", "TIFF"):
        png(tmp_path / f"a.{suffix}")
    np.save(tmp_path / "a.npy", PIXELS)
    frames = open_images(tmp_path).frames
    assert len(frames) == 10
    assert {frame.shape[:2] for frame in frames} == {PIXELS.shape}


def test_files_that_vanish_are_named_and_new_ones_wait_for_the_next_time(images: Path) -> None:
    frames = open_images(images).frames
    (images / "img2.png").unlink()
    png(images / "img3.png")
    assert len(frames) == 3
    with pytest.raises(FrameError, match=r"cannot read img2\.png: there is no file"):
        frames[1]
    np.testing.assert_array_equal(frames[2], PIXELS)
    assert names(images) == ["img1.png", "img3.png", "img10.png"]


@pytest.mark.parametrize("kind", ["pages", "channels", "volume"])
def test_a_file_of_several_frames_among_single_ones_is_refused_by_name(kind: str, images: Path) -> None:
    stack = np.stack([PIXELS] * 3)
    if kind == "volume":
        np.save(images / "x.npy", np.stack([stack] * 2))
    else:
        tifffile.imwrite(
            images / "x.tif", stack, imagej=True, metadata={"axes": "CYX" if kind == "channels" else "ZYX"}
        )
    frames = open_images(images).frames
    with pytest.raises(FrameError, match=r"x\.\w+"):
        frames[3]
    np.testing.assert_array_equal(frames[0], PIXELS)


def test_parts_of_an_image_whose_header_is_not_read_are_told(tmp_path: Path) -> None:
    header = '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><BinaryOnly MetadataFile="a.ome"/></OME>'
    for t in range(2):
        tifffile.imwrite(tmp_path / f"t{t}.ome.tif", PIXELS, metadata=None, description=header)
    (tmp_path / "a.ome").write_text("<OME/>")
    assert open_images(tmp_path).left_out == (
        "skipped beside the images: a.ome",
        "the files belong to one image by a.ome, which is not read: here each is a frame by itself",
    )


def test_a_damaged_first_tif_spares_the_others(tmp_path: Path) -> None:
    for t in range(2):
        tifffile.imwrite(tmp_path / f"t{t}.ome.tif", PIXELS)
    (tmp_path / "t0.ome.tif").write_bytes(b"II*")
    frames = open_images(tmp_path).frames
    with pytest.raises(FrameError, match=r"t0\.ome\.tif"):
        frames[0]
    np.testing.assert_array_equal(frames[1], PIXELS)


def test_the_folder_that_one_is_in_has_its_name(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(images)
    assert open_images(".").name == "cells"


def test_no_file_is_opened_before_it_is_needed(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    read = folder_reader.read_image

    def counted(path: Path, *options: object) -> np.ndarray:
        opened.append(path.name)
        return read(path, *options)  # type: ignore[arg-type]

    monkeypatch.setattr(folder_reader, "read_image", counted)
    monkeypatch.setattr(folder_reader, "image_header", lambda path, _: opened.append(path.name))
    frames = open_images(images).frames
    assert len(frames) == 3 and opened == []
    assert frames[1].shape == PIXELS.shape and opened == ["img2.png"]


def test_names_are_compared_a_number_of_times_that_grows_with_their_count(tmp_path: Path) -> None:
    """What a folder costs to list does not grow with the square of its files."""
    asked = 0
    stem = listing.stem_of

    def counted(path: Path) -> str:
        nonlocal asked
        asked += 1
        return stem(path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listing, "stem_of", counted)
        paths = [tmp_path / f"img{t}.png" for t in range(300)]
        listing.without_labels(paths, tmp_path)
        few, asked = asked, 0
        listing.without_labels([tmp_path / f"img{t}.png" for t in range(1200)], tmp_path)
    assert asked <= 4 * few

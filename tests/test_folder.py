"""A folder of unrelated images of differing sizes in the window: seen, prompted and labelled each in its own size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from face import running
from fakes import disc
from napari_medsam2._folder import read_folder
from napari_medsam2.frames import FrameError

SIZES = [(40, 44), (64, 60), (50, 80)]
CENTRES = [(20, 20), (50, 45), (15, 70)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "discs"
    path.mkdir()
    for t, (size, (y, x)) in enumerate(zip(SIZES, CENTRES, strict=True)):
        colours = np.where(disc(size, y, x, 8)[..., None], (220, 40, 40), (60, 60, 60)).astype(np.uint8)
        Image.fromarray(colours).save(path / f"img{t}.png")
    (path / "notes.txt").write_text("of these images")
    return path


def test_each_image_lies_in_the_corner_of_a_frame_as_large_as_the_largest(folder: Path) -> None:
    data, options = read_folder(folder)
    assert data.shape == (3, 64, 80, 3) and options["rgb"] and options["name"] == "discs"
    second = np.asarray(data[1])
    assert second[50, 45].tolist() == [220, 40, 40] and not second[:, 60:].any()


def test_grey_images_among_coloured_ones_become_coloured(folder: Path) -> None:
    Image.fromarray(np.full((20, 20), 9, np.uint8)).save(folder / "img3.png")
    data, _ = read_folder(folder)
    assert np.asarray(data[3])[5, 5].tolist() == [9, 9, 9]


def test_what_does_not_go_with_the_first_images_is_named(folder: Path) -> None:
    grey = folder.with_name("grey")
    grey.mkdir()
    for t in range(8):
        Image.fromarray(np.zeros((8, 8), np.uint8)).save(grey / f"img{t}.png")
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(grey / "img8.png")
    np.save(grey / "img9.npy", np.zeros((8, 8)))
    data, _ = read_folder(grey)
    for t, words in ((8, "img8.png is in colour"), (9, "img9.npy holds float64")):
        with pytest.raises(FrameError, match=words):
            np.asarray(data[t])
    with pytest.raises(FrameError, match="no images in the folder"):
        read_folder(folder.parent / "grey" / "..")


def test_one_prompt_finds_the_object_on_images_of_other_sizes(make_napari_viewer, qtbot, folder: Path) -> None:
    viewer = make_napari_viewer()
    dock = running(viewer)
    do = dock.controller
    do.open_folder(folder)
    assert do.state.mode == "flow" and "up to 64 x 80 pixels, RGB" in do.state.layout
    viewer.dims.set_point(0, 0)
    do.use_tool("point")
    viewer.layers.selection.active.add((0, 20, 20))
    do.propagate()
    qtbot.waitUntil(lambda: do.state.status.finish_reason == "done", timeout=20_000)
    do.flush()
    labels = viewer.layers["discs segmentation"].data
    for t, (y, x) in enumerate(CENTRES):
        assert labels[t, y, x] == 1, f"the disc on image {t}"
        height, width = SIZES[t]
        assert not labels[t, height:].any() and not labels[t, :, width:].any()

    viewer.layers["discs points"].add((0, 60, 70))
    assert "lies outside the image" in do.state.problem, "beside the first image, in the frame of a larger one"

    do.go_to_frame(1)
    do.use_tool("mask")
    y, x = np.nonzero(disc((64, 80), 5, 5, 3) | disc((64, 80), 50, 70, 3))
    viewer.layers["discs segmentation"].data_setitem((np.full(len(y), 1), y, x), 1)
    qtbot.waitUntil(lambda: any(p.frame == 1 for p in do.engine.session.prompts), timeout=20_000)
    do.flush()
    assert labels[1, 5, 5] == 1 and not labels[1, :, 60:].any(), "beside the image nothing can be painted"
    (stroke,) = (p for p in do.engine.session.prompts if p.frame == 1)
    assert stroke.mask.shape == (64, 60)
    dock.close_dock(timeout=10.0)


def test_a_folder_without_images_is_told(make_napari_viewer, tmp_path: Path) -> None:
    viewer = make_napari_viewer()
    dock = running(viewer)
    dock.controller.open_folder(tmp_path)
    assert "no images in the folder" in dock.controller.state.problem and not viewer.layers
    dock.close_dock(timeout=10.0)

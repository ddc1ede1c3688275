"""A folder of unrelated images of differing sizes in the window: seen, prompted and labelled each in its own size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from dicom_files import dicom_header, saved, write_slice
from face import running, wait_for_model
from fakes import disc
from label_sets import labels_of
from napari.layers import Layer
from napari.utils import progress
from PIL import Image

from napari_medsam2._gui.layers import shown_planes
from napari_medsam2._gui.readers import get_reader, open_layers
from napari_medsam2.engine.events import FinishReason
from napari_medsam2.errors import FrameError
from napari_medsam2.images.opened import LabelledObject
from napari_medsam2.images.writers.saving import save_labels

SIZES = [(40, 44), (64, 60), (50, 80)]
CENTRES = [(20, 20), (50, 45), (15, 70)]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Warnings that are shown."""
    sentences: list[str] = []
    monkeypatch.setattr(shown_planes, "show_warning", sentences.append)
    return sentences


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
    ((data, options, kind),) = open_layers(folder)
    assert kind == "image" and data.shape == (3, 64, 80, 3) and options["rgb"] and options["name"] == "discs"
    second = np.asarray(data[1])
    assert second[50, 45].tolist() == [220, 40, 40] and not second[:, 60:].any()


def test_grey_images_among_coloured_ones_become_coloured(folder: Path) -> None:
    Image.fromarray(np.full((20, 20), 9, np.uint8)).save(folder / "img3.png")
    data = open_layers(folder)[0][0]
    assert np.asarray(data[3])[5, 5].tolist() == [9, 9, 9]


def test_pixels_keep_their_values_whatever_the_others_are(tmp_path: Path) -> None:
    for t in range(9):
        Image.fromarray(np.full((8, 8), t, np.uint8)).save(tmp_path / f"img{t}.png")
    tifffile.imwrite(tmp_path / "img9.tif", np.full((8, 8), 1000, np.uint16))
    np.save(tmp_path / "img10.npy", np.full((8, 8), -0.5, np.float32))
    Image.fromarray(np.full((8, 8, 4), 7, np.uint8)).save(tmp_path / "img11.png")
    ((data, options, _),) = open_layers(tmp_path)
    assert options["rgb"] and data.shape == (12, 8, 8, 3)
    assert [float(np.asarray(data[t])[3, 3, 1]) for t in range(12)] == [*range(9), 1000, -0.5, 7]


def test_radiographs_of_several_scanners_keep_their_values(tmp_path: Path) -> None:
    given = (np.full((8, 8), 3, np.uint8), np.full((6, 8), 3000, np.uint16), np.full((8, 8, 3), 7, np.uint8))
    for t, pixels in enumerate(given):
        header = dicom_header(pixels, series=f"1.2.{t}")
        saved(tmp_path / "radiographs" / f"{t}.dcm", header, Modality="CR")
    ((data, options, kind),) = open_layers(tmp_path / "radiographs")
    assert kind == "image" and options["rgb"] and data.shape == (3, 8, 8, 3)
    assert [int(np.asarray(data[t])[3, 3, 1]) for t in range(3)] == [3, 3000, 7]


def test_labels_of_several_types_keep_their_numbers(tmp_path: Path) -> None:
    folder = tmp_path / "cells_labels"
    folder.mkdir()
    Image.fromarray(np.full((8, 8), 5, np.uint8)).save(folder / "a.png")
    Image.fromarray(np.full((8, 8), 300, np.uint16)).save(folder / "b.png")
    Image.fromarray(np.full((8, 8, 3), 9, np.uint8)).save(folder / "c.png")  # grey, saved in colour
    ((data, _, kind),) = open_layers(folder)
    assert kind == "labels" and [int(labels.max()) for labels in data] == [5, 300, 9]


def test_a_folder_that_is_only_called_labels_holds_images(folder: Path) -> None:
    ((_, _, kind),) = open_layers(folder.rename(folder.with_name("discs_mask")))
    assert kind == "image"


def test_images_that_cannot_be_read_are_told_and_shown_empty(folder: Path, told: list[str]) -> None:
    (folder / "img1.png").write_bytes((folder / "img1.png").read_bytes()[:90])
    (folder / "img3.png").write_bytes(b"no image")
    data = open_layers(folder)[0][0]
    assert len(data) == 4 and len(told) == 1 and "img3.png" in told[0]
    shown = [bool(np.asarray(data[t]).any()) for t in range(4)]
    assert shown == [True, False, True, False]
    assert len(told) == 2 and "img1.png" in told[1] and "shown empty" in told[1]
    np.asarray(data[1])
    assert len(told) == 2, "each is told once"


def test_images_that_vanish_or_grow_while_they_are_looked_at_are_told(folder: Path, told: list[str]) -> None:
    data = open_layers(folder)[0][0]
    (folder / "img0.png").unlink()
    Image.fromarray(np.full((200, 200, 3), 9, np.uint8)).save(folder / "img1.png")
    assert [bool(np.asarray(data[t]).any()) for t in range(3)] == [False, False, True]
    assert "no file" in told[0] and "larger than when" in told[1]


def test_of_many_that_cannot_be_read_not_each_is_told(folder: Path, told: list[str]) -> None:
    for t in range(3, 30):
        (folder / f"img{t}.png").write_bytes(b"no image")
    open_layers(folder)
    assert len(told) == 4 and "More images" in told[-1]


def test_a_folder_of_nothing_that_can_be_read_is_an_error_in_words(tmp_path: Path) -> None:
    with pytest.raises(FrameError, match="no images in the folder"):
        open_layers(tmp_path)
    (tmp_path / "img1.png").write_bytes(b"no image")
    with pytest.raises(FrameError, match=r"img1\.png"):
        open_layers(tmp_path)


def test_one_prompt_finds_the_object_on_images_of_other_sizes(make_napari_viewer, qtbot, folder: Path) -> None:
    viewer = make_napari_viewer()
    dock = running(viewer)
    do = dock.controller
    do.open_paths([folder])
    wait_for_model(dock)
    assert not progress._all_instances, "napari would show that it is busy as long as it runs"
    assert do.state.mode == "flow" and "up to 64 x 80 pixels, RGB" in do.state.layout
    viewer.dims.set_point(0, 0)
    do.use_tool("point")
    viewer.layers.selection.active.add((0, 20, 20))
    do.propagate()
    qtbot.waitUntil(lambda: do.state.status.finish_reason is FinishReason.DONE, timeout=20_000)
    do.client.flush()
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
    do.client.flush()
    assert labels[1, 5, 5] == 1 and not labels[1, :, 60:].any(), "beside the image nothing can be painted"
    (stroke,) = (p for p in do.engine.session.prompts if p.frame == 1)
    assert stroke.mask.shape == (64, 60)
    dock.close_dock(timeout=10.0)


def test_a_folder_without_images_is_told(make_napari_viewer, tmp_path: Path) -> None:
    viewer = make_napari_viewer()
    dock = running(viewer)
    dock.controller.open_paths([tmp_path])
    assert "No images in the folder" in dock.controller.state.problem and not viewer.layers
    dock.close_dock(timeout=10.0)


def test_files_that_are_opened_as_a_stack_are_one_image_and_slices_are_in_order(tmp_path: Path, folder: Path) -> None:
    for t, z in enumerate((4.0, 0.0, 2.0)):
        write_slice(tmp_path / f"s{t}.dcm", np.full((6, 7), round(z), np.uint16), z=z)
    slices = [str(path) for path in sorted(tmp_path.glob("*.dcm"))]
    ((data, options, _),) = get_reader(slices)(slices)
    assert np.asarray(data)[:, 0, 0].tolist() == [0, 2, 4] and options["scale"][0] == 2
    pictures = [str(path) for path in sorted(folder.glob("*.png"))][::-1]
    ((data, _, _),) = get_reader(pictures)(pictures)
    assert len(data) == 3 and np.asarray(data[0])[15, 70].tolist() == [220, 40, 40]


def test_numbers_as_those_of_atlases_are_shown_though_napari_has_no_colours_for_them(tmp_path: Path) -> None:
    numbers = np.kron(np.array([[0, 1], [70_000, 312_782_574]], np.uint32), np.ones((8, 8), np.uint32))
    objects = {int(n): LabelledObject("", "#ff8000") for n in np.unique(numbers)[1:]}
    save_labels(tmp_path / "a_labels.nii.gz", labels_of(numbers[None], objects=objects))
    ((data, options, kind),) = open_layers(tmp_path / "a_labels.nii.gz")
    layer = Layer.create(data, options, kind)
    np.testing.assert_array_equal(layer.data, numbers)
    np.testing.assert_allclose(layer.colormap.map(1)[:3], (1, 128 / 255, 0), atol=1e-6)

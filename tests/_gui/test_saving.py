"""What is saved in the window lies on its image when it is opened again, and nothing is lost where that fails."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from face import IMAGES, TRUTH, answer, deliver
from napari.components import ViewerModel
from napari.layers import Image, Labels
from PIL import Image as Picture

from napari_medsam2._gui.layers.coordinates import affine_of
from napari_medsam2._gui.panels.output_panel import SaveDialog
from napari_medsam2._gui.readers import open_layers
from napari_medsam2.images.formats import read_images


def opened(viewer: ViewerModel, path: Path) -> Any:
    """The only layer of a file, as File > Open shows it."""
    ((data, options, kind),) = open_layers(path)
    add = viewer.add_labels if kind == "labels" else viewer.add_image
    return add(data, **options)


def saved(dock: Any, qtbot: Any, path: Path) -> None:
    dock.output.save_requested.emit(str(path))
    qtbot.waitUntil(lambda: "Saved" in dock.message.text() or "could not" in dock.message.text())
    assert "Saved" in dock.message.text(), dock.message.text()


@pytest.fixture
def done(mocked: Any, viewer: ViewerModel, qtbot: Any) -> Any:
    """Chooses an image, and has the disc found on frame 2 as object 1."""

    def make(image: Image, mode: str = "stack") -> Any:
        dock, _, send = mocked(viewer)
        dock.controller.choose_image(image)
        dock.controller.choose_mode(mode)
        dock.prompt.tools["point"].click()
        viewer.layers.selection.active.add((0,) * (image.ndim - 3) + (2, 20, 22))
        deliver(qtbot, send, answer(2, prompted=True))
        return dock

    return make


@pytest.mark.parametrize("suffix", [".tif", ".ome.tif"])
def test_labels_opened_again_lie_on_their_image(
    suffix: str, viewer: ViewerModel, done: Any, qtbot: Any, tmp_path: Path
) -> None:
    image = viewer.add_image(
        IMAGES,
        name="scan",
        scale=(2.5, 0.5, 0.25),
        translate=(-10, 3, 4),
        units=("um",) * 3,
        axis_labels=("z", "y", "x"),
    )
    dock = done(image)
    saved(dock, qtbot, tmp_path / f"a{suffix}")
    labels = opened(viewer, tmp_path / f"a{suffix}")
    assert isinstance(labels, Labels)
    np.testing.assert_array_equal(labels.extent.world, image.extent.world)
    np.testing.assert_array_equal(labels.data[2] == 1, TRUTH[2])
    assert labels.units == image.units and tuple(labels.axis_labels) == ("z", "y", "x")
    ours = viewer.layers["scan segmentation"]
    np.testing.assert_array_equal(labels.get_color(1), ours.get_color(1))


def test_labels_of_one_channel_and_time_of_a_file_lie_on_it(
    viewer: ViewerModel, done: Any, qtbot: Any, tmp_path: Path
) -> None:
    metadata = {"axes": "TZYX", "PhysicalSizeX": 0.5, "PhysicalSizeZ": 2.0, "TimeIncrement": 3.0}
    tifffile.imwrite(tmp_path / "a.ome.tif", np.stack([IMAGES, IMAGES]), metadata=metadata)
    image = opened(viewer, tmp_path / "a.ome.tif")
    dock = done(image)
    saved(dock, qtbot, tmp_path / "a_labels.tif")
    labels = opened(viewer, tmp_path / "a_labels.tif")
    assert labels.data.shape == image.data.shape
    np.testing.assert_allclose(affine_of(labels), affine_of(image))
    where = tuple(np.argwhere(labels.data.any(axis=(2, 3)))[0])
    np.testing.assert_array_equal(labels.data[where] == 1, TRUTH[2])


def test_an_image_that_was_moved_in_the_window_takes_its_labels_along(
    viewer: ViewerModel, done: Any, qtbot: Any, tmp_path: Path
) -> None:
    tifffile.imwrite(tmp_path / "a.tif", IMAGES, photometric="minisblack")
    image = opened(viewer, tmp_path / "a.tif")
    image.translate, image.scale = (7, 8, 9), (3, 2, 2)
    dock = done(image)
    saved(dock, qtbot, tmp_path / "b.tif")
    np.testing.assert_array_equal(opened(viewer, tmp_path / "b.tif").extent.world, image.extent.world)


@pytest.mark.filterwarnings("ignore:Non-orthogonal slicing:UserWarning")  # napari says so of turned layers
def test_a_turned_layer_keeps_its_affine_in_the_file(
    viewer: ViewerModel, done: Any, qtbot: Any, tmp_path: Path
) -> None:
    turned: Any = {"scale": (2, 1, 1), "rotate": (10, 20, 30), "units": ("mm",) * 3}
    image = viewer.add_image(IMAGES, axis_labels=("z", "y", "x"), **turned)
    saved(done(image), qtbot, tmp_path / "a.tif")
    affine = read_images(tmp_path / "a.tif").affine
    assert affine is not None
    index = np.array([1.0, 2, 3])
    np.testing.assert_allclose((affine @ [*index, 1])[:3][::-1], image.data_to_world(index))


def test_names_of_objects_are_kept(viewer: ViewerModel, done: Any, qtbot: Any, tmp_path: Path) -> None:
    dock = done(viewer.add_image(IMAGES, name="scan"))
    viewer.layers["scan segmentation"].features = {"index": [1], "name": ["nucleus"]}
    saved(dock, qtbot, tmp_path / "a.tif")
    labels = opened(viewer, tmp_path / "a.tif")
    assert dict(zip(labels.features["index"], labels.features["name"], strict=True)) == {1: "nucleus"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Images that differ in size."""
    (tmp_path / "cells").mkdir()
    for t, image in enumerate(IMAGES):
        Picture.fromarray(image[: 40 - t % 2]).save(tmp_path / "cells" / f"img {t}.png")
    return tmp_path / "cells"


def test_a_flow_is_saved_as_a_file_an_image_and_a_table(
    folder: Path, viewer: ViewerModel, done: Any, qtbot: Any
) -> None:
    dock = done(opened(viewer, folder), "flow")
    assert dock.controller.state.save_as == folder.with_name("cells_labels")
    saved(dock, qtbot, folder.with_name("cells_labels"))
    files = sorted(folder.with_name("cells_labels").iterdir())
    assert [file.name for file in files] == [f"img {t}.png" for t in range(6)]
    assert [np.asarray(Picture.open(file)).shape for file in files] == [(40 - t % 2, 60) for t in range(6)]
    with folder.with_name("cells_labels.csv").open(newline="") as table:
        lines = list(csv.DictReader(table))
    assert [(line["image"], int(line["area_pixels"])) for line in lines][2] == ("img 2.png", int(TRUTH[2].sum()))
    labels = opened(viewer, folder.with_name("cells_labels"))
    np.testing.assert_array_equal(labels.data[2][:40] == 1, TRUTH[2])


def test_a_flow_of_differing_sizes_is_never_one_padded_block(
    folder: Path, viewer: ViewerModel, done: Any, qtbot: Any, tmp_path: Path
) -> None:
    dock = done(opened(viewer, folder), "flow")
    dock.output.save_requested.emit(str(tmp_path / "a.tif"))
    qtbot.waitUntil(lambda: "differ in size" in dock.message.text())
    assert "They stay in their layer" in dock.message.text() and not (tmp_path / "a.tif").exists()
    np.testing.assert_array_equal(viewer.layers["cells segmentation"].data[2][:40] == 1, TRUTH[2])


def test_labels_are_never_written_over_their_image(viewer: ViewerModel, done: Any, qtbot: Any, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", IMAGES, photometric="minisblack")
    before = (tmp_path / "a.tif").read_bytes()
    dock = done(opened(viewer, tmp_path / "a.tif"))
    dock.output.save_requested.emit(str(tmp_path / "a.tif"))
    qtbot.waitUntil(lambda: "is read from" in dock.message.text())
    assert (tmp_path / "a.tif").read_bytes() == before


@pytest.mark.parametrize(
    ("name", "suffix", "filled_in"),
    [
        ("scan_labels.tif", ".tif", "scan_labels.tif"),
        ("scan_labels.tif", ".json", "scan_labels.json"),
        ("scan_labels.tif", ".csv", "scan_labels.csv"),
        ("scan_labels.tif", "", "scan_labels"),
        ("cells_labels", ".tif", "cells_labels.tif"),
    ],
)
def test_the_dialog_fills_in_a_name_beside_the_image_with_the_suffix_of_the_format(
    name: str, suffix: str, filled_in: str, mocked: Any, viewer: ViewerModel, tmp_path: Path
) -> None:
    dock, _, _ = mocked(viewer)
    dialog = SaveDialog(dock.output, tmp_path / name)
    dialog.setOption(SaveDialog.Option.DontUseNativeDialog)
    assert dialog.directory().absolutePath() == str(tmp_path)
    chosen = next(words for words in dialog.nameFilters() if (f"*{suffix}" in words if suffix else "Folder" in words))
    dialog.selectNameFilter(chosen)
    dialog.filterSelected.emit(chosen)
    assert dialog.chosen() == str(tmp_path / filled_in) + ("" if suffix else "/")


def test_a_table_alone_and_a_folder_with_a_dot_in_its_name(
    viewer: ViewerModel, done: Any, qtbot: Any, tmp_path: Path
) -> None:
    dock = done(viewer.add_image(IMAGES, name="scan"))
    saved(dock, qtbot, tmp_path / "a.csv")
    assert "area_pixels" in (tmp_path / "a.csv").read_text()
    dock.output.save_requested.emit(f"{tmp_path}/v1.2/")
    qtbot.waitUntil(lambda: "v1.2" in dock.message.text() and "Saved" in dock.message.text())
    assert len(list((tmp_path / "v1.2").iterdir())) == 6

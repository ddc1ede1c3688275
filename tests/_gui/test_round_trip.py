"""What is saved and opened again is a Labels layer exactly on its image: same place, values and colours."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel
import nrrd
import numpy as np
import pytest
import tifffile
import zarr
from dicom_files import write_series
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer
from npe2 import PluginManager
from PIL import Image as Picture

from napari_medsam2._gui.layers.colours import label_colours
from napari_medsam2._gui.layers.layout import SIZES_KEY
from napari_medsam2._gui.layers.opened_layers import images_of
from napari_medsam2._gui.layers.output import new_labels_layer
from napari_medsam2._gui.layers.sequence import ImageSequence
from napari_medsam2._gui.readers import open_layers, series_layers
from napari_medsam2.errors import SeriesError
from napari_medsam2.images.formats import open_images
from napari_medsam2.images.writers.formats import all_suffixes
from napari_medsam2.images.writers.proposal import proposed_path

OURS = "napari-medsam2"
SHAPE = (4, 20, 30)
PIXELS = np.random.default_rng(0).integers(0, 200, SHAPE).astype(np.uint8)


def ome_tif(folder: Path) -> Path:
    sizes = {"PhysicalSizeX": 0.25, "PhysicalSizeY": 0.5, "PhysicalSizeZ": 2.0}
    units = {f"{name}Unit": "µm" for name in sizes}
    tifffile.imwrite(folder / "scan.ome.tif", PIXELS, metadata={"axes": "ZYX", **sizes, **units})
    return folder / "scan.ome.tif"


def imagej_tif(folder: Path) -> Path:
    metadata = {"axes": "ZYX", "spacing": 2.0, "unit": "um"}
    tifffile.imwrite(folder / "scan.tif", PIXELS, imagej=True, resolution=(4.0, 2.0), metadata=metadata)
    return folder / "scan.tif"


def nifti(folder: Path) -> Path:
    affine = np.array([[-0.5, 0, 0, 10], [0, 0.75, 0, -20], [0, 0, 3, 5], [0, 0, 0, 1.0]])
    nibabel.save(nibabel.Nifti1Image(PIXELS.T, affine), folder / "scan.nii.gz")
    return folder / "scan.nii.gz"


def oblique_nifti(folder: Path) -> Path:
    c, s = np.cos(0.4), np.sin(0.4)
    affine = np.eye(4)
    affine[:3, :3] = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ np.diag([0.5, 0.75, 3])
    affine[:3, 3] = (10, -20, 5)
    nibabel.save(nibabel.Nifti1Image(PIXELS.T, affine), folder / "scan.nii")
    return folder / "scan.nii"


def volume_nrrd(folder: Path) -> Path:
    place = {"space directions": np.diag([0.5, 0.75, 3.0]), "space origin": [1.0, 2.0, 3.0]}
    header = {"space": "left-posterior-superior", "space units": ["mm"] * 3, **place}
    nrrd.write(str(folder / "scan.nrrd"), PIXELS.T, header)
    return folder / "scan.nrrd"


def ome_zarr(folder: Path) -> Path:
    root = zarr.open_group(str(folder / "scan.zarr"), mode="w", zarr_format=2)
    axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in "zyx"]
    scale = [{"type": "scale", "scale": [2.0, 0.5, 0.25]}]

    def image(group: zarr.Group, pixels: np.ndarray, **attributes: object) -> None:
        group.create_array("0", data=pixels)
        datasets = [{"path": "0", "coordinateTransformations": scale}]
        group.attrs.update({"multiscales": [{"version": "0.4", "axes": axes, "datasets": datasets}], **attributes})

    image(root, PIXELS)
    root.create_group("labels").attrs["labels"] = ["cells"]
    image(root["labels"].create_group("cells"), (PIXELS > 100).astype(np.uint8), **{"image-label": {"version": "0.4"}})
    return folder / "scan.zarr"


def dicom(folder: Path) -> Path:
    (folder / "series").mkdir()
    write_series(folder / "series", spacing=(0.5, 0.75), directions=(0.8, 0.6, 0.0, -0.6, 0.8, 0.0))
    return folder / "series"


def flow_of_sizes(folder: Path) -> Path:
    path = folder / "cells"
    path.mkdir()
    for name, (height, width) in {"ann": (20, 30), "bob": (24, 18), "cyd": (10, 40)}.items():
        Picture.fromarray(np.full((height, width), 90, np.uint8)).save(path / f"{name}.png")
    return path


SOURCES = (ome_tif, imagej_tif, nifti, oblique_nifti, volume_nrrd, ome_zarr, dicom, flow_of_sizes)


def opened(viewer: ViewerModel, path: Path) -> Image:
    """The layer of an image; a tif, which napari's own reader takes, by the function behind the dock's Open..."""
    if path.suffix == ".tif":
        ((data, options, kind),) = open_layers(path)
        image = viewer.add_layer(Layer.create(data, options, kind))
    else:
        image = viewer.open(path, plugin=OURS)[0]
    assert isinstance(image, Image)
    return image


def labelled(viewer: ViewerModel, image: Image) -> Labels:
    """A Labels layer as the dock makes it, with three objects painted in it."""
    layer = new_labels_layer(image, ImageSequence(viewer, image).layout, f"{image.name} segmentation")
    rng = np.random.default_rng(1)
    layer.data[...] = rng.choice([0, 0, 0, 1, 2, 7], layer.data.shape)
    for t, (height, width) in enumerate(image.metadata.get(SIZES_KEY, ())):
        layer.data[t, height:] = 0
        layer.data[t, :, width:] = 0
    viewer.add_layer(layer)
    viewer.layers.selection = {layer}
    return layer


def same_place(one: Labels, other: Labels) -> bool:
    assert [str(unit) for unit in one.units] == [str(unit) for unit in other.units]
    assert one.axis_labels == other.axis_labels
    return np.allclose(one.extent.world, other.extent.world, rtol=1e-5, atol=1e-5)


def test_a_tif_of_ours_lies_and_looks_as_it_was_saved_when_napari_s_own_reader_opens_it(
    make_napari_viewer, opened_dock, tmp_path: Path
) -> None:
    """A name of the user's own choice is napari's to open."""
    viewer = make_napari_viewer()
    image = opened(viewer, volume_nrrd(tmp_path))
    dock = opened_dock(viewer)
    labels = labelled(viewer, image)
    labels.colormap = label_colours({2: "#123456"})
    labels.features = {"index": [0, 2], "name": ["background", "cell"]}
    viewer.layers.save(str(tmp_path / "mine.ome.tif"), selected=True, plugin=OURS)
    (again,) = viewer.open(tmp_path / "mine.ome.tif", plugin="napari")
    assert isinstance(again, Labels) and again.source.reader_plugin == "napari"
    assert same_place(again, labels) and same_place(again, image)
    np.testing.assert_allclose(again.colormap.map([0, 1, 2, 7]), labels.colormap.map([0, 1, 2, 7]), atol=1 / 255)
    assert again.features.set_index("index")["name"][2] == "cell"
    tifffile.imwrite(tmp_path / "theirs.tif", labels.data.astype(np.uint32), photometric="minisblack")
    (theirs,) = viewer.open(tmp_path / "theirs.tif", plugin="napari")
    assert np.allclose(theirs.scale, 1) and not np.allclose(
        theirs.colormap.map([2]), again.colormap.map([2]), atol=0.01
    )
    dock.close_dock(timeout=10.0)


@pytest.mark.parametrize("name", [f"scan_labels{suffix}" for suffix in (".ome.tif", ".nii.gz", ".nrrd", ".zarr")])
@pytest.mark.parametrize("source", SOURCES[:-1])
def test_labels_lie_on_their_image_again(
    make_napari_viewer, source: Callable[[Path], Path], name: str, tmp_path: Path
) -> None:
    viewer = make_napari_viewer()
    image = opened(viewer, source(tmp_path))
    labels = labelled(viewer, image)
    assert viewer.layers.save(str(tmp_path / name), selected=True, plugin=OURS) == [str(tmp_path / name)]
    (again,) = viewer.open(tmp_path / name, plugin=OURS)
    assert isinstance(again, Labels) and again.name == "scan_labels"
    np.testing.assert_array_equal(again.data, labels.data)
    assert same_place(again, labels) and same_place(again, image)
    np.testing.assert_allclose(again.colormap.map([0, 1, 2, 7]), labels.colormap.map([0, 1, 2, 7]), atol=1 / 255)
    assert again.data.flags.writeable, "so that it can be corrected"
    again.data[0, 0, 0] = 3
    viewer.layers.selection = {again}
    viewer.layers.save(str(tmp_path / name), selected=True, plugin=OURS)
    assert viewer.open(tmp_path / name, plugin=OURS)[0].data[0, 0, 0] == 3, "corrected labels replace their file"


def test_a_flow_is_saved_and_opened_image_by_image(make_napari_viewer, tmp_path: Path) -> None:
    viewer = make_napari_viewer()
    image = opened(viewer, flow_of_sizes(tmp_path))
    labels = labelled(viewer, image)
    with pytest.raises(OSError, match="differ in size"):
        viewer.layers.save(str(tmp_path / "cells_labels.ome.tif"), selected=True, plugin=OURS)
    writers = PluginManager.instance().iter_compatible_writers(["labels"])
    (writer,) = (writer for writer in writers if writer.command == f"{OURS}.write_folder")
    viewer.layers.save(str(tmp_path / "cells_labels"), selected=True, _writer=writer)
    assert sorted(path.name for path in (tmp_path / "cells_labels").iterdir()) == ["ann.png", "bob.png", "cyd.png"]
    with Picture.open(tmp_path / "cells_labels" / "bob.png") as saved:
        assert saved.size == (18, 24)
    (again,) = viewer.open(tmp_path / "cells_labels", plugin=OURS)
    assert isinstance(again, Labels) and same_place(again, labels)
    np.testing.assert_array_equal(again.data, labels.data)


@pytest.mark.parametrize("source", SOURCES)
def test_the_window_shows_the_pixels_that_the_command_segments(
    make_napari_viewer, source: Callable[[Path], Path], tmp_path: Path
) -> None:
    path = source(tmp_path)
    viewer = make_napari_viewer()
    image = opened(viewer, path)
    frames = open_images(path)
    shown = ImageSequence(viewer, image).frames()
    assert len(shown) == len(frames)
    for t, frame in enumerate(frames):
        np.testing.assert_array_equal(np.asarray(shown[t]), frame)


def test_every_format_of_the_dock_is_one_of_napari_s_and_tif_stays_napari_s_own(make_napari_viewer) -> None:
    make_napari_viewer()
    writers = list(PluginManager.instance().iter_compatible_writers(["labels"]))
    ours = {suffix for writer in writers if writer.plugin_name == OURS for suffix in writer.filename_extensions}
    assert ours == set(all_suffixes()) - {".tif", ".tiff"}, "a format is named in napari.yaml, with a function"
    assert PluginManager.instance().get_writer("a.tif", ["labels"])[0].plugin_name == "napari"
    assert PluginManager.instance().get_writer("a", ["labels"])[0].plugin_name == "napari"
    assert not any(w.plugin_name == OURS for w in PluginManager.instance().iter_compatible_writers(["image"]))


def test_labels_inside_an_ome_zarr_open_with_its_image(make_napari_viewer, tmp_path: Path) -> None:
    image, cells = make_napari_viewer().open(ome_zarr(tmp_path), plugin=OURS)
    assert isinstance(image, Image) and isinstance(cells, Labels) and cells.name == "cells"
    np.testing.assert_array_equal(cells.data, PIXELS > 100)
    np.testing.assert_allclose(cells.extent.world, image.extent.world)
    assert [str(unit) for unit in image.units] == ["micrometer"] * 3 and image.scale.tolist() == [2.0, 0.5, 0.25]


def test_napari_s_own_reader_shows_the_same_labels(make_napari_viewer, tmp_path: Path) -> None:
    viewer = make_napari_viewer()
    labels = labelled(viewer, opened(viewer, ome_tif(tmp_path)))
    path = tmp_path / "scan_labels.ome.tif"
    viewer.layers.save(str(path), selected=True, plugin=OURS)
    (again,) = viewer.open(path, plugin="napari")
    assert isinstance(again, Labels)
    np.testing.assert_array_equal(again.data, labels.data)


def test_a_folder_that_napari_s_own_reader_stacked_is_taken_as_unrelated_images(make_napari_viewer, tmp_path) -> None:
    for t, name in enumerate(("ann", "bob", "cyd")):
        Picture.fromarray(PIXELS[t]).save(tmp_path / f"{name}.png")
    viewer = make_napari_viewer()
    (image,) = viewer.open(tmp_path, plugin="napari")
    assert ImageSequence(viewer, image).guess_mode() == ("flow", "the names of the files do not count up")
    labelled(viewer, image)
    writers = PluginManager.instance().iter_compatible_writers(["labels"])
    (writer,) = (writer for writer in writers if writer.command == f"{OURS}.write_folder")
    viewer.layers.save(str(tmp_path / "out"), selected=True, _writer=writer)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["ann.png", "bob.png", "cyd.png"]


def test_two_series_of_a_folder_are_not_saved_under_one_name(tmp_path: Path) -> None:
    (tmp_path / "study").mkdir()
    for number, words in enumerate(("T1", "T2/late")):
        write_series(tmp_path / "study", prefix=f"s{number}", series=f"1.2.{number}", SeriesDescription=words)
    found = []
    with pytest.raises(SeriesError) as several:
        open_layers(tmp_path / "study")
    for series in several.value.series:
        ((data, options, kind),) = series_layers(tmp_path / "study", series)
        found.append(proposed_path(images_of(Layer.create(data, options, kind)), each=False).name)
    assert found == ["study T1_labels.nii.gz", "study T2_late_labels.nii.gz"]

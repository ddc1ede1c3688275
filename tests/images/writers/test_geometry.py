"""Labels that are saved as volumes lie on their image again, whatever the format: the same pixels, places and names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import nrrd
import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from label_sets import flow_of, labels_of
from ome_zarr_files import set_metadata, write_ome_zarr

from napari_medsam2.errors import OutputError
from napari_medsam2.images.formats import open_images, read_images
from napari_medsam2.images.opened import Axis, LabelledObject, OpenedImages
from napari_medsam2.images.writers.checks import check_choice, check_labels
from napari_medsam2.images.writers.labels import Labelled, LabelSet
from napari_medsam2.images.writers.saving import save_labels

OBJECTS = {1: LabelledObject("Leber, früh", "#ff8000"), 300: LabelledObject("", "#00ff00")}
DATA = np.arange(2 * 3 * 6 * 8 * 10, dtype=np.uint16).reshape(2, 3, 6, 8, 10)


def all_of(data: Any) -> np.ndarray:
    return np.asarray(data[(slice(None),) * data.ndim])


def drawn_on(images: OpenedImages) -> tuple[LabelSet, np.ndarray]:
    """Labels on the frames of opened images."""
    frames = images.frames
    drawn = np.random.default_rng(0).integers(0, 3, (len(frames), *frames.shape(0))).astype(np.uint16) * 150
    names = tuple(frames.name(t) for t in range(len(frames)))
    labelled = Labelled(images, names, "stack", np.uint16)
    return labelled.with_labels(lambda t: drawn[t], objects=OBJECTS), drawn


lengths = st.integers(1, 4)
numbers = st.floats(-500, 500, allow_nan=False, width=32)
spacings = st.floats(0.0625, 50, width=32)


@st.composite
def label_sets(draw: Any) -> LabelSet:
    """Labels of volumes, time series and pictures, in any order of axes, with or without a place in a patient."""
    names = draw(st.sampled_from(["yx", "zyx", "tyx", "tzyx", "yzx", "xzy", "ztyx"]))
    space, time = draw(st.sampled_from(["mm", "um", "pixel"])), draw(st.sampled_from(["s", "ms", "pixel"]))
    axes = [
        Axis(name, draw(spacings), time if name == "t" else space, 0.0 if name == "t" else draw(numbers))
        for name in names
    ]
    if space == "pixel":
        axes = [axis if axis.name == "t" else Axis(axis.name) for axis in axes]
    affine = None
    if space != "pixel" and {"z", "y", "x"} <= set(names) and draw(st.booleans()):
        turn, _ = np.linalg.qr(np.random.default_rng(draw(st.integers(0, 99))).normal(size=(3, 3)))
        named = {axis.name: axis for axis in axes}
        scale = 1e-3 if space == "um" else 1.0
        affine = np.eye(4)
        affine[:3, :3] = turn * [named[name].spacing * scale for name in "zyx"]
        affine[:3, 3] = [draw(numbers) * scale for _ in range(3)]
        places = dict(zip("zyx", turn.T @ affine[:3, 3] / scale, strict=True))
        axes = [axis if axis.name == "t" else Axis(axis.name, axis.spacing, space, places[axis.name]) for axis in axes]
    shape = [draw(lengths) for _ in names]
    dtype = draw(st.sampled_from([np.uint8, np.uint16, np.uint32]))
    labels = np.random.default_rng(draw(st.integers(0, 99))).integers(
        0, np.iinfo(dtype).max, shape, dtype, endpoint=True
    )
    return labels_of(labels, axes, affine=affine, objects=OBJECTS, mode=draw(st.sampled_from(["stack", "flow"])))


@pytest.mark.parametrize("suffix", ["nii", "nii.gz", "nrrd", "seg.nrrd", "zarr"])
@settings(max_examples=25, deadline=None)
@given(labels=label_sets())
def test_a_round_trip_keeps_labels_and_their_place(
    suffix: str, labels: LabelSet, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("saved") / f"scan.{suffix}"
    save_labels(path, labels)
    opened = read_images(path)
    assert opened.labels and dict(opened.objects) == OBJECTS and opened.mode == labels.mode and opened.left_out == ()
    found = {axis.name: axis for axis in opened.axes}
    kept = [axis.name for axis in labels.axes]
    beyond = [place for place, axis in enumerate(opened.axes) if axis.name not in kept]
    assert all(opened.lengths[place] == 1 for place in beyond)
    pixels = all_of(opened.data).squeeze(tuple(beyond))
    order = [axis.name for axis in opened.axes if axis.name in kept]
    np.testing.assert_array_equal(pixels, labels.array(labels.places(order)))
    assert order == [labels.axes[place].name for place in labels.image_order], "else they lie across their image"
    assert pixels.dtype == labels.dtype
    for axis in labels.axes:
        assert found[axis.name].unit == axis.unit
        assert found[axis.name].spacing == pytest.approx(axis.spacing, rel=1e-5)
        assert found[axis.name].origin == pytest.approx(axis.origin, rel=1e-4, abs=1e-3)
    if labels.images.affine is not None:
        assert opened.affine is not None
        np.testing.assert_allclose(opened.affine, labels.images.affine, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("axis", ["z", "y", "x"])
@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_a_nifti_keeps_all_that_places_its_image(kind: Any, axis: str, tmp_path: Path) -> None:
    affine = np.array([[-0.5, 0.1, 0, 10], [0.1, 0.6, 0, 20], [0, 0, 3, -30], [0, 0, 0, 1]])
    image = kind(DATA[0, 0].T, affine)
    image.set_sform(affine, code=4)
    image.set_qform(affine + np.diag([0, 0, 0.25, 0]), code=2)
    image.header.set_xyzt_units("micron", "msec")
    nibabel.save(image, tmp_path / "scan.nii.gz")
    labels, drawn = drawn_on(open_images(tmp_path / "scan.nii.gz", axis=axis))
    save_labels(tmp_path / "labels.nii.gz", labels)
    saved, source = nibabel.load(tmp_path / "labels.nii.gz"), nibabel.load(tmp_path / "scan.nii.gz")
    assert type(saved) is kind and saved.shape == source.shape and saved.get_data_dtype() == np.uint16
    for field in ("sform_code", "qform_code", "xyzt_units", "srow_x", "srow_z", "quatern_b", "qoffset_x"):
        np.testing.assert_array_equal(saved.header[field], source.header[field])
    np.testing.assert_array_equal(saved.header["pixdim"][:4], source.header["pixdim"][:4])
    assert saved.header.get_intent()[0] == "label"
    np.testing.assert_array_equal([np.asarray(f) for f in open_images(tmp_path / "labels.nii.gz", axis=axis)], drawn)


def test_labels_of_one_slice_lie_where_that_slice_is(tmp_path: Path) -> None:
    nibabel.save(nibabel.Nifti1Image(DATA[:, 0].transpose(3, 2, 1, 0), np.diag([1.0, 2, 3, 1])), tmp_path / "scan.nii")
    labels, _ = drawn_on(open_images(tmp_path / "scan.nii", axis="t", at={"z": 4}))
    for name in ("labels.nii.gz", "labels.nrrd"):
        save_labels(tmp_path / name, labels)
        saved = read_images(tmp_path / name)
        assert saved.affine is not None
        np.testing.assert_allclose(saved.affine @ [0, 0, 0, 1], [0, 0, 12, 1])
        assert saved.lengths == (2, 1, 8, 10)


@pytest.mark.parametrize("space", ["left-posterior-superior", "RAS", "scanner-xyz"])
def test_an_nrrd_keeps_the_space_of_its_image(space: str, tmp_path: Path) -> None:
    turned = np.array([[0.4, 0.3, 0], [-0.3, 0.4, 0], [0, 0, 3]])
    header = {
        "space": space, "space directions": turned, "space origin": np.array([1.5, 2, 3]), "kinds": ["domain"] * 3,
        "space units": ["um"] * 3,
    }  # fmt: skip
    nrrd.write(str(tmp_path / "scan.nrrd"), DATA[0, 0].T, header)
    labels, drawn = drawn_on(open_images(tmp_path / "scan.nrrd", axis="x"))
    save_labels(tmp_path / "labels.seg.nrrd", labels)
    saved, told = nrrd.read(str(tmp_path / "labels.seg.nrrd"))
    for field, value in header.items():
        np.testing.assert_array_equal(told[field], value)
    np.testing.assert_array_equal(saved.transpose(0, 2, 1), drawn)
    assert (told["Segment0_Name"], told["Segment0_LabelValue"], told["Segment1_Color"]) == ("Leber, fr?h", "1", "0 1 0")


@pytest.mark.parametrize("name", ["0", "0/cells", "x.tif", "0/x.nii.gz", "labels/x.tif", "labels/x/y.json"])
def test_nothing_but_labels_is_put_into_a_zarr(name: str, tmp_path: Path) -> None:
    image = tmp_path / "a.zarr"
    write_ome_zarr(image, DATA[0, 0], "zyx")
    labels, _ = drawn_on(open_images(image))
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(OutputError, match=r"among the images that are read|within the zarr a\.zarr"):
        check_choice(image / name, labels)
    assert sorted(tmp_path.rglob("*")) == before
    check_choice(image / "labels" / "liver", labels)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_labels_beside_an_ome_zarr_image_have_its_levels(version: str, tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    image = write_ome_zarr(
        path, DATA, "tczyx", version=version, scale=[2, 1, 0.5, 0.1, 0.1], shift=[0, 0, 7, 1, 2], levels=3
    )
    set_metadata(image.create_group("labels"), {"labels": ["older"]}, version)
    labels, drawn = drawn_on(open_images(path, axis="z", channel=1, at={"t": 1}))
    check_labels(path / "labels" / "liver", labels)
    save_labels(path / "labels" / "liver", labels)
    save_labels(path / "labels" / "liver", labels)  # a second time it is not listed twice
    assert read_images(path).left_out == ("labels beside the image: labels/older, labels/liver",)
    saved, part = read_images(path, series="liver"), read_images(path)
    np.testing.assert_array_equal(all_of(saved.data), drawn)
    assert saved.axes == part.axes[2:] and dict(saved.objects) == OBJECTS
    assert [level.shape for level in saved.levels] == [(6, 4, 5), (6, 2, 3)]
    for number, level in enumerate(saved.levels, 1):  # each shows the pixel that its level of the image shows
        step = 2**number
        np.testing.assert_array_equal(all_of(level), drawn[:, ::step, ::step])
        assert read_images(path / "labels" / "liver" / str(number)).axes == read_images(path / str(number)).axes[2:]
    told = dict(zarr.open_group(str(path / "labels" / "liver"), mode="r").attrs)
    shown = (told["ome"] if version == "0.5" else told)["image-label"]
    assert shown["source"] == {"image": "../../"}
    assert shown["colors"][0] == {"label-value": 1, "rgba": [255, 128, 0, 255]}
    assert [p.name for p in (path / "labels").iterdir() if p.is_dir()] == ["liver"], "nothing is left over"


def test_a_zarr_that_is_no_labels_is_not_replaced_and_labels_lie_on_their_image(tmp_path: Path) -> None:
    write_ome_zarr(tmp_path / "a.zarr", DATA[0, 0], "zyx")
    write_ome_zarr(tmp_path / "b.zarr", DATA[0, 0, :4], "zyx")
    labels, _ = drawn_on(open_images(tmp_path / "a.zarr"))
    for path, words in (
        ("b.zarr", r"b\.zarr is an image, which would be lost: labels beside it are written to .*labels/NAME"),
        ("b.zarr/labels/x", r"\(z=6, y=8, x=10\) do not lie on the image b\.zarr \(z=4, y=8, x=10\)"),
    ):
        with pytest.raises(OutputError, match=words):
            check_labels(tmp_path / path, labels)
        with pytest.raises(OutputError, match=words):
            save_labels(tmp_path / path, labels)
    assert not (tmp_path / "b.zarr" / "labels").exists()
    save_labels(tmp_path / "alone.zarr", labels)
    save_labels(tmp_path / "alone.zarr", labels)  # labels give way to labels


def test_labels_that_cannot_be_made_leave_nothing_beside_the_image(tmp_path: Path) -> None:
    write_ome_zarr(tmp_path / "a.zarr", DATA[0, 0], "zyx")
    labels, drawn = drawn_on(open_images(tmp_path / "a.zarr"))

    def vanishes(t: int) -> np.ndarray:
        if t == 3:
            raise OSError(28, "No space left on device")
        return drawn[t]

    broken = labels.with_labels(vanishes)
    with pytest.raises(OutputError, match="cannot write"):
        save_labels(tmp_path / "a.zarr" / "labels" / "x", broken)
    assert not (tmp_path / "a.zarr" / "labels").exists()
    save_labels(tmp_path / "a.zarr" / "labels" / "x", labels)
    with pytest.raises(OutputError, match="cannot write"):
        save_labels(tmp_path / "a.zarr" / "labels" / "x", broken)
    np.testing.assert_array_equal(all_of(read_images(tmp_path / "a.zarr", series="x").data), drawn)


@pytest.mark.parametrize("suffix", ["nii.gz", "nrrd", "zarr"])
def test_images_that_differ_in_size_are_no_volume(suffix: str, tmp_path: Path) -> None:
    labels = flow_of([np.zeros((4, 5), np.uint8), np.zeros((6, 5), np.uint8)], ["a.png", "b.png"])
    with pytest.raises(OutputError, match=r"cells differ in size .*name a folder"):
        check_labels(tmp_path / f"cells.{suffix}", labels)
    same = flow_of([np.ones((4, 5), np.uint8), np.zeros((4, 5), np.uint8)], ["a.png", "b.png"])
    save_labels(tmp_path / f"cells.{suffix}", same)
    np.testing.assert_array_equal(
        all_of(read_images(tmp_path / f"cells.{suffix}").data).squeeze(), [np.ones((4, 5)), np.zeros((4, 5))]
    )


@pytest.mark.parametrize("names", ["yx", "zyx", "yzx", "tzyx", "ztyx"])
def test_what_is_saved_as_a_folder_lies_on_its_image_and_so_does_each_of_its_files(names: str, tmp_path: Path) -> None:
    affine = np.array([[0, 0, 0.5, 3], [0, 0.25, 0, -4], [2, 0, 0, 7], [0, 0, 0, 1.0]])
    known = {"t": Axis("t", 3, "s"), "z": Axis("z", 2, "mm", 7), "y": Axis("y", 0.25, "mm", -4)}
    known["x"] = Axis("x", 0.5, "mm", 3)
    axes = tuple(known[name] for name in names)
    sizes = {"t": 2, "z": 4, "y": 8, "x": 10}
    pixels = np.random.default_rng(0).integers(0, 3, [sizes[name] for name in names], np.uint16)
    labels = labels_of(pixels * 150, axes, affine=affine, objects=OBJECTS, mode="stack")
    save_labels(tmp_path / "scan_labels", labels)
    again = read_images(tmp_path / "scan_labels", as_labels=True)
    np.testing.assert_array_equal(all_of(again.data), labels.array(labels.image_order))
    assert again.axes == tuple(axes[place] for place in labels.image_order)
    assert again.labels and again.mode == "stack" and again.objects == OBJECTS
    np.testing.assert_allclose(again.affine, affine)
    if names.startswith("z"):
        alone = read_images(tmp_path / "scan_labels" / f"frame_{labels.n_frames - 1:03d}.tif", as_labels=True)
        assert alone.axes == axes[-2:]
        np.testing.assert_allclose(alone.affine[:3, 3], (3, -4, 7 + 2 * 3))

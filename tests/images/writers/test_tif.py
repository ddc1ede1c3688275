"""What is written as OME-TIFF is read back where it lay, by our door, by tifffile and by napari."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from label_sets import X, Y, Z, flow_of, labels_of

from napari_medsam2.images.formats import open_images, read_images
from napari_medsam2.images.lazy import AxesView
from napari_medsam2.images.notes import read_notes
from napari_medsam2.images.opened import Axis, LabelledObject, OpenedImages
from napari_medsam2.images.writers.labels import Labelled, label_dtype
from napari_medsam2.images.writers.saving import save_labels

NUMBERS = np.arange(3 * 8 * 9, dtype=np.uint16).reshape(3, 8, 9)
T = Axis("t", 2.0, "s")


def written(tmp_path: Path, *arguments: Any, name: str = "labels.ome.tif", **options: Any) -> OpenedImages:
    save_labels(tmp_path / name, labels_of(*arguments, **options))
    return read_images(tmp_path / name)


def values(images: OpenedImages) -> np.ndarray:
    return np.asarray(images.data[...])


SIZES = st.floats(1e-3, 1e3, allow_nan=False)
PLACES = st.floats(-1e4, 1e4, allow_nan=False)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lengths=st.lists(st.integers(2, 7), min_size=2, max_size=4),
    spacing=st.lists(SIZES, min_size=4, max_size=4),
    origin=st.lists(PLACES, min_size=4, max_size=4),
    unit=st.sampled_from(["um", "mm", "nm", "m", "cm"]),
    largest=st.sampled_from([1, 255, 256, 65_535, 70_000]),
    seed=st.integers(0, 99),
)
def test_values_spacing_units_and_origin_come_back(
    lengths: list[int], spacing: list[float], origin: list[float], unit: str, largest: int, seed: int, tmp_path: Path
) -> None:
    names = "tzyx"[-len(lengths) :]
    axes = [
        Axis(name, size, *(("s", 0.0) if name == "t" else (unit, place)))
        for name, size, place in zip(names, spacing, origin, strict=False)
    ]
    labels = np.random.default_rng(seed).integers(0, largest + 1, lengths).astype(label_dtype(largest))
    found = written(tmp_path, labels, axes, name="a.tif")
    np.testing.assert_array_equal(values(found), labels)
    assert values(found).dtype == np.uint32 and found.labels
    assert list(found.axes) == axes
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        assert tif.is_ome and tif.series[0].axes == names.upper()


def test_labels_along_another_axis_are_stored_as_the_image_is(tmp_path: Path) -> None:
    """The frames were segmented along x; the file has the axes of the image again."""
    images = OpenedImages("scan", NUMBERS, (Z, Y, X)).frames_along("x")
    labelled = Labelled(images, tuple(f"frame {t}" for t in range(9)), "stack", np.uint16)
    save_labels(tmp_path / "a.tif", labelled.with_labels(lambda t: NUMBERS[:, :, t]))
    found = read_images(tmp_path / "a.tif")
    np.testing.assert_array_equal(values(found), NUMBERS)
    assert found.axes == (Z, Y, X)


def test_what_ome_has_no_place_for_comes_back(tmp_path: Path) -> None:
    """A reversed axis, a unit that is neither length nor time, and pixels that are not square."""
    for axes in (
        (Axis("z", -2.5, "mm", 10.0), Axis("y", -0.5, "mm", 3.0), X),
        (Axis("t", 0.5, "Hz"), Axis("y", 2.0), Axis("x", 3.0)),
        (Axis("t", 2.0, "second", 5.0), Axis("y", 2.0, "micrometer"), Axis("x", 3.0, "micrometer")),
    ):
        assert written(tmp_path, NUMBERS, axes).axes == axes


def test_a_header_that_was_changed_counts_more_than_the_notes(tmp_path: Path) -> None:
    save_labels(tmp_path / "a.tif", labels_of(NUMBERS))
    content = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(content.replace(b'PhysicalSizeX="0.25"', b'PhysicalSizeX="0.75"'))
    assert read_images(tmp_path / "a.tif").axes == (Z, Y, Axis("x", 0.75, "mm", -4.0))


def test_axes_without_names_are_stored_as_they_were(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", NUMBERS)
    images = open_images(tmp_path / "a.npy", axis=2)
    labelled = Labelled(images, tuple(f"frame {t}" for t in range(9)), "stack", np.uint16)
    save_labels(tmp_path / "a.tif", labelled.with_labels(lambda t: NUMBERS[:, :, t]))
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.tif"), NUMBERS)


def test_one_time_point_of_a_volume_is_a_volume(tmp_path: Path) -> None:
    part = OpenedImages("scan", AxesView(NUMBERS[None], range(4)), (T, Z, Y, X)).frames_along("z", at={"t": 0})
    labelled = Labelled(part, ("a", "b", "c"), "stack", np.uint16)
    save_labels(tmp_path / "a.tif", labelled.with_labels(lambda t: NUMBERS[t]))
    assert read_images(tmp_path / "a.tif").axes == (Z, Y, X)


def test_names_colours_mode_and_affine_come_back(tmp_path: Path) -> None:
    objects = {1: LabelledObject("Zelle “A” <b>\n", "#3fa7ff"), 70_000: LabelledObject("", "#ffb000")}
    affine = np.array([[0.0, 0.3, 0.4, 9], [0, -0.4, 0.3, 8], [2.5, 0, 0, -7], [0, 0, 0, 1]])
    found = written(tmp_path, NUMBERS, objects=objects, affine=affine, name="scan.tif")
    assert found.objects == objects and found.mode == "stack"
    np.testing.assert_array_equal(found.affine, affine)


def test_a_flow_of_one_size_keeps_the_names_of_its_images(tmp_path: Path) -> None:
    axes = (Axis("image"), Axis("y"), Axis("x"))
    found = written(tmp_path, NUMBERS, axes, mode="flow", names=("ü.png", "b.png", "c d.png"), name="a.tif")
    assert found.mode == "flow" and found.axes == axes
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        assert r"[\"\u00fc.png\", \"b.png\", \"c d.png\"]".replace('\\"', "&quot;") in (tif.ome_metadata or "")


@pytest.mark.parametrize("shape", [(3, 8, 1), (3, 1, 9), (1, 8, 9), (1, 1, 1), (8, 9)])
def test_thin_images(shape: tuple[int, ...], tmp_path: Path) -> None:
    labels = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    found = written(tmp_path, labels, (Z, Y, X)[-len(shape) :])
    np.testing.assert_array_equal(values(found).reshape(shape), labels)
    save_labels(tmp_path / "each", labels_of(labels, (Z, Y, X)[-len(shape) :]))
    each = [tifffile.imread(file) for file in sorted((tmp_path / "each").iterdir())]
    np.testing.assert_array_equal(np.reshape(each, shape), labels)


def test_a_header_that_was_edited_costs_the_notes_and_not_the_labels(tmp_path: Path) -> None:
    save_labels(tmp_path / "a.tif", labels_of(NUMBERS, objects={1: LabelledObject("cell")}))
    content = (tmp_path / "a.tif").read_bytes()
    for good, bad in ((b"[[&quot;z&quot;", b"[{&quot;z&quot;"), (b"{&quot;1&", b"[&quot;1&")):
        assert good in content
        content = content.replace(good, bad)
    (tmp_path / "a.tif").write_bytes(content)
    found = read_images(tmp_path / "a.tif")
    assert found.labels and not found.objects
    np.testing.assert_array_equal(values(found), NUMBERS)


@pytest.mark.parametrize(("side", "large"), [(40_000, True), (4000, False)])
def test_files_that_may_pass_four_gigabytes_are_of_the_large_kind(
    side: int, large: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[bool] = []
    monkeypatch.setattr(tifffile, "imwrite", lambda draft, data, **options: told.append(options["bigtiff"]))
    plane = np.broadcast_to(np.uint16(1), (3, side, side))  # takes no memory
    save_labels(tmp_path / "a.tif", labels_of(plane))
    assert told == [large]


def test_each_image_of_a_flow_has_its_own_name_and_size(tmp_path: Path) -> None:
    labels = [NUMBERS[0].astype(np.uint16), NUMBERS[1, :4, :5]]
    save_labels(tmp_path / "tifs", flow_of(labels, ["a.jpg", "b 2.jpg"]))
    save_labels(tmp_path / "pngs", flow_of(labels, ["a.png", "b 2.png"]))
    save_labels(tmp_path / "many", flow_of([one.astype(np.uint32) for one in labels], ["a.png", "b 2.png"]))
    assert {path.name: sorted(file.name for file in path.iterdir()) for path in tmp_path.iterdir()} == {
        "tifs": ["a.tif", "b 2.tif"],
        "pngs": ["a.png", "b 2.png"],
        "many": ["a.tif", "b 2.tif"],
    }
    for folder in tmp_path.iterdir():
        frames = open_images(folder).frames
        for t, one in enumerate(labels):
            np.testing.assert_array_equal(frames[t], one)


@pytest.mark.parametrize("colour", ["redder", "#12345", "#12345g", 7, None])
def test_a_colour_that_somebody_edited_does_not_keep_labels_from_being_opened_and_saved(
    colour: Any, tmp_path: Path
) -> None:
    noted = read_notes({"objects": json.dumps({"1": {"name": "liver", "colour": colour}})})
    assert noted.objects == {1: LabelledObject("liver")}
    images = written(tmp_path, NUMBERS, objects=noted.objects)
    assert images.objects == {1: LabelledObject("liver")}

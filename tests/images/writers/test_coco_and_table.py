"""COCO's JSON as pycocotools reads it, and the table as a spreadsheet does."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from label_sets import X, Y, Z, flow_of, labels_of
from pycocotools import mask
from pycocotools.coco import COCO

from napari_medsam2.errors import OutputError
from napari_medsam2.images.opened import Axis, LabelledObject
from napari_medsam2.images.writers.labels import Found
from napari_medsam2.images.writers.saving import save_labels
from napari_medsam2.images.writers.table import save_table, table_beside

RANDOM = np.random.default_rng(0).integers(0, 4, (3, 8, 9)).astype(np.uint16)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools under numpy 2
def test_coco_gives_each_mask_back(tmp_path: Path) -> None:
    labels = labels_of(
        RANDOM * np.uint16(20_000),
        objects={20_000: LabelledObject("liver", "#ff8000")},
        found={(1, 20_000): Found(0.75)},
    )
    save_labels(tmp_path / "a.json", labels)
    coco = COCO(tmp_path / "a.json")
    assert coco.getImgIds() == [1, 2, 3] and coco.getCatIds() == [20_000, 40_000, 60_000]
    category = coco.loadCats(20_000)[0]
    assert (category["name"], category["color"]) == ("liver", [255, 128, 0])
    assert coco.loadCats(40_000)[0]["name"] == "object 40000"
    for t in range(3):
        drawn = np.zeros((8, 9), np.uint16)
        for one in coco.imgToAnns[t + 1]:
            shown = coco.annToMask(one).astype(bool)
            drawn[shown] = one["category_id"]
            ys, xs = np.nonzero(shown)
            assert one["area"] == shown.sum()
            assert one["bbox"] == [xs.min(), ys.min(), xs.max() - xs.min() + 1, ys.max() - ys.min() + 1]
            assert ("score" in one) == ((t + 1, one["category_id"]) == (2, 20_000))
        np.testing.assert_array_equal(drawn, labels.labels(t))


@pytest.mark.parametrize(
    "where", [np.s_[:, :], np.s_[:1, :1], np.s_[-1:, -1:], np.s_[2:4, 3:5], np.s_[:, 3:5], np.s_[2:, :]]
)
def test_run_lengths_are_those_of_pycocotools(where: tuple[slice, slice], tmp_path: Path) -> None:
    plane = np.zeros((1, 5, 7), np.uint8)
    plane[0][where] = 9
    save_labels(tmp_path / "a.json", labels_of(plane))
    (one,) = json.loads((tmp_path / "a.json").read_text())["annotations"]
    whole = mask.encode(np.asfortranarray(plane[0] == 9, dtype=np.uint8))
    assert one["segmentation"] == {"size": [5, 7], "counts": whole["counts"].decode()}


def test_coco_of_a_flow_has_an_image_for_each_in_its_own_size(tmp_path: Path) -> None:
    images = [RANDOM[0], RANDOM[1, :4, :5], np.zeros((2, 2), np.uint16)]
    save_labels(tmp_path / "a.json", flow_of(images, ["ü.png", "b", "c"]))
    content = json.loads((tmp_path / "a.json").read_text())
    assert [(i["file_name"], i["height"], i["width"]) for i in content["images"]] == [
        ("ü.png", 8, 9),
        ("b", 4, 5),
        ("c", 2, 2),
    ]
    assert {a["image_id"] for a in content["annotations"]} == {1, 2}


def test_the_table_of_a_flow_has_a_line_for_each_object_on_each_image(tmp_path: Path) -> None:
    labels = [np.zeros((6, 7), np.uint8), np.zeros((4, 5), np.uint8)]
    labels[0][1:3, 2:6] = 5
    found = {(0, 5): Found(0.9, prompted=True), (1, 5): Found(0.25), (0, 6): Found(0.1), (1, 6): Found(0.1)}
    save_table(tmp_path / "a.csv", flow_of(labels, ["a, b.png", "c.png"], found))
    table = rows(tmp_path / "a.csv")
    assert [(r["image"], r["object"], r["area_pixels"], r["confidence"], r["prompted"]) for r in table] == [
        ("a, b.png", "5", "8", "0.9000", "1"),
        ("a, b.png", "6", "0", "0.1000", "0"),
        ("c.png", "5", "0", "0.2500", "0"),
        ("c.png", "6", "0", "0.1000", "0"),
    ]
    box = [float(table[0][name]) for name in ("y0", "x0", "y1", "x1", "centroid_y", "centroid_x")]
    assert box == [0.5, 1.5, 2.5, 5.5, 1.5, 3.5]
    assert table[1]["y0"] == "" and not [name for name in table[0] if name.startswith(("area_m", "volume"))]


def test_the_table_of_a_stack_measures_in_the_units_of_the_image(tmp_path: Path) -> None:
    labels = np.zeros((3, 4, 5), np.uint8)
    labels[1, :2, :2] = 1
    found = {(t, 1): Found(0.5, prompted=t == 0) for t in range(3)}
    objects = {1: LabelledObject("tumour")}
    save_table(tmp_path / "a.csv", labels_of(labels, objects=objects, found=found, files=(Path("ct.nii.gz"),)))
    table = rows(tmp_path / "a.csv")
    assert {row["image"] for row in table} == {"ct.nii.gz"}
    assert [(r["frame"], r["name"], r["area_mm2"], r["volume_mm3"]) for r in table] == [
        ("0", "tumour", "0", "0"),  # prompted, and not there
        ("1", "tumour", "0.5", "1.25"),
    ]


def test_micrometres_are_named_in_ascii_and_axes_of_differing_units_have_no_area(tmp_path: Path) -> None:
    axes = [Axis(axis.name, 2.0, unit) for axis, unit in zip((Z, Y, X), ("micrometer", "µm", "um"), strict=True)]
    save_table(tmp_path / "a.csv", labels_of(RANDOM, axes))
    assert {"area_um2", "volume_um3"} <= set(rows(tmp_path / "a.csv")[0])
    save_table(tmp_path / "a.csv", labels_of(RANDOM, [*axes[:2], Axis("x", 1.0, "mm")]))
    assert not [name for name in rows(tmp_path / "a.csv")[0] if "2" in name or "3" in name]


def test_time_and_depth_have_columns_of_their_own(tmp_path: Path) -> None:
    save_table(tmp_path / "a.csv", labels_of(np.ones((2, 3, 4, 5), np.uint8), (Axis("t", 1, "s"), Z, Y, X)))
    assert [(r["t"], r["z"]) for r in rows(tmp_path / "a.csv")] == [(str(t), str(z)) for t in (0, 1) for z in range(3)]


def test_a_flows_folder_has_its_table_beside_it_and_never_among_the_images(tmp_path: Path) -> None:
    labels = flow_of([RANDOM[0]], ["a.png"])
    assert table_beside(tmp_path / "labels", labels) == tmp_path / "labels.csv"
    assert table_beside(tmp_path / "labels.json", labels) is None
    assert table_beside(tmp_path / "labels", labels_of(RANDOM)) is None
    among = labels_of(RANDOM, mode="flow", files=(tmp_path / "a.png",))
    assert table_beside(tmp_path / "labels", among) is None


def test_a_table_that_cannot_be_written_leaves_the_older_one(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("old")
    labels = labels_of(RANDOM)

    def gone(t: int) -> np.ndarray:
        raise OSError(28, "No space left on device")

    with pytest.raises(OutputError, match="the disk is full"):
        save_table(tmp_path / "a.csv", labels.with_labels(gone))
    assert (tmp_path / "a.csv").read_text() == "old" and len(list(tmp_path.iterdir())) == 1

"""``segment --instances``: touching things of one kind are told apart, as in the dock."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
import tifffile
from fakes import command as run
from fakes import disc

pytestmark = pytest.mark.usefixtures("blobs")

SHAPE = (64, 64)
#: Two discs that touch, and one alone.
THINGS = [disc(SHAPE, 30, 20, 9) | disc(SHAPE, 30, 37, 9), disc(SHAPE, 40, 30, 9)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    images = tmp_path / "images"
    images.mkdir()
    for t, mask in enumerate(THINGS):
        tifffile.imwrite(images / f"{t}.tif", np.where(mask, 200, 20).astype(np.uint8))
    return images


def test_touching_things_get_a_label_each_in_labels_and_table(folder: Path, tmp_path: Path, capsys) -> None:
    out, table, told = tmp_path / "labels.tif", tmp_path / "areas.csv", tmp_path / "told.json"
    words = ("--mode", "flow", "--point", "0,30,20", "--instances", "-o", out, "--table", table, "--json", told)
    assert run("segment", folder, *words) == 0
    labels = tifffile.imread(out)
    assert [sorted(set(np.unique(one)) - {0}) for one in labels] == [[1, 2], [1]]
    assert np.array_equal(labels > 0, np.stack(THINGS)) and labels[0, 30, 20] != labels[0, 30, 37]
    rows = [row for row in csv.DictReader(table.read_text().splitlines()) if int(row["area_pixels"])]
    assert [(row["image"], row["object"]) for row in rows] == [("0.tif", "1"), ("0.tif", "2"), ("1.tif", "1")]
    assert all(0 < float(row["confidence"]) <= 1 for row in rows)
    assert "3 things on 2 image(s)" in capsys.readouterr().err
    assert len(json.loads(told.read_text())["results"]) == 2, "what was found is still told by image"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--mode", "stack", "--instances"), "for unrelated images"),
        (("--mode", "flow", "--instances", "small"), "radius of a usual thing in pixels, such as 12.5; got small"),
        (("--mode", "flow", "--instances", "-3"), "radius|expected"),
        (("--mode", "flow", "--instances", "nan"), "got nan"),
    ],
)
def test_what_cannot_be_told_apart_is_said_before_a_run(folder: Path, tmp_path: Path, words, told: str, capsys) -> None:
    assert run("segment", folder, "--point", "0,30,20", "-o", tmp_path / "x.tif", *words) == 2
    assert re.search(told, capsys.readouterr().err) and not (tmp_path / "x.tif").exists()


def test_things_of_several_objects_are_refused_in_words(folder: Path, tmp_path: Path, capsys) -> None:
    prompts = tmp_path / "p.json"
    both = [{"type": "point", "frame": 0, "y": 30, "x": x, "object": n} for n, x in ((1, 20), (2, 37))]
    prompts.write_text(json.dumps({"prompts": both}))
    assert run("segment", folder, "--mode", "flow", "--prompts", prompts, "--instances", "-o", tmp_path / "x.tif") == 2
    assert "do one at a time" in capsys.readouterr().err

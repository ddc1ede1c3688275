"""Prompts in writing: on the command line, and in a JSON file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from fakes import command as run

from napari_medsam2.cli.prompt_files import MaskedSequence, parse_box, parse_point, read_prompt_file
from napari_medsam2.prompts import BoxPrompt, MaskPrompt, PointPrompt

pytestmark = pytest.mark.usefixtures("blobs")


def test_prompts_as_text() -> None:
    assert parse_point("3,1.5,2") == PointPrompt(3, 1.5, 2)
    assert parse_point("3,1,2,0") == PointPrompt(3, 1, 2, False)
    assert parse_box("3,9,8,1,2") == BoxPrompt(3, 1, 2, 9, 8)


def test_prompts_as_json(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "drawn.tif", np.array([[0, 3], [4, 3]], np.uint8))
    (tmp_path / "prompts.json").write_text(
        json.dumps(
            {
                "prompts": [
                    {"type": "point", "frame": 1, "y": 2, "x": 3, "positive": False},
                    {"type": "mask", "frame": 0, "file": "drawn.tif", "label": 3, "object": 2},
                ]
            }
        )
    )
    point, mask = read_prompt_file(tmp_path / "prompts.json").prompts
    assert point == PointPrompt(1, 2, 3, False, 1)
    assert isinstance(mask, MaskPrompt)
    assert (mask.mask.tolist(), mask.object_id) == ([[False, True], [False, True]], 2)


@pytest.mark.parametrize(
    ("item", "sentence"),
    [
        ({"type": "circle"}, '"type" must be one of point, box, scribble, polygon, mask'),
        ({"type": "scribble", "frame": 2, "path": []}, '"path" must be a list of 1 or more pairs'),
        ({"type": "scribble", "frame": 2, "path": [[1, 2], [3]]}, "must hold pairs [y, x]; got [3]"),
        ({"type": "scribble", "frame": 2, "path": [[-9, 2], [-5, 3]]}, "outside the image of 64 x 64"),
        ({"type": "polygon", "frame": 2, "outline": [[1, 2], [3, 4]]}, "3 or more pairs"),
        ({"type": "polygon", "frame": 2, "outline": [[1, 2], [3, "4"], [5, 6]]}, "must be a number"),
        ({"type": "polygon", "frame": 99, "outline": [[1, 2], [9, 4], [5, 6]]}, "number of a frame, 0 to"),
        ({"type": "polygon", "frame": 2, "outline": [[1, 1], [1, 9], [1, 5]]}, "goes around no pixel"),
        ({"type": "polygon", "frame": 2, "outline": [[1, 2], [9, 4], [5, 9]], "positive": False}, "there is none"),
        ({"type": "point", "frame": 0, "y": 1}, "also needs x"),
        ({"type": "point", "frame": 0, "y": 1, "x": 2, "z": 3}, "has no z"),
        ({"type": "point", "frame": 0, "y": "1", "x": 2}, "must be a number"),
        ({"type": "point", "frame": 0, "y": 10**400, "x": 2}, "too large a number"),
        ({"type": "point", "frame": 10**400, "y": 1, "x": 2}, "too large a number"),
        ({"type": "point", "frame": 0, "y": 1, "x": 2, "positive": 1}, "true or false"),
        ({"type": "point", "frame": "0", "y": 1, "x": 2}, "whole number"),
        ({"type": "point", "frame": 0, "y": 1, "x": 2, "object": 0}, "must be 1 or more"),
        ({"type": "mask", "frame": 0, "file": 3}, "name of an image"),
        ({"type": "mask", "frame": 0, "file": "empty.tif"}, "is empty"),
        ({"type": "mask", "frame": 0, "file": "a\0b.tif"}, "there is no file or folder"),
        ({"type": "mask", "frame": 0, "file": "empty.tif", "label": [1, 2]}, '"label" must be a number; got [1, 2]'),
        ({"type": "mask", "frame": 0, "file": "empty.tif", "label": 10**400}, "too large a number"),
        ({"type": "mask", "frame": 0, "file": "words.npy"}, "words.npy: pixels must be real numbers"),
        ({"type": "mask", "frame": 0, "file": "table.npy"}, "table.npy: pixels must be real numbers"),
        ("box", '"type" must be'),
        ({"type": ["box"]}, '"type" must be'),
        ({"type": "point", "frame": 2, "y": 31, "x": 20, "object": 2**32}, "does not fit into a label image"),
    ],
)
def test_a_prompt_that_cannot_be_used_is_named(tif: Path, item: Any, sentence: str, capsys: Any) -> None:
    file = tif.with_name("prompts.json")
    tifffile.imwrite(tif.with_name("empty.tif"), np.zeros((64, 64), np.uint8))
    np.save(tif.with_name("words.npy"), np.full((64, 64), "a"))
    np.save(tif.with_name("table.npy"), np.zeros((64, 64), [("a", "i4")]))
    file.write_text(json.dumps({"prompts": [item]}))
    assert run("segment", tif, "--mode", "stack", "--prompts", file, "-o", tif.with_name("o.tif")) == 2
    error = capsys.readouterr().err
    assert "prompt 0 of prompts.json" in error or "does not fit" in sentence or "too large" in sentence
    assert sentence in error


def test_scribbles_and_polygons_mean_what_they_do_in_the_window(tmp_path: Path) -> None:
    prompts = [
        {"type": "scribble", "frame": 1, "path": [[4, 4], [4, 16]], "positive": False, "object": 2},
        {"type": "polygon", "frame": 0, "outline": [[1.5, 1.5], [1.5, 9.5], [9.5, 9.5], [9.5, 1.5]]},
        {"type": "polygon", "frame": 0, "outline": [[3.5, 3.5], [3.5, 5.5], [5.5, 5.5], [5.5, 3.5]], "positive": False},
    ]
    (tmp_path / "prompts.json").write_text(json.dumps({"prompts": prompts}))
    *clicks, mask = read_prompt_file(tmp_path / "prompts.json", MaskedSequence(2, 0, lambda t: (20, 30))).prompts
    assert clicks == [PointPrompt(1, 4, x, False, 2) for x in (5.5, 8.5, 11.5, 14.5)]
    assert isinstance(mask, MaskPrompt) and (mask.frame, mask.object_id) == (0, 1)
    expected = np.zeros((20, 30), bool)
    expected[2:10, 2:10], expected[4:6, 4:6] = True, False
    np.testing.assert_array_equal(mask.mask, expected)


def test_polygons_that_leave_nothing_are_named(tif: Path, capsys: Any) -> None:
    outline = [[1, 1], [1, 9], [9, 9], [9, 1]]
    items = [{"type": "polygon", "frame": 2, "outline": outline, "positive": sign} for sign in (True, False)]
    file = tif.with_name("prompts.json")
    file.write_text(json.dumps({"prompts": items}))
    assert run("segment", tif, "--mode", "stack", "--prompts", file, "-o", tif.with_name("o.tif")) == 2
    assert "leave nothing of it" in capsys.readouterr().err


@pytest.mark.parametrize(
    "content",
    [
        b"[]",
        b"{}",
        b'{"prompts": []}',
        b"{",
        b'{"prompts": 3}',
        b"",
        b"\xff\xfe{}",
        b"[" * 100_000,
        b'{"prompts": [' + b"9" * 6000 + b"]}",
    ],
    ids=["list", "empty object", "no prompts", "cut off", "a number", "empty", "not UTF-8", "deep", "many digits"],
)
def test_a_json_file_without_prompts(tif: Path, content: bytes, capsys: Any) -> None:
    file = tif.with_name("prompts.json")
    file.write_bytes(content)
    assert run("segment", tif, "--mode", "stack", "--prompts", file, "-o", tif.with_name("o.tif")) == 2
    assert "prompts.json" in capsys.readouterr().err

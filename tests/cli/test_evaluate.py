"""``napari-medsam2 evaluate`` and datasets on the command line, on a model that finds bright blobs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from fakes import command as run
from fakes import moving_disc

pytestmark = pytest.mark.usefixtures("blobs")

IMAGES, MASKS = moving_disc(6)
POINT = "2,32,23"


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    path = tmp_path / "discs.npz"
    np.savez_compressed(path, images=IMAGES, masks=MASKS.astype(np.uint8))
    path.with_suffix(".json").write_text('{"kind": "stack", "objects": {"1": "disc"}}')
    return path


def test_evaluate_prints_a_table_and_writes_rows(dataset: Path, capsys: Any) -> None:
    out = dataset.with_name("scores.json")
    assert run("evaluate", dataset, "--prompt", "point", "--json", out) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("model blobs, prompt point")
    assert lines[2].split()[:2] == ["dataset", "object"]
    assert lines[-1].startswith("all stacks")
    found = json.loads(out.read_text())
    assert found["rows"][0]["dataset"] == "discs"
    assert found["means"]["stack"]["dice"] > 0.95
    assert (found["plan"]["prompt"], found["plan"]["loose"], found["plan"]["objects"]) == ("point", 0.0, None)


def test_an_npz_of_medsam2_is_scored_as_a_stack(tmp_path: Path, capsys: Any) -> None:
    np.savez_compressed(tmp_path / "CT.npz", imgs=IMAGES, gts=MASKS.astype(np.uint8), spacing=(0.8, 0.8, 5.0))
    assert run("evaluate", tmp_path / "CT.npz", "--prompt", "point", "--json", tmp_path / "scores.json") == 0
    found = json.loads((tmp_path / "scores.json").read_text())
    assert found["rows"][0]["mode"] == "stack" and found["means"]["stack"]["dice"] > 0.95


def test_evaluate_says_when_nothing_was_learned_from_masks(dataset: Path, capsys: Any) -> None:
    assert run("evaluate", dataset, "--prompt", "mask") == 0
    assert "not adapted" not in capsys.readouterr().out
    assert run("evaluate", dataset, "--prompt", "mask", "--no-adapt") == 0
    assert "not adapted" in capsys.readouterr().out


def test_evaluate_keeps_the_datasets_and_tells_those_of_one_name_apart(dataset: Path, capsys: Any) -> None:
    notes = dataset.with_suffix(".json")
    before = notes.read_text()
    assert run("evaluate", dataset, "--json", notes) == 2
    assert "is read from" in capsys.readouterr().err and notes.read_text() == before
    (dataset.parent / "other").mkdir()
    for file in (dataset, notes):
        (dataset.parent / "other" / file.name).write_bytes(file.read_bytes())
    out = dataset.with_name("scores.json")
    assert run("evaluate", dataset, dataset.parent / "other" / dataset.name, "--json", out) == 0
    found = json.loads(out.read_text())
    assert list(found["means"]["datasets"]) == ["discs", "discs (2)"]
    assert found["worst"]["stack"]["dataset"] == "discs"
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2].split()[:2] == ["discs", "worst"] and lines[-1].startswith("all stacks")


def test_evaluate_with_several_templates(dataset: Path, capsys: Any) -> None:
    out = dataset.with_name("scores.json")
    words = ("--mode", "flow", "--templates", "2", "--leave-out", "3", "--json", out)
    assert run("evaluate", dataset, *words) == 0
    told = capsys.readouterr().out
    assert "prompt box, 2 templates, the first 3 not scored" in told and " 0,1 " in told
    (row,) = json.loads(out.read_text())["rows"]
    assert (row["templates"], row["frames"], len(row["frame_dice"])) == ([0, 1], 3, 6)
    for words, error in (
        (("--templates", "0"), "1 or more; got 0"),
        (("--leave-out", "-1"), "0 or more; got -1"),
        (("--templates", "2", "--frame", "1"), "--frame prompts one frame"),
    ):
        assert run("evaluate", dataset, *words) == 2
        assert error in capsys.readouterr().err


def test_evaluate_of_the_same_images_as_a_flow(dataset: Path, capsys: Any) -> None:
    assert run("evaluate", dataset, "--mode", "flow", "--bank", "fifo", "--frame", "1") == 0
    assert "all flows" in capsys.readouterr().out


def test_evaluate_refuses_what_is_not_there(dataset: Path, capsys: Any) -> None:
    assert run("evaluate", dataset, "--object", "9") == 2
    assert "no object 9" in capsys.readouterr().err
    assert run("evaluate", dataset, dataset.with_name("none.npz")) == 2
    assert "none.npz" in capsys.readouterr().err
    tifffile.imwrite(dataset.with_name("scan.tif"), IMAGES)
    assert run("evaluate", dataset.with_name("scan.tif")) == 2
    assert "a dataset is an npz with images and masks" in capsys.readouterr().err
    for loose in ("-0.1", "1.1"):
        assert run("evaluate", dataset, "--loose", loose) == 2
        assert "0 to 1" in capsys.readouterr().err
    assert run("evaluate", dataset, "--loose", "0.1", "--prompt", "point") == 2
    assert "the prompt is a point" in capsys.readouterr().err
    assert run("evaluate", dataset, "--seed", "-1") == 2
    assert "--seed is a whole number, 0 or more; got -1" in capsys.readouterr().err
    assert run("evaluate", dataset, "--parts", "0") == 2
    assert "1 or more; got 0" in capsys.readouterr().err
    assert run("evaluate", dataset, "--corrections", "-1") == 2
    assert "0 or more; got -1" in capsys.readouterr().err


def test_input_may_be_a_dataset(dataset: Path) -> None:
    out = dataset.with_name("labels.tif")
    assert run("segment", dataset, "--mode", "stack", "--point", POINT, "-o", out) == 0
    assert tifffile.imread(out).any(axis=(1, 2)).all()

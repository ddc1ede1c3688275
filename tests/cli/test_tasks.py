"""``segment --task`` and ``--save-task``: one prompt made once, from file to file."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import tifffile
from fakes import command as run
from flows import flow_frames

pytestmark = pytest.mark.usefixtures("blobs")

RED = (200, 40, 40)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two weeks of images, and a task made on the first."""
    for week, n in (("monday", 3), ("friday", 4)):
        (tmp_path / week).mkdir()
        for t, frame in enumerate(flow_frames([RED] * n)):
            tifffile.imwrite(tmp_path / week / f"{t}.tif", frame, photometric="rgb")
    task = ("--save-task", tmp_path / "red.medsam2task")
    assert run("segment", tmp_path / "monday", "--mode", "flow", "--point", "0,14,15", "-o", tmp_path / "a", *task) == 0
    return tmp_path


def test_images_of_another_day_are_segmented_without_a_prompt(folder: Path, capsys):
    task, out = folder / "red.medsam2task", folder / "labels.tif"
    assert run("segment", folder / "friday", "--task", task, "-o", out) == 0
    labels = tifffile.imread(out)
    np.testing.assert_array_equal(labels > 0, np.stack([f[..., 0] > 100 for f in flow_frames([RED] * 4)]))
    told = capsys.readouterr()
    assert "red: object 1: 1 template, made with blobs" in told.err and "1 object(s), 4 of 4 frames" in told.out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--task", "none.medsam2task", "-o", "x.tif"), "there is no task file"),
        (("--task", "red.medsam2task", "--mode", "stack", "-o", "x.tif"), "for separate images"),
        (("--task", "monday/0.tif", "-o", "x.tif"), "damaged, or none|no task file"),
        (("--mode", "flow", "--point", "0,14,15", "--save-task", "red.json", "-o", "x.tif"), "is called NAME"),
        (("--mode", "flow", "--point", "0,14,15", "--with-found", "-o", "x.tif"), "goes with --save-task"),
        (("--mode", "flow", "-o", "x.tif"), "or a task file"),
    ],
)
def test_what_cannot_be_is_said_before_a_run(folder: Path, words, told: str, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    assert run("segment", "friday", *words) == 2
    assert re.search(told, capsys.readouterr().err)
    assert not (folder / "x.tif").exists()

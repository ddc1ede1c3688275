"""The picture of what the model is most wrong about."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

TOOL = Path(__file__).parents[2] / "tools" / "draw_failures.py"


def write_flow(path: Path) -> Path:
    """Bright discs; on image 2 the truth says that it is something else, in the corner."""
    rows, columns = np.indices((48, 64))
    masks = np.stack([(rows - 24) ** 2 + (columns - x) ** 2 <= 100 for x in (24, 30, 36, 40)])
    noise = np.random.default_rng(0).normal(0, 4, masks.shape)
    images = (50 + 150 * masks + noise).clip(0, 255).astype(np.uint8)
    masks[2] = (rows < 10) & (columns < 12)
    np.savez(path, images=images, masks=masks.astype(np.uint8))
    path.with_suffix(".json").write_text(json.dumps({"kind": "flow", "objects": {"1": "disc"}}))
    return path


def close_to(picture: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    return np.abs(picture.astype(int) - colour).max(-1) < 60


def test_the_worst_image_is_drawn_beside_the_prompted_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tool, out = runpy.run_path(str(TOOL)), tmp_path / "failures.png"
    assert tool["main"]([str(out), "micro", str(write_flow(tmp_path / "discs.npz"))]) == 0
    assert capsys.readouterr().out.startswith("discs 1, prompted on 0: 0.000 on 2, confidence 0.")

    picture = np.asarray(Image.open(out))
    prompted, worst = np.split(picture, 2, axis=1)
    scale, top, left = tool["SIDE"] / 64, tool["HEADING"], tool["MARGIN"]
    where = np.argwhere(close_to(prompted, tool["BOX"]))
    assert np.abs(where.min(0) - [top + 14 * scale, left + 14 * scale]).max() <= 2
    assert np.abs(where.max(0) - [top + 35 * scale, left + 35 * scale]).max() <= 2
    truth, found = (np.argwhere(close_to(worst, tool[name])).mean(0) - [top, 0] for name in ("TRUE", "FOUND"))
    assert (truth < 14 * scale).all()  # in the corner
    assert np.abs(found - [24.5 * scale, 36.5 * scale]).max() < 4 * scale


def test_pairs_are_put_in_rows() -> None:
    whole = runpy.run_path(str(TOOL))["beside_each_other"]([Image.new("RGB", (30, height)) for height in (20, 16, 10)])
    assert whole.size == (60, 30)
    places = ((15, 19), (45, 15), (15, 29), (45, 19), (45, 29))
    assert [whole.getpixel(place) == (0, 0, 0) for place in places] == [True] * 3 + [False] * 2


def test_without_a_dataset_it_says_how_it_is_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert runpy.run_path(str(TOOL))["main"]([str(tmp_path / "x.jpg"), "micro"]) == 2
    assert "draw_failures.py OUT MODEL" in capsys.readouterr().err

"""The learning rate, and the training curve as a table and as a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_medsam2.training.config import TrainConfig
from napari_medsam2.training.run.curve import Curve
from napari_medsam2.training.run.files import CURVE
from napari_medsam2.training.run.picture import draw_curve, smooth
from napari_medsam2.training.run.trainer import rate_share


def test_the_learning_rate_rises_stays_and_falls() -> None:
    config = TrainConfig(steps=100, warmup=10, decay=0.5)
    rates = [rate_share(config, step) for step in (0, 9, 49, 75, 100)]
    assert rates == pytest.approx([0.1, 1.0, 1.0, 0.5, 0.0])


def test_a_new_figure_gets_a_column_and_the_older_rows_stay(tmp_path: Path) -> None:
    curve = Curve(tmp_path / CURVE)
    curve.add(1, {"loss": 0.5})
    curve.add(2, {"loss": 0.25, "held_out": 0.75})
    assert (tmp_path / CURVE).read_text().splitlines() == ["step,loss,held_out", "1,0.5,", "2,0.25,0.75"]
    assert Curve(tmp_path / CURVE, 1).rows == [{"step": 1.0, "loss": 0.5}]


def test_the_picture_shows_what_there_is(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = [
        {"step": s, "loss": 1 / s, "ordered": s % 2, "others": 0.9 - 0.5 / s + rng.normal(0, 0.05), "prompted": 0.5}
        for s in range(1, 200)
    ]
    rows[100] |= {"held_out": 0.7, "prompted": float("nan")}
    draw_curve(rows, tmp_path / "whole.png", before=0.4)
    draw_curve([{"step": 1, "loss": 0.3, "ordered": 1, "others": float("nan")}], tmp_path / "one.png")
    with Image.open(tmp_path / "whole.png") as whole, Image.open(tmp_path / "one.png") as one:
        pixels, few = np.asarray(whole).reshape(-1, 3), np.asarray(one).reshape(-1, 3)
    for colour in ((0, 114, 178), (230, 159, 0), (213, 94, 0), (60, 66, 75)):
        assert (np.abs(pixels - colour).sum(1) < 12).sum() > 40, colour
    assert (np.abs(few - (0, 114, 178)).sum(1) < 12).sum() == 0
    assert np.allclose(smooth(np.full(30, 0.7)), 0.7)

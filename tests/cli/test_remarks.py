"""segment says what the contrast left out, and refuses images that show nothing before a model is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from fakes import command as run
from fakes import moving_disc

from napari_medsam2.models import loading

pytestmark = pytest.mark.usefixtures("blobs")

IMAGES, MASKS = moving_disc(6)
NOISE = np.random.default_rng(0).integers(-8, 8, IMAGES.shape)
CT = (IMAGES.astype(np.int16) * 4 + NOISE).astype(np.int16)
POINT = ("--point", "2,32,23")


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (np.zeros((6, 64, 64), np.uint8), "all their pixels are 0"),
        (np.full((6, 64, 64, 3), 255, np.uint8), "all their pixels are 255"),
        (np.full((6, 64, 64), np.nan, np.float32), "none of their pixels is a finite number"),
    ],
)
@pytest.mark.parametrize("mode", ["stack", "flow"])
def test_images_that_show_nothing_are_refused(
    images: Any, words: str, mode: str, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tifffile.imwrite(tmp_path / "blank.tif", images)
    monkeypatch.setattr(loading, "load_model", pytest.fail)
    out = tmp_path / "labels.tif"
    assert run("segment", tmp_path / "blank.tif", "--mode", mode, *POINT, "-o", out) == 2
    error = capsys.readouterr().err
    assert words in error and "nothing to segment" in error and "blank.tif" in error
    assert not out.exists()


def test_padding_in_a_stack_is_told_before_the_run_and_does_not_hide_the_object(tmp_path: Path, capsys: Any) -> None:
    padded = CT.copy()
    padded[:, :8] = -2000
    padded[5] = -2000
    tifffile.imwrite(tmp_path / "ct.tif", padded)
    assert run("segment", tmp_path / "ct.tif", "--mode", "stack", *POINT, "-o", tmp_path / "labels.tif") == 0
    error = capsys.readouterr().err
    assert error.index("padding (-2000, 12 % of the pixels)") < error.index("6/6")
    assert "nothing can be found: frame 5" in error
    labels = tifffile.imread(tmp_path / "labels.tif").astype(bool)
    assert (labels[:5] ^ MASKS[:5]).mean() < 0.01


def test_a_flow_names_the_images_once_they_were_read(tmp_path: Path, capsys: Any) -> None:
    folder = tmp_path / "scans"
    folder.mkdir()
    for t, image in enumerate(CT):
        image[:6] = -32768 if t == 3 else image[:6]
        tifffile.imwrite(folder / f"scan{t}.tif", image * 0 if t == 4 else image)
    assert run("segment", folder, "--mode", "flow", *POINT, "-o", tmp_path / "labels") == 0
    error = capsys.readouterr().err
    assert "Left out of the contrast: scan3.tif: padding (-32768, 9.4 % of the pixels)." in error
    assert "nothing can be found: scan4.tif." in error
    assert error.count("scan4.tif") == 1

"""What a user gets from `pip install`: everything the plugin needs is inside the wheel."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return zipfile.ZipFile(next(folder.glob("*.whl")))


def test_the_wheel_has_the_manifest_the_types_and_the_bundled_model(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    assert {"napari_medsam2/napari.yaml", "napari_medsam2/py.typed", "napari_medsam2/models/models.toml"} <= names
    weights = [wheel.getinfo(name) for name in names if name.endswith(".safetensors")]
    assert weights
    assert sum(entry.file_size for entry in weights) <= 12e6


def test_the_bundled_model_has_a_model_card(wheel: zipfile.ZipFile) -> None:
    assert [name for name in wheel.namelist() if name.startswith("napari_medsam2/weights/") and name.endswith(".md")]


def test_the_wheel_is_pure_python_and_has_no_tests_in_it(wheel: zipfile.ZipFile) -> None:
    assert str(wheel.filename).endswith("py3-none-any.whl")
    assert {name.partition("/")[0].partition("-")[0] for name in wheel.namelist()} == {"napari_medsam2"}

"""What a user gets from `pip install`: everything the plugin needs is inside the wheel."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def built(kind: str, folder: Path) -> Path:
    """The package as a "wheel" or an "sdist"."""
    build = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(folder)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return next(folder.iterdir())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    return zipfile.ZipFile(built("wheel", tmp_path_factory.mktemp("wheel")))


def test_the_wheel_has_the_manifest_the_types_and_the_bundled_model(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    assert {"napari_medsam2/napari.yaml", "napari_medsam2/py.typed", "napari_medsam2/models/models.toml"} <= names
    weights = [wheel.getinfo(name) for name in names if name.endswith(".safetensors")]
    assert weights
    assert sum(entry.file_size for entry in weights) <= 14e6


def test_the_bundled_model_has_a_model_card(wheel: zipfile.ZipFile) -> None:
    assert [name for name in wheel.namelist() if name.startswith("napari_medsam2/weights/") and name.endswith(".md")]


def test_the_makers_of_the_pretrained_parts_are_named_in_what_is_given_away(
    wheel: zipfile.ZipFile, tmp_path: Path
) -> None:
    inside = [name for name in wheel.namelist() if name.endswith(".dist-info/licenses/NOTICE")]
    with tarfile.open(built("sdist", tmp_path)) as sdist:
        member = next(name for name in sdist.getnames() if name.count("/") == 1 and name.endswith("/NOTICE"))
        packed = sdist.extractfile(member)
        assert packed is not None
        assert [wheel.read(name) for name in inside] == [packed.read()]
    (notice,) = (wheel.read(name).decode() for name in inside)
    assert all(name in notice for name in ("EfficientNet-Lite0", "ML Illustrated", "MobileSAM", "Segment Anything"))


def test_the_wheel_is_pure_python_and_has_no_tests_in_it(wheel: zipfile.ZipFile) -> None:
    assert str(wheel.filename).endswith("py3-none-any.whl")
    assert {name.partition("/")[0].partition("-")[0] for name in wheel.namelist()} == {"napari_medsam2"}

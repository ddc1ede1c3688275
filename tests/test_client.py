"""napari-medsam2-client: the same source without torch, in an environment that has none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tifffile
from packaging.requirements import Requirement

from napari_medsam2 import distribution
from napari_medsam2.images.formats import open_images

ROOT = Path(__file__).parents[1]
#: What an environment of the client has none of.
OF_MODELS = ("torch", "functorch", "huggingface_hub", "napari_medsam2", "_editable_impl_napari_medsam2")


def build(project: Path, folder: Path, kind: str = "wheel") -> Path:
    """A distribution of a project, as a "wheel" or an "sdist"."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(folder)]
    subprocess.run(command, cwd=project, check=True, capture_output=True)
    return next(folder.iterdir())


def python(environment: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What comes of the Python of an environment, with nothing of ours around it."""
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [str(environment / "bin" / "python"), *arguments]
    return subprocess.run(command, cwd=environment, env=variables, capture_output=True, text=True, check=False)


def pip(environment: Path, *arguments: str) -> None:
    command = [
        sys.executable,
        "-m",
        "pip",
        "--disable-pip-version-check",
        "--python",
        str(environment / "bin" / "python"),
    ]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def environment_without_torch(folder: Path) -> Path:
    """An environment with all that is installed here but torch and what goes with it; nothing is fetched."""
    packages = folder / "packages"
    packages.mkdir(parents=True)
    for entry in Path(sysconfig.get_paths()["purelib"]).iterdir():
        if not entry.name.startswith(OF_MODELS) and entry.suffix != ".pth":
            (packages / entry.name).symlink_to(entry)
    venv.create(folder / "env", symlinks=True)
    (site,) = (folder / "env").glob("lib/python*/site-packages")
    (site / "here.pth").write_text(f"{packages}\n")
    return folder / "env"


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The complete distribution, and the client."""
    folder = tmp_path_factory.mktemp("wheels")
    return build(ROOT, folder / "complete"), build(ROOT / "packaging" / "client", folder / "client")


@pytest.fixture(scope="module")
def client(wheels: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment where the client was installed; nothing that it asks for is missing, or pip would fetch it."""
    environment = environment_without_torch(tmp_path_factory.mktemp("client"))
    pip(environment, "install", "--no-index", str(wheels[1]))
    return environment


def needs(wheel: Path) -> set[str]:
    """Names of what a wheel cannot do without."""
    with zipfile.ZipFile(wheel) as file:
        (name,) = (name for name in file.namelist() if name.endswith(".dist-info/METADATA"))
        lines = file.read(name).decode().partition("\n\n")[0].splitlines()
    told = [Requirement(line.partition(":")[2]) for line in lines if line.startswith("Requires-Dist:")]
    return {need.name for need in told if need.marker is None or "extra" not in str(need.marker)}


def test_the_client_needs_what_the_complete_one_does_but_torch_and_has_no_weights(wheels: tuple[Path, Path]) -> None:
    complete, client = wheels
    assert needs(complete) - needs(client) == {"torch", "huggingface-hub"} and needs(client)
    inside = [zipfile.ZipFile(wheel).namelist() for wheel in wheels]
    ours = [{name for name in names if name.startswith("napari_medsam2/")} for names in inside]
    assert ours[0] - ours[1] == {name for name in ours[0] if name.startswith("napari_medsam2/weights/")} != set()
    assert ours[1] <= ours[0]
    assert complete.name.replace("napari_medsam2", "napari_medsam2_client") == client.name  # one version
    assert client.stat().st_size < 2e6


def test_the_client_comes_of_its_source_archive_as_it_comes_of_the_repository(
    wheels: tuple[Path, Path], tmp_path: Path
) -> None:
    archive = build(ROOT / "packaging" / "client", tmp_path / "sdist", "sdist")
    subprocess.run([sys.executable, "-m", "tarfile", "-e", str(archive), str(tmp_path)], check=True)
    again = build(tmp_path / archive.name.removesuffix(".tar.gz"), tmp_path / "wheel")
    ours = [zipfile.ZipFile(wheel) for wheel in (again, wheels[1])]
    files = [{name: wheel.read(name) for name in wheel.namelist() if not name.endswith("RECORD")} for wheel in ours]
    assert files[0] == files[1]
    for name in ("LICENSE", "NOTICE"):
        assert (ROOT / name).read_bytes() in files[0].values()


def test_without_torch_the_commands_answer_and_a_model_is_refused_in_words(client: Path, tmp_path: Path) -> None:
    assert python(client, "-c", "import torch").returncode == 1
    command = str(client / "bin" / "napari-medsam2")
    for arguments in (["--help"], ["--version"], ["segment", "--help"], ["models", "list"]):
        done = python(client, command, *arguments)
        assert done.returncode == 0 and done.stdout and not done.stderr, done
    tifffile.imwrite(tmp_path / "scan.tif", np.random.default_rng(0).integers(0, 99, (5, 32, 32), np.uint8))
    scan, labels = str(tmp_path / "scan.tif"), tmp_path / "labels.tif"
    for arguments in (["segment", scan, "--mode", "stack", "--box", "0,4,4,9,9", "-o", str(labels)], ["bench"]):
        done = python(client, command, *arguments)
        assert done.returncode == 2 and not labels.exists()
        assert done.stderr.count("\n") == 1 and "PyTorch is not installed" in done.stderr


def test_without_torch_files_are_read_and_written(client: Path, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "scan.tif", np.zeros((5, 32, 32), np.uint8))
    code = """
import sys
from pathlib import Path
import numpy as np
from napari_medsam2 import BoxPrompt, SessionOptions, open_images
from napari_medsam2.images.writers.labels import Labelled
from napari_medsam2.images.writers.saving import save_labels
images = open_images("scan.tif")
labelled = Labelled(images, tuple("01234"), "stack", np.uint8)
for name in ("labels.tif", "labels.nii.gz", "labels.nrrd", "labels.ome.zarr"):
    save_labels(Path(name), labelled.with_labels(lambda t: np.full((32, 32), t)))
BoxPrompt(0, 4, 4, 9, 9), SessionOptions()
assert "torch" not in sys.modules
"""
    (tmp_path / "use.py").write_text(f"import os; os.chdir({str(tmp_path)!r})\n{code}")
    done = python(client, str(tmp_path / "use.py"))
    assert done.returncode == 0, done.stderr
    assert [frame.max() for frame in open_images(tmp_path / "labels.nrrd")] == [0, 1, 2, 3, 4]


FOUND = """
import json, npe2
manager = npe2.PluginManager()
manager.discover()
names = [m.name for m in manager.iter_manifests() if "medsam2" in m.name]
import napari_medsam2.distribution as d
print(json.dumps([names, d.plugin_name(), bool(d.two_at_once())]))
"""


def test_napari_finds_the_client_under_its_name(client: Path) -> None:
    done = python(client, "-c", FOUND)
    assert json.loads(done.stdout) == [["napari-medsam2-client"], "napari-medsam2-client", False], done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("last", ["complete", "client"])
def test_both_at_once_are_one_plugin_and_it_is_said_how_to_have_one(
    wheels: tuple[Path, Path], tmp_path: Path, last: str
) -> None:
    environment = environment_without_torch(tmp_path)
    for wheel in wheels if last == "client" else reversed(wheels):
        pip(environment, "install", "--no-index", "--no-deps", str(wheel))
    name = {"complete": distribution.COMPLETE, "client": distribution.CLIENT}[last]
    assert json.loads(python(environment, "-c", FOUND).stdout) == [[name], name, True]
    done = python(environment, "-m", "napari_medsam2", "models", "list")
    assert done.returncode == 0 and "pip uninstall napari-medsam2 napari-medsam2-client" in done.stderr
    pip(environment, "uninstall", "-y", distribution.COMPLETE, distribution.CLIENT)
    pip(environment, "install", "--no-index", "--no-deps", str(wheels[0]))
    assert json.loads(python(environment, "-c", FOUND).stdout) == [["napari-medsam2"], "napari-medsam2", False]


def test_here_is_one_distribution() -> None:
    assert distribution.plugin_name() == "napari-medsam2"
    assert distribution.two_at_once() == ""

"""What importing the package brings with it at run time: no Qt below the face, no torch before it is needed.

Which module may import which is said in `pyproject.toml` and checked by import-linter (`make lint`).
"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import napari_medsam2

PACKAGE = Path(napari_medsam2.__file__).parent
#: Rooms whose modules may need torch, and the modules of other rooms that do: where a model runs.
ROOMS_OF_MODELS = ("server", "network", "training")
RUN_A_MODEL = {
    *("segment.adaptation", "segment.augmentation", "segment.close_up", "segment.finder", "segment.following"),
    *("segment.prompt_tensors", "segment.readings", "segment.scratch", "segment.segmenter", "segment.views"),
    *("segment.whole_frame", "segment.window_predictor"),
    *("session.propagation", "session.recorded", "session.replay", "session.rivals", "session.session"),
    *("session.memories", "session.steps", "session.teaching"),
}
FACE_LIBRARIES = {"magicgui", "napari", "qtpy", "superqt", "PyQt5", "PyQt6", "PySide6"}


def core_modules() -> list[str]:
    """All modules of the package but the face's, and with them the packages they are in."""
    paths = [path.relative_to(PACKAGE.parent).with_suffix("") for path in sorted(PACKAGE.rglob("[!_]*.py"))]
    return [".".join(path.parts) for path in paths if "_gui" not in path.parts]


def top_level_modules_after(code: str) -> set[str]:
    """Names of the top-level modules that a fresh interpreter holds after running ``code``."""
    code += "\nimport json, sys; print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return set(json.loads(run.stdout.splitlines()[-1]))


def test_the_face_stays_out_of_the_core() -> None:
    modules = core_modules()
    assert "napari_medsam2.prompts" in modules and "napari_medsam2.cli.main" in modules
    assert not top_level_modules_after("\n".join(f"import {name}" for name in modules)) & FACE_LIBRARIES


@pytest.mark.parametrize("module", ["napari_medsam2", "napari_medsam2.cli.main", "napari_medsam2.models.loading"])
def test_importing_needs_no_torch(module: str) -> None:
    assert "torch" not in top_level_modules_after(f"import {module}")


def test_opening_the_dock_needs_no_torch() -> None:
    assert "torch" not in top_level_modules_after("import napari_medsam2._widget")


def test_only_what_runs_a_model_needs_torch() -> None:
    """What a computer that has its models run elsewhere needs is all the rest, the whole face with it."""
    modules = [".".join(path.relative_to(PACKAGE).with_suffix("").parts) for path in sorted(PACKAGE.rglob("*.py"))]
    modules = [name.removesuffix(".__init__") for name in modules if not name.startswith(ROOMS_OF_MODELS)]
    code = f"""
import importlib, json, sys
sys.modules["torch"] = None  # as if it were not installed
without = []
for name in {[name for name in modules if name not in ("__init__", "__main__")]}:
    try:
        importlib.import_module("napari_medsam2." + name)
    except ModuleNotFoundError as error:
        assert error.name.partition(".")[0] == "torch", error
        without.append(name)
print(json.dumps(without))
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert set(json.loads(run.stdout)) == RUN_A_MODEL


def test_the_public_names_are_there() -> None:
    for name in napari_medsam2.__all__:
        assert getattr(napari_medsam2, name) is not None
        assert name in dir(napari_medsam2)


def test_an_unknown_name_is_refused_with_the_names_on_offer() -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'Sesion'; it offers .*Session"):
        napari_medsam2.Sesion  # noqa: B018


def test_the_version_is_that_of_the_distribution() -> None:
    assert napari_medsam2.__version__ == version("napari-medsam2")

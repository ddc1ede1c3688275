"""The README and the pages under docs/ tell the truth: their commands and their Python are run as they stand."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_medsam2._gui.panels.keys import KEYS
from napari_medsam2.images.formats import open_images
from napari_medsam2.models.registry import MODELS
from napari_medsam2.results import FrameResult
from napari_medsam2.session.image_identity import content_of
from napari_medsam2.session.saved import Changes, SavedImage
from napari_medsam2.session.session_file import SessionFile

ROOT = Path(__file__).parents[1]
PAGES = ["README.md", *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").glob("*.md"))]
#: Commands that a test must not run: they open a window, take hours or fetch something.
NOT_RUN = {("demo",), ("train",), ("bench",), ("serve",), ("models", "download"), ("models", "import")}


def blocks(page: str, language: str) -> list[str]:
    """The fenced blocks of a page in one language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", (ROOT / page).read_text(), flags=re.MULTILINE | re.DOTALL)


def commands(page: str) -> list[list[str]]:
    """The `napari-medsam2` commands of a page that can be run here, as argument lists."""
    lines = "\n".join(blocks(page, "sh")).replace("\\\n", " ").splitlines()
    calls = [shlex.split(line, comments=True) for line in lines if line.startswith("napari-medsam2 ")]
    return [call[1:] for call in calls if "--help" in call or not {tuple(call[1:2]), tuple(call[1:3])} & NOT_RUN]


def disc(shape: tuple[int, int], y: float, x: float, radius: float) -> np.ndarray:
    rows, columns = np.indices(shape)
    return (rows - y) ** 2 + (columns - x) ** 2 <= radius**2


def write_session(path: Path, scan: Path) -> None:
    """What the dock saves of a stack on which a disc was found."""
    frames = open_images(scan).frames
    shapes = tuple(frames.shape(t) for t in range(len(frames)))
    masks = {t: disc(shape, shape[0] / 2, shape[1] / 2, 5) for t, shape in enumerate(shapes)}
    found = {(t, 1): FrameResult(t, 1, mask, 0.9, 0.9, 1.0, False, 0.1) for t, mask in masks.items()}
    with SessionFile(path, SavedImage("scan", str(scan), shapes, content_of(frames)), "stack") as file:
        file.write(Changes(results=found))


@pytest.fixture
def user_files(tmp_path: Path) -> Path:
    """What the README calls the user's own files: a small stack, a folder of images, a mask, a dataset."""
    rng = np.random.default_rng(0)
    shape = (64, 72)
    masks = np.stack([disc(shape, 32, 34 + t, 10) for t in range(5)])
    images = (60 + 120 * masks + rng.normal(0, 6, masks.shape)).clip(0, 255).astype(np.uint8)
    tifffile.imwrite(tmp_path / "scan.tif", images)
    tifffile.imwrite(tmp_path / "mask.tif", masks[2].astype(np.uint8))
    np.savez(tmp_path / "dataset.npz", images=images, masks=masks.astype(np.uint8))
    (tmp_path / "dataset.json").write_text('{"name": "dataset", "kind": "stack"}')
    write_session(tmp_path / "scan.medsam2", tmp_path / "scan.tif")
    (tmp_path / "cells").mkdir()
    for number in range(3):
        cell = disc((48, 56), 24, 24 + 4 * number, 9)
        tifffile.imwrite(tmp_path / "cells" / f"{number}.tif", (40 + 150 * cell).astype(np.uint8))
    (tmp_path / "scans").mkdir()
    tifffile.imwrite(tmp_path / "scans" / "one.tif", images)
    box = {"type": "box", "frame": 2, "y0": 20, "x0": 24, "y1": 44, "x1": 48}
    (tmp_path / "scans" / "one.json").write_text(json.dumps({"prompts": [box]}))
    (tmp_path / "jobs.csv").write_text(blocks("docs/batch.md", "csv")[0])
    for index, text in enumerate(blocks("docs/prompts.md", "json")):
        (tmp_path / ("prompts.json" if index == 0 else f"prompts-{index}.json")).write_text(text)
    return tmp_path


def run(arguments: list[str], folder: Path) -> str:
    environment = {**os.environ, "PYTHONWARNINGS": "error::DeprecationWarning:napari_medsam2"}
    done = subprocess.run(arguments, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{shlex.join(arguments)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)])
def test_the_commands_run(page: str, user_files: Path) -> None:
    for arguments in commands(page):
        run([str(Path(sys.executable).with_name("napari-medsam2")), *arguments], user_files)
        for option in {"-o", "--output"} & set(arguments):
            labels = open_images(user_files / arguments[arguments.index(option) + 1])
            assert len(labels) > 1 and any(frame.any() for frame in labels)


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")])
def test_the_python_runs(page: str, user_files: Path) -> None:
    run([sys.executable, "-c", "\n".join(blocks(page, "python"))], user_files)


def test_the_models_of_the_table_are_the_models_there_are() -> None:
    table = (ROOT / "README.md").read_text().partition("## Models")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `([^`]+)` \|", table, flags=re.MULTILINE) == list(MODELS)


def test_the_keys_of_the_table_are_the_keys_there_are() -> None:
    table = (ROOT / "README.md").read_text().partition("| key | does |")[2].partition("\n\n")[0]
    printed = re.findall(r"`([^`]+)`", table)
    also = {"Esc", "Enter", "Control", "Tab", "F6"}
    assert {key.replace("Ctrl", "Control").replace("+", "-") for key in printed} == {*KEYS.values(), *also}


def anchors(page: Path) -> set[str]:
    """What GitHub calls the headings of a page: their words in small letters with hyphens between, no punctuation."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", [*PAGES, "CONTRIBUTING.md"])
def test_links_between_pages_lead_somewhere(page: str) -> None:
    here = ROOT / page
    for link in re.findall(r"\]\((?!https?:)([^)]+)", here.read_text()):
        name, _, heading = link.partition("#")
        there = here.parent / name if name else here
        assert there.exists(), link
        assert not heading or heading in anchors(there), link

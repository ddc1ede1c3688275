"""CONTRIBUTING.md shows the house as it is: all folders, and no file that is not there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "napari_medsam2"
PAGE = (ROOT / "CONTRIBUTING.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)


def tree() -> dict[Path, str]:
    """Each path of the tree, with what is said of it."""
    said: dict[Path, str] = {}
    above = [ROOT]
    for line in blocks("text")[0].splitlines():
        entry = re.match(r"( {0,6})(\S+) *(.*)", line)
        if entry:
            depth = len(entry[1]) // 2
            above[depth + 1 :] = [above[depth] / entry[2]]
            said[above[-1]] = entry[3]
        elif line.strip():
            said[above[-1]] += "\n" + line.strip()
    return said


def test_the_tree_has_all_folders_and_what_lies_beside_them() -> None:
    rooms = [path.parent for path in PACKAGE.rglob("__init__.py") if path.parent != PACKAGE]
    there = {*rooms, *PACKAGE.glob("*.py")}
    shown = set(tree())
    assert {str(path) for path in there - shown} == set()
    assert [str(path) for path in shown if not path.exists()] == []


def test_what_is_said_of_a_folder_names_files_that_are_in_it() -> None:
    missing = [
        f"{folder.name}/{name}"
        for folder, text in tree().items()
        for name in re.findall(r"\b\w+\.(?:py|md|toml)\b", text)
        if not list((folder if folder.is_dir() else PACKAGE).rglob(name)) and not (PACKAGE / name).exists()
    ]
    assert missing == []


@pytest.mark.parametrize("picture", blocks("mermaid"))
def test_the_pictures_name_files_that_are_there(picture: str) -> None:
    names = re.findall(r"[\w/]+\.py\b", picture)
    assert names
    assert [name for name in names if not list(PACKAGE.rglob(name))] == []

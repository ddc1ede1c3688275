"""A file that is damaged anywhere opens, or is refused in a sentence; the next good one opens as if nothing was."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fakes import click, stack_session
from hypothesis import given
from hypothesis import strategies as st

from attacks import DAMAGE, FEW, FILES, MANY, attack, damaged, outcome, own_folder
from napari_medsam2.images.formats import open_images
from napari_medsam2.models.files import import_model
from napari_medsam2.session.image_identity import content_of
from napari_medsam2.session.session_file import Changes, SavedImage, SessionFile, read_session

Damage = list[tuple[str, float, bytes]]


def _read(path: Path, *, partial: bool = False) -> None:
    images = open_images(path, partial=partial)
    for t in range(min(len(images.frames), 4)):
        assert np.asarray(images.frames[t]).ndim in (2, 3)


def _harm(kind: str, damage: Damage, which: int, folder: Path) -> Path:
    path = FILES[kind](folder)
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    file = files[which % len(files)]
    file.write_bytes(damaged(file.read_bytes(), damage))
    return path


def _attack_reader(kind: str, damage: Damage, which: int) -> None:
    with own_folder() as folder:
        path = _harm(kind, damage, which, folder)
        for partial in (False, True):
            outcome(lambda partial=partial: _read(path, partial=partial))
    with own_folder() as folder:
        _read(FILES[kind](folder))


@pytest.mark.parametrize("kind", FILES)
@attack(FEW)
@given(damage=DAMAGE, which=st.integers(0, 9))
def test_a_damaged_file_is_read_or_refused(kind: str, damage: Damage, which: int) -> None:
    _attack_reader(kind, damage, which)


@pytest.mark.slow
@pytest.mark.parametrize("kind", FILES)
@attack(MANY)
@given(damage=DAMAGE, which=st.integers(0, 9))
def test_many_damaged_files_are_read_or_refused(kind: str, damage: Damage, which: int) -> None:
    _attack_reader(kind, damage, which)


def _session_file(folder: Path) -> Path:
    session, masks = stack_session(3)
    session.add(click(0, masks))
    results = {(result.frame, result.object_id): result for result in session.propagate()}
    shapes = tuple(session.frames.shape(t) for t in range(len(session.frames)))
    image = SavedImage("scan", "scan.tif", shapes, content_of(session.frames), {})
    path = folder / "scan.medsam2"
    with SessionFile(path, image, "stack") as file:
        file.write(Changes({"model": "micro"}, {}, {}, results, {}))
    return path


def _attack_session(damage: Damage, make: Callable[[Path], Path] = _session_file) -> None:
    with own_folder() as folder:
        path = make(folder)
        path.write_bytes(damaged(path.read_bytes(), damage))
        outcome(lambda: read_session(path))


@attack(FEW)
@given(damage=DAMAGE)
def test_a_damaged_session_file_is_read_or_refused(damage: Damage) -> None:
    _attack_session(damage)


@pytest.mark.slow
@attack(MANY)
@given(damage=DAMAGE)
def test_many_damaged_session_files_are_read_or_refused(damage: Damage) -> None:
    _attack_session(damage)


@attack(FEW)
@given(content=st.binary(max_size=300))
def test_bytes_that_are_nothing_are_refused_as_images_and_weights(content: bytes) -> None:
    with own_folder() as folder:
        for name in ("a.tif", "b.nii.gz", "c.nrrd", "d.npz", "e.dcm", "f.png", "g", "h.medsam2"):
            (folder / name).write_bytes(content)
            read = read_session if name.endswith("2") else _read
            outcome(lambda read=read, name=name: read(folder / name))
        for name in ("w.pt", "w.safetensors"):
            (folder / name).write_bytes(content)
            assert outcome(lambda name=name: import_model(folder / name)) is not None

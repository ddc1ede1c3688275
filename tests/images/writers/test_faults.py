"""A kill or a full disk while labels are written leaves what was there before, in every format."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from label_sets import flow_of, labels_of

from napari_medsam2.errors import OutputError
from napari_medsam2.images.writers.checks import check_labels
from napari_medsam2.images.writers.formats import FORMATS
from napari_medsam2.images.writers.labels import LabelSet
from napari_medsam2.images.writers.saving import save_labels

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals, limits and permissions are those of POSIX")

PLACES = [f"labels{written.suffixes[0]}" for written in FORMATS] + ["labels"]
NOISE = np.random.default_rng(0).integers(0, 200, (4, 64, 64)).astype(np.uint8)

_KILLED = """
import os, signal, sys
from pathlib import Path
import numpy as np
sys.path.insert(0, sys.argv[2])
from label_sets import labels_of
from napari_medsam2.images.writers.saving import save_labels
labels = labels_of(np.ones((4, 64, 64), np.uint8))
def frame(t):
    if t == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return np.ones((64, 64), np.uint8)
save_labels(Path(sys.argv[1]), labels.with_labels(frame))
"""


def content(path: Path) -> dict[str, bytes]:
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return {str(file.relative_to(path.parent)): file.read_bytes() for file in files if ".part" not in str(file)}


@contextmanager
def small_disk(nbytes: int) -> Iterator[None]:
    """No file may grow larger than this."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (nbytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("name", PLACES)
def test_a_kill_leaves_what_was_there_and_the_next_run_cleans_up(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    save_labels(path, labels_of(NOISE))
    before = content(path)
    support = Path(__file__).parents[2] / "support"
    killed = subprocess.run([sys.executable, "-c", _KILLED, str(path), str(support)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert content(path) == before
    save_labels(path, labels_of(NOISE))
    assert content(path).keys() == before.keys() and [found.name for found in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", PLACES)
def test_a_disk_without_room_is_said_and_leaves_what_was_there(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    save_labels(path, labels_of(NOISE[:, :4, :4]))
    before = content(path)
    with small_disk(900), pytest.raises(OutputError, match=r"cannot write .*labels"):
        save_labels(path, labels_of(NOISE))
    assert content(path) == before and [found.name for found in tmp_path.iterdir()] == [name]


def flow(names: list[str]) -> LabelSet:
    return flow_of([NOISE[0]] * len(names), names)


def test_what_would_fail_after_the_run_is_said_before_it(tmp_path: Path) -> None:
    stack, images = labels_of(NOISE), flow(["a.png", "b.png"])
    (tmp_path / "file").write_text("")
    (tmp_path / "a.tif").mkdir()
    (tmp_path / "labels" / "b.png").mkdir(parents=True)
    (tmp_path / "circle").symlink_to("circle")
    (tmp_path / "circle.tif").symlink_to("circle.tif")
    (tmp_path / "store.ome.zarr").mkdir()
    cases = {
        ("a.gif", stack): r"labels are written to a \.tif, .*\.json.* or to a folder",
        ("a.tif", stack): "a.tif is a folder; name a file in it",
        ("file", images): "file is a file; name another one, or a folder",
        ("file/a.tif", stack): "cannot make the folder .*file: .*file is a file",
        ("labels", images): r"b\.png is a folder, and a file of that name is to be written",
        ("circle", images): "links lead in a circle",
        ("circle.tif", stack): "links lead in a circle",
        ("x" * 300 + ".tif", stack): "File name too long",
        ("none\0.tif", stack): "null byte",
    }
    before = sorted(tmp_path.rglob("*"))
    for (name, labels), sentence in cases.items():
        with pytest.raises(OutputError, match=sentence):
            check_labels(tmp_path / name, labels)
    for name in ("new.tif", "new/deep/a.json", "new"):
        check_labels(tmp_path / name, images)
    assert sorted(tmp_path.rglob("*")) == before, "a check makes nothing"


def test_a_file_that_is_open_elsewhere_and_a_folder_without_permission(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.tif").write_text("old")
    opened = Path.open

    def locked(path: Path, mode: str = "r", *arguments: object, **options: object) -> object:
        if path.name == "a.tif":  # as Windows says it
            raise PermissionError(13, "Permission denied")
        return opened(path, mode, *arguments, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", locked)
    with pytest.raises(OutputError, match="read-only, or open in another program"):
        check_labels(tmp_path / "a.tif", labels_of(NOISE))
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(OutputError, match=r"cannot write to the folder .*you have no permission"):
        check_labels(tmp_path / "b.tif", labels_of(NOISE))


def test_a_file_that_was_opened_elsewhere_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_labels(tmp_path / "a.tif", labels_of(NOISE))
    before = content(tmp_path)

    def locked(*_: object) -> None:
        raise PermissionError(13, "Access is denied")

    monkeypatch.setattr(Path, "replace", locked)
    with pytest.raises(OutputError, match="no permission, or it is open in another program"):
        save_labels(tmp_path / "a.tif", labels_of(NOISE + np.uint8(1)))
    assert content(tmp_path) == before


def test_a_disk_that_is_too_small_is_known_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil

    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=10**6))
    with pytest.raises(OutputError, match="has 1 MB left, and the labels may need 120 MB"):
        check_labels(tmp_path / "a.tif", labels_of(np.broadcast_to(np.uint16(1), (3, 20_000, 20_000))))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=14_000))
    with pytest.raises(OutputError, match="has 14 kB left, and the labels may need 150 kB"):
        check_labels(tmp_path / "a.tif", labels_of(np.broadcast_to(np.uint16(1), (3, 1000, 500))))

"""What segment writes beside one tif: other formats, a table, a folder; and what it says before it runs."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from fakes import blob_model, moving_disc
from fakes import command as run
from PIL import Image

from napari_medsam2.images.formats import read_images
from napari_medsam2.models import loading
from napari_medsam2.session.session import Session

pytestmark = pytest.mark.usefixtures("blobs")

IMAGES, MASKS = moving_disc(6)
POINT = ("--point", "2,32,23")


@pytest.fixture
def calibrated(tmp_path: Path) -> Path:
    """Two channels over time, with what a pixel measures; the disc is in the second channel."""
    data = np.stack([np.zeros_like(IMAGES), IMAGES], axis=1)
    metadata = {
        "axes": "ZCYX",
        "PhysicalSizeX": 0.5,
        "PhysicalSizeY": 0.5,
        "PhysicalSizeZ": 2.0,
        "Channel": {"Name": ["dapi", "actin"]},
    }
    tifffile.imwrite(tmp_path / "a.ome.tif", data, metadata=metadata, photometric="minisblack")
    return tmp_path / "a.ome.tif"


@pytest.fixture
def flow(tmp_path: Path) -> Path:
    (tmp_path / "cells").mkdir()
    for t, height in enumerate((64, 50)):
        Image.fromarray(IMAGES[t, :height]).save(tmp_path / "cells" / f"img {t}.jpg", quality=100)
    return tmp_path / "cells"


@pytest.mark.parametrize("channel", ["1", "actin"])
@pytest.mark.parametrize("axis", [(), ("--axis", "z")])
def test_a_channel_by_name_or_number_and_an_axis_by_name(
    channel: str, axis: tuple[str, ...], calibrated: Path, capsys: Any
) -> None:
    out = calibrated.with_name("labels.tif")
    assert run("segment", calibrated, "--channel", channel, *axis, *POINT, "-o", out) == 0
    assert "is taken as a stack (--mode flow: not)" in capsys.readouterr().err
    found, image = read_images(out), read_images(calibrated)
    assert (np.asarray(found.data[...]).astype(bool) ^ MASKS).mean() < 0.01
    assert found.axes == tuple(axis for axis in image.axes if axis.name != "c") and found.labels


def test_another_axis_is_held_where_the_user_says(tmp_path: Path, capsys: Any) -> None:
    data = np.stack([np.zeros_like(IMAGES), IMAGES])
    tifffile.imwrite(tmp_path / "a.ome.tif", data, metadata={"axes": "TZYX"}, photometric="minisblack")
    words = ("segment", tmp_path / "a.ome.tif", "--axis", "z", *POINT, "-o", tmp_path / "b.tif")
    assert run(*words) == 2 and "--at t=0" in capsys.readouterr().err
    assert run(*words, "--at", "t=1") == 0
    assert (tifffile.imread(tmp_path / "b.tif").astype(bool) ^ MASKS).mean() < 0.01
    for wrong, sentence in {"t": "AXIS=N", "t=x": "AXIS=N", "t=9": "positions 0 to 1", "q=0": "no axis 'q'"}.items():
        assert run(*words, "--at", wrong) == 2
        assert sentence in capsys.readouterr().err


def test_labels_along_x_have_the_axes_of_the_image(tmp_path: Path) -> None:
    turned = np.moveaxis(IMAGES, 0, 2)
    np.save(tmp_path / "a.npy", turned)
    words = ("segment", tmp_path / "a.npy", "--mode", "stack", "--axis", "2", *POINT)
    assert run(*words, "-o", tmp_path / "b.tif") == 0
    assert tifffile.imread(tmp_path / "b.tif").shape == turned.shape


def test_where_nothing_says_whether_frames_follow_each_other_it_is_asked(tmp_path: Path, capsys: Any) -> None:
    np.save(tmp_path / "a.npy", IMAGES)
    assert run("segment", tmp_path / "a.npy", *POINT, "-o", tmp_path / "b.tif") == 2
    assert "say --mode stack if they follow each other" in capsys.readouterr().err
    np.save(tmp_path / "one.npy", IMAGES[2])
    assert run("segment", tmp_path / "one.npy", "--point", "0,32,23", "-o", tmp_path / "b.tif") == 0


def test_coco_and_a_table(calibrated: Path) -> None:
    out, table = calibrated.with_name("a.json"), calibrated.with_name("a.csv")
    assert run("segment", calibrated, "--channel", "1", *POINT, "-o", out, "--table", table) == 0
    content = json.loads(out.read_text())
    assert len(content["images"]) == len(content["annotations"]) == 6
    assert {one["category_id"] for one in content["annotations"]} == {1} and content["annotations"][0]["score"] > 0
    with table.open(newline="") as file:
        lines = list(csv.DictReader(file))
    areas = [one["area"] for one in content["annotations"]]
    assert [int(line["area_pixels"]) for line in lines] == areas
    assert [float(line["volume_um3"]) for line in lines] == [area * 0.5 for area in areas]
    assert [line["prompted"] for line in lines] == ["0", "0", "1", "0", "0", "0"]


def test_a_flows_folder_has_a_table_beside_it(flow: Path) -> None:
    words = ("segment", flow, "--mode", "flow", "--point", "0,32,21")
    assert run(*words, "-o", flow.with_name("labels")) == 0
    assert sorted(file.name for file in flow.with_name("labels").iterdir()) == ["img 0.tif", "img 1.tif"]
    with flow.with_name("labels.csv").open(newline="") as file:
        assert [line["image"] for line in csv.DictReader(file)] == ["img 0.jpg", "img 1.jpg"]
    assert run(*words, "-o", flow.with_name("more"), "--table", flow.with_name("own.csv")) == 0
    assert not flow.with_name("more.csv").exists() and flow.with_name("own.csv").exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("-o", ""), "name a file or a folder"),
        (("-o", "out.tif", "--json", ""), "name a file or a folder"),
        (("-o", "out.tif", "--json", "."), "is a folder"),
        (("-o", "out.tif", "--json", "stack.tif/a.json"), "stack.tif is a file"),
        (("-o", "out.tif", "--json", "x" * 300), "name too long"),
        (("-o", "out.tif", "--table", "a.txt"), "the table is written as .csv"),
        (("-o", "out.tif", "--table", "out.tif"), "the table is written as .csv"),
        (("-o", "out.tif", "--table", "a.csv", "--json", "a.csv"), "written twice"),
        (("-o", "a.json", "--json", "a.json"), "written twice"),
        (("-o", "new/out.gif"), "labels are written to a .tif"),
    ],
)
def test_all_that_is_written_is_checked_before_the_run(
    words: tuple[str, ...], sentence: str, tif: Path, capsys: Any, blobs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tif.parent)
    assert run("segment", "stack.tif", "--mode", "stack", *POINT, *words) == 2
    assert sentence in capsys.readouterr().err
    assert not blobs and [file.name for file in tif.parent.iterdir()] == ["stack.tif"]


def test_labels_that_cannot_be_saved_after_the_run_are_saved_elsewhere(
    tif: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tif.parent / "sub" / "labels.tif"
    out.parent.mkdir()

    def and_the_folder_is_gone(session: Session, **span: Any) -> Any:
        yield from propagate(session, **span)
        out.parent.rmdir()
        out.parent.write_text("a file now")

    propagate = Session.propagate
    monkeypatch.setattr(Session, "propagate", and_the_folder_is_gone)
    assert run("segment", tif, "--mode", "stack", *POINT, "-o", out) == 2
    told = capsys.readouterr().err.splitlines()[-1]
    elsewhere = Path(told.partition("saved as ")[2].partition(" instead")[0])
    assert (tifffile.imread(elsewhere).astype(bool) ^ MASKS).mean() < 0.01
    elsewhere.unlink()
    elsewhere.parent.rmdir()


def test_a_json_that_cannot_be_written_says_where_the_labels_are(
    tif: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, report = tif.with_name("labels.tif"), tif.with_name("report.json")
    report.write_text("old")

    def full(path: Path, *_: Any, **__: Any) -> int:
        if path.name.startswith("report"):
            raise OSError(28, "No space left on device")
        return 0

    monkeypatch.setattr(Path, "write_text", full)
    assert run("segment", tif, "--mode", "stack", *POINT, "-o", out, "--json", report) == 2
    assert f"The labels are in {out}" in capsys.readouterr().err and report.read_text() == "old" and out.exists()


@pytest.mark.skipif(os.name == "nt", reason="signals are those of POSIX")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_being_told_to_end_saves_what_is_there(
    name: str, tif: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    model = blob_model()
    segment = model.network.segment

    def until_the_third(*arguments: Any, **options: Any) -> Any:
        if len(model.network.calls.segmented) == 3:
            os.kill(os.getpid(), getattr(signal, name))
        return segment(*arguments, **options)

    monkeypatch.setattr(model.network, "segment", until_the_third)
    monkeypatch.setattr(loading, "load_model", lambda name, **options: model)
    out = tif.with_name("labels.tif")
    assert run("segment", tif, "--mode", "stack", *POINT, "-o", out) == 130
    assert tifffile.imread(out).any(axis=(1, 2)).sum() == 3
    assert "holds what was done, 3 of 6 frames" in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="signals are those of POSIX")
def test_a_run_under_nohup_outlives_its_terminal(tif: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = blob_model()
    segment = model.network.segment

    def hung_up(*arguments: Any, **options: Any) -> Any:
        os.kill(os.getpid(), signal.SIGHUP)
        return segment(*arguments, **options)

    monkeypatch.setattr(model.network, "segment", hung_up)
    monkeypatch.setattr(loading, "load_model", lambda name, **options: model)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert run("segment", tif, "--mode", "stack", *POINT, "-o", tif.with_name("labels.tif")) == 0
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.skipif(os.name == "nt", reason="a shell that closes streams")
@pytest.mark.parametrize("closing", [">&-", "2>&-", ">&- 2>&-"])
def test_a_closed_stdout_or_stderr_costs_the_words_and_not_the_labels(closing: str, tif: Path) -> None:
    out = tif.with_name("labels.tif")
    words = f"'{sys.executable}' -m napari_medsam2 segment '{tif}' --mode stack --box 2,25.5,16.5,38.5,29.5 -o '{out}'"
    done = subprocess.run(["sh", "-c", f"{words} {closing}"], check=False, capture_output=True, text=True)
    assert done.returncode == 0 and "Traceback" not in done.stderr
    assert tifffile.imread(out).shape == IMAGES.shape

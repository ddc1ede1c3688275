"""segment, on a model that finds bright blobs: what it writes, and what it never writes over."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from fakes import blob_model, moving_disc
from fakes import command as run
from PIL import Image

from napari_medsam2.cli import main as cli
from napari_medsam2.images.opened import Axis, OpenedImages
from napari_medsam2.images.writers.folder import file_names
from napari_medsam2.images.writers.labels import Labelled
from napari_medsam2.models import loading

pytestmark = pytest.mark.usefixtures("blobs")

IMAGES, MASKS = moving_disc(6)
POINT = "2,32,23"
BOX = "2,25.5,16.5,38.5,29.5"


@pytest.mark.parametrize("prompt", [("--point", POINT), ("--box", BOX), ("--point", POINT, "--point", "2,60,60,0")])
def test_segment_writes_a_compressed_tif_that_napari_opens(tif: Path, prompt: tuple[str, ...], capsys: Any) -> None:
    out = tif.with_name("labels.tif")
    assert run("segment", tif, "--mode", "stack", *prompt, "-o", out) == 0
    with tifffile.TiffFile(out) as written:
        assert written.series[0].axes == "ZYX"
        assert written.pages.first.compression == tifffile.COMPRESSION.ADOBE_DEFLATE
        labels = written.asarray()
    assert labels.dtype == np.uint32, "of whole numbers napari takes those of 32 bits for labels"
    assert labels.shape == IMAGES.shape
    assert (labels.astype(bool) ^ MASKS).mean() < 0.002
    captured = capsys.readouterr()
    assert "1 object(s), 6 of 6 frames" in captured.out
    assert "6/6" in captured.err  # the progress bar
    assert sorted(path.name for path in tif.parent.iterdir()) == ["labels.tif", "stack.tif"]


def test_a_drawn_mask_comes_back_pixel_for_pixel(tif: Path) -> None:
    drawn = np.zeros((64, 64), np.uint8)
    drawn[30:36, 20:27] = 255
    Image.fromarray(drawn).save(tif.with_name("drawn.png"))
    out = tif.with_name("labels.tif")
    assert run("segment", tif, "--mode", "stack", "--mask", f"2:{tif.with_name('drawn.png')}", "-o", out) == 0
    np.testing.assert_array_equal(tifffile.imread(out)[2] == 1, drawn > 0)


def test_several_objects_come_from_a_json_file(tif: Path) -> None:
    prompts = {
        "prompts": [
            {"type": "box", "frame": 2, "y0": 25.5, "x0": 16.5, "y1": 38.5, "x1": 29.5, "object": 300},
            {"type": "point", "frame": 0, "y": 5, "x": 5, "object": 2},
        ]
    }
    file = tif.with_name("prompts.json")
    file.write_text(json.dumps(prompts))
    out, report = tif.with_name("labels.tif"), tif.with_name("report.json")
    assert run("segment", tif, "--mode", "stack", "--prompts", file, "-o", out, "--json", report) == 0
    labels = tifffile.imread(out)
    assert labels.dtype == np.uint32
    assert (labels == 300).sum() > 500
    told = json.loads(report.read_text())
    results = told["results"]
    free = {result["frame"] for result in results if not result["prompted"]}
    assert {suspect["frame"] for suspect in told["to_check"]} <= free and told["to_check"]
    scores = [suspect["score"] for suspect in told["to_check"]]
    assert scores == sorted(scores, reverse=True) and all(0 <= score <= 1 for score in scores)
    assert len(results) == 12
    assert {"frame", "object", "confidence", "objectness", "pixels"} <= set(results[0])


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for t, (height, width) in enumerate([(64, 64), (50, 60), (40, 64)]):
        Image.fromarray(IMAGES[t, :height, :width]).save(folder / f"img{t}.png")
    (folder / "notes.txt").write_text("not an image")
    return folder


def test_a_flow_of_differing_sizes_is_not_padded_into_one_tif(images: Path, capsys: Any) -> None:
    out = images.parent / "labels.tif"
    assert run("segment", images, "--mode", "flow", "--point", "0,32,21", "-o", out) == 2
    assert "name a folder, and each gets a file of its own" in capsys.readouterr().err and not out.exists()


def test_a_flow_into_a_folder_keeps_sizes_and_names(images: Path, capsys: Any) -> None:
    out = images.parent / "labels"
    assert run("segment", images, "--mode", "flow", "--point", "0,32,21", "-o", out) == 0
    assert sorted(path.name for path in out.iterdir()) == ["img0.png", "img1.png", "img2.png"]
    labels = np.asarray(Image.open(out / "img1.png"))
    assert labels.shape == (50, 60) and np.unique(labels).tolist() == [0, 1]
    assert "skipped beside the images: notes.txt" in capsys.readouterr().err


def test_nothing_that_is_read_is_written_over(images: Path, tif: Path, capsys: Any) -> None:
    folder = images
    mask, prompts = tif.with_name("drawn.tif"), tif.with_name("prompts.json")
    tifffile.imwrite(mask, MASKS[2].astype(np.uint8))
    prompts.write_text(json.dumps({"prompts": [{"type": "point", "frame": 2, "y": 31, "x": 20}]}))
    drawn = {"prompts": [{"type": "mask", "frame": 2, "file": "drawn.tif"}]}
    tif.with_name("drawn.json").write_text(json.dumps(drawn))
    for t in range(2):
        tifffile.imwrite(images / f"more{t}.tif", IMAGES[t])
    before = {path: path.read_bytes() for path in [*folder.iterdir(), tif, mask, prompts] if path.is_file()}
    (folder.with_name("links")).mkdir()
    for file in folder.glob("*.tif"):
        (folder.with_name("links") / file.name).symlink_to(file)
    through_links = ("segment", folder.with_name("links"), "--mode", "flow", "--point", "0,31,20")
    of_flow = ("segment", folder, "--mode", "flow", "--point", "0,31,20")
    of_stack = ("segment", tif, "--mode", "stack", "--mask", f"2:{mask}", "--prompts", prompts)
    for words in [
        (*of_flow, "-o", folder),
        (*of_flow, "-o", folder / "labels.tif"),
        (*of_stack, "-o", tif.parent / "." / tif.name),
        (*of_stack, "-o", mask),
        (*of_stack, "-o", tif.with_name("o.tif"), "--json", prompts),
        (*of_stack, "-o", tif.with_name("o.tif"), "--json", tif.with_name("o.tif")),
        (*of_stack[:4], "--prompts", tif.with_name("drawn.json"), "-o", mask),
        *([(*through_links, "-o", folder)] if list(folder.glob("*.tif")) else []),
    ]:
        assert run(*words) == 2, words
        error = capsys.readouterr().err
        assert any(told in error for told in ("is read from", "among the images that are read", "written twice")), error
    assert {path: path.read_bytes() for path in before} == before
    assert run(*of_flow, "-o", folder / "labels.v1") == 2, "a folder that is not there has no dot in its name"
    (folder / "labels.v1").mkdir()
    assert run(*of_flow, "-o", folder / "labels.v1") == 0, "a folder in it is not read"


def test_frames_without_names_of_their_own_are_numbered() -> None:
    images = OpenedImages("flow", IMAGES[:2], (Axis(), Axis("y"), Axis("x")))
    for names, files in {
        ("frame 0", "frame 1"): ["frame_000.tif", "frame_001.tif"],
        ("a.png", "a.jpg"): ["frame_000.tif", "frame_001.tif"],
        ("a.png", "A.png"): ["frame_000.png", "frame_001.png"],
        ("con.png", "b.png"): ["frame_000.png", "frame_001.png"],
        ("x" * 250 + ".png", "b.png"): ["frame_000.png", "frame_001.png"],
        ("a?.png", "b:1.tif"): ["a_.tif", "b_1.tif"],
    }.items():
        assert file_names(Labelled(images, names, "flow")) == files


def test_a_range_and_a_direction(tif: Path) -> None:
    out = tif.with_name("labels.tif")
    options = ("--direction", "forward", "--stop", "5")
    assert run("segment", tif, "--mode", "stack", "--point", POINT, *options, "-o", out) == 0
    assert tifffile.imread(out).any(axis=(1, 2)).tolist() == [False, False, True, True, True, False]


def test_the_model_and_the_device_are_passed_on(tif: Path, blobs: list[dict[str, Any]]) -> None:
    options = ("--model", "sam2.1-tiny", "--device", "cpu")
    assert run("segment", tif, "--mode", "stack", "--point", POINT, *options, "-o", tif.with_name("labels.tif")) == 0
    assert blobs == [{"name": "sam2.1-tiny", "device": "cpu"}]


@pytest.mark.parametrize("choice", ["save", "drop"])
def test_ctrl_c_saves_what_is_there_or_leaves_all_as_it_was(
    choice: str, tif: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    model = blob_model()
    segment = model.network.segment

    def until_the_third(*arguments: Any, **options: Any) -> Any:
        if len(model.network.calls.segmented) == 3:
            raise KeyboardInterrupt
        return segment(*arguments, **options)

    monkeypatch.setattr(model.network, "segment", until_the_third)
    monkeypatch.setattr(loading, "load_model", lambda name, **options: model)
    out = tif.with_name("labels.tif")
    out.write_bytes(b"of last week")
    options = ("-o", out, "--on-interrupt", choice)
    assert run("segment", tif, "--mode", "stack", "--point", POINT, *options) == cli.INTERRUPTED
    if choice == "drop":
        assert out.read_bytes() == b"of last week" and sorted(tif.parent.iterdir()) == sorted([tif, out])
        assert "nothing was written" in capsys.readouterr().err
        return
    assert tifffile.imread(out).any(axis=(1, 2)).sum() == 3
    assert "holds what was done, 3 of 6 frames" in capsys.readouterr().err


def test_a_damaged_image_in_the_middle_loses_nothing_that_was_done(tmp_path: Path, capsys: Any) -> None:
    for t in range(4):
        tifffile.imwrite(tmp_path / f"img{t}.tif", IMAGES[t], compression="zlib")
    file = tmp_path / "img3.tif"
    content = bytearray(file.read_bytes())
    content[-40:] = bytes(40)
    file.write_bytes(content)
    out = tmp_path / "out" / "labels.tif"
    assert run("segment", tmp_path, "--mode", "stack", "--point", "0,32,21", "-o", out) == cli.BAD_INPUT
    assert tifffile.imread(out).any(axis=(1, 2)).tolist() == [True, True, True, False]
    assert "img3.tif" in capsys.readouterr().err.splitlines()[-1]

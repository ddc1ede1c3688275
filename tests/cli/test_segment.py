"""The command line, on a model that finds bright blobs: what it writes, and how it answers bad input."""

from __future__ import annotations

import json
import os
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

from napari_medsam2.cli import main as cli
from napari_medsam2.cli.prompt_files import parse_box, parse_point, read_prompt_file
from napari_medsam2.images.label_files import file_names
from napari_medsam2.models import loading
from napari_medsam2.models.registry import MODELS
from napari_medsam2.prompts import BoxPrompt, MaskPrompt, PointPrompt

pytestmark = pytest.mark.usefixtures("blobs")

IMAGES, MASKS = moving_disc(6)
POINT = "2,32,23"
BOX = "2,25.5,16.5,38.5,29.5"


@pytest.fixture
def tif(tmp_path: Path) -> Path:
    tifffile.imwrite(tmp_path / "stack.tif", IMAGES, photometric="minisblack")
    return tmp_path / "stack.tif"


# ---- segment


@pytest.mark.parametrize("prompt", [("--point", POINT), ("--box", BOX), ("--point", POINT, "--point", "2,60,60,0")])
def test_segment_writes_a_compressed_tif_that_napari_opens(tif: Path, prompt: tuple[str, ...], capsys: Any) -> None:
    out = tif.with_name("labels.tif")
    assert run("segment", tif, "--mode", "stack", *prompt, "-o", out) == 0
    with tifffile.TiffFile(out) as written:
        assert written.series[0].axes == "ZYX"
        assert written.pages.first.compression == tifffile.COMPRESSION.ADOBE_DEFLATE
        labels = written.asarray()
    assert labels.dtype == np.uint8
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
    assert labels.dtype == np.uint16
    assert (labels == 300).sum() > 500
    results = json.loads(report.read_text())["results"]
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


def test_a_flow_of_differing_sizes_is_padded_in_one_tif(images: Path, capsys: Any) -> None:
    out = images.parent / "labels.tif"
    assert run("segment", images, "--mode", "flow", "--point", "0,32,21", "-o", out) == 0
    labels = tifffile.imread(out)
    assert labels.shape == (3, 64, 64)
    assert labels[1].any()
    assert not labels[1, 50:].any()
    assert not labels[1, :, 60:].any()
    assert "skipped beside the images: notes.txt" in capsys.readouterr().err


def test_a_flow_into_a_folder_keeps_sizes_and_names(images: Path) -> None:
    out = images.parent / "labels"
    assert run("segment", images, "--mode", "flow", "--point", "0,32,21", "-o", out) == 0
    assert sorted(path.name for path in out.iterdir()) == ["img0.tif", "img1.tif", "img2.tif"]
    assert tifffile.imread(out / "img1.tif").shape == (50, 60)


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
    assert file_names(["frame 0", "frame 1"]) == ["frame_000.tif", "frame_001.tif"]
    assert file_names(["a.png", "a.jpg"]) == ["frame_000.tif", "frame_001.tif"]
    assert file_names(["a.png", "b.tif"]) == ["a.tif", "b.tif"]


def test_a_range_and_a_direction(tif: Path) -> None:
    out = tif.with_name("labels.tif")
    options = ("--direction", "forward", "--stop", "5")
    assert run("segment", tif, "--mode", "stack", "--point", POINT, *options, "-o", out) == 0
    assert tifffile.imread(out).any(axis=(1, 2)).tolist() == [False, False, True, True, True, False]


def test_the_model_and_the_device_are_passed_on(tif: Path, blobs: list[dict[str, Any]]) -> None:
    options = ("--model", "sam2.1-tiny", "--device", "cpu")
    assert run("segment", tif, "--mode", "stack", "--point", POINT, *options, "-o", tif.with_name("labels.tif")) == 0
    assert blobs == [{"name": "sam2.1-tiny", "device": "cpu"}]


def test_ctrl_c_saves_what_is_there(tif: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    model = blob_model()
    segment = model.network.segment

    def until_the_third(*arguments: Any, **options: Any) -> Any:
        if len(model.network.calls.segmented) == 3:
            raise KeyboardInterrupt
        return segment(*arguments, **options)

    monkeypatch.setattr(model.network, "segment", until_the_third)
    monkeypatch.setattr(loading, "load_model", lambda name, **options: model)
    out = tif.with_name("labels.tif")
    assert run("segment", tif, "--mode", "stack", "--point", POINT, "-o", out) == cli.INTERRUPTED
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


BAD_SEGMENT = {
    "no prompt": ([], "at least one prompt"),
    "a point of two numbers": (["--point", "1,2"], "a point is F,Y,X"),
    "a point of words": (["--point", "a,b,c"], "a point is F,Y,X"),
    "a point on half a frame": (["--point", "1.5,2,3"], "whole number"),
    "a point that is maybe": (["--point", "1,2,3,0.5"], "1 (on the object) or 0"),
    "a point outside": (["--point", "1,200,3"], "200"),
    "a frame outside": (["--point", "9,2,3"], "9"),
    "a negative frame": (["--point=-1,2,3"], "0 or more"),
    "a box without area": (["--box", "1,2,3,2,9"], "area"),
    "a mask without a file": (["--mask", "1:nowhere.png"], "nowhere.png"),
    "a mask without a frame": (["--mask", "drawn.png"], "FRAME:FILE"),
    "prompts that are not there": (["--prompts", "nowhere.json"], "no file nowhere.json"),
    "no frames in the range": (["--point", POINT, "--start", "4", "--stop", "2"], "no frames from 4 up to 2"),
    "an output of another kind": (["--point", POINT, "-o", "labels.png"], "labels are written to a .tif"),
    "contrast without a number": (["--point", POINT, "--contrast", "nan", "1"], "finite"),
    "contrast upside down": (["--point", POINT, "--contrast", "9", "5"], "LOW is less than HIGH; got 9 5"),
    "an axis that is not there": (["--point", POINT, "--axis", "7"], "axis must be one of"),
    "colours that are not there": (["--point", POINT, "--rgb"], "stack.tif is grey, and rgb=True says otherwise"),
}


@pytest.mark.parametrize("case", BAD_SEGMENT)
def test_bad_input_is_a_sentence_and_exit_code_2(
    case: str, tif: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    words, sentence = BAD_SEGMENT[case]
    monkeypatch.chdir(tif.parent)
    assert run("segment", tif, "--mode", "stack", "-o", "labels.tif", *words) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("napari-medsam2: ")
    assert sentence in error
    assert not Path("labels.tif").exists()


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("nowhere", None, "no file or folder"),
        ("empty", "folder", "no images in the folder"),
        ("text.txt", b"words", "text.txt is not an image"),
        ("bad.tif", b"II*\0", "bad.tif"),
        ("bad.npz", b"PK", "bad.npz"),
        ("bad.npy", b"words", "bad.npy"),
        ("bad.nii", b"words", "bad.nii"),
        ("bad.nii.gz", b"words", "bad.nii.gz"),
        ("bad.dcm", b"words", "bad.dcm"),
        ("bad.zarr", "folder", "bad.zarr"),
    ],
)
def test_input_that_cannot_be_read_is_named(
    tmp_path: Path, name: str, content: bytes | str | None, sentence: str, capsys: Any
) -> None:
    path = tmp_path / name
    if content == "folder":
        path.mkdir()
    elif isinstance(content, bytes):
        path.write_bytes(content)
    assert run("segment", path, "--mode", "stack", "--point", POINT, "-o", tmp_path / "o.tif") == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert "Traceback" not in error


def test_running_out_of_memory_is_said_in_words(tif: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    def load(name: str, **options: Any) -> Any:
        raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")

    monkeypatch.setattr(loading, "load_model", load)
    assert run("segment", tif, "--mode", "stack", "--point", POINT, "-o", tif.with_name("o.tif")) == 2
    assert "out of memory" in capsys.readouterr().err


def test_a_fault_of_the_program_is_not_dressed_up(tif: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: str, **options: Any) -> Any:
        raise RuntimeError("a bug")

    monkeypatch.setattr(loading, "load_model", load)
    with pytest.raises(RuntimeError, match="a bug"):
        run("segment", tif, "--mode", "stack", "--point", POINT, "-o", tif.with_name("o.tif"))


def test_the_traceback_is_there_when_asked_for(tif: Path, capsys: Any) -> None:
    assert run("--traceback", "segment", tif, "--mode", "stack", "-o", tif.with_name("o.tif")) == 2
    assert "Traceback" in capsys.readouterr().err


def test_unknown_options_are_answered_by_the_parser(capsys: Any) -> None:
    for words in (["--mode", "film"], ["--mode", "stack", "--point", "-1,1,1"]):
        assert run("segment", "x", *words, "-o", "o.tif") == 2
        error = capsys.readouterr().err
        assert error.startswith("napari-medsam2: argument --") and error.count("\n") == 1


# ---- prompts in writing


def test_prompts_as_text() -> None:
    assert parse_point("3,1.5,2") == PointPrompt(3, 1.5, 2)
    assert parse_point("3,1,2,0") == PointPrompt(3, 1, 2, False)
    assert parse_box("3,9,8,1,2") == BoxPrompt(3, 1, 2, 9, 8)


def test_prompts_as_json(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "drawn.tif", np.array([[0, 3], [4, 3]], np.uint8))
    (tmp_path / "prompts.json").write_text(
        json.dumps(
            {
                "prompts": [
                    {"type": "point", "frame": 1, "y": 2, "x": 3, "positive": False},
                    {"type": "mask", "frame": 0, "file": "drawn.tif", "label": 3, "object": 2},
                ]
            }
        )
    )
    point, mask = read_prompt_file(tmp_path / "prompts.json").prompts
    assert point == PointPrompt(1, 2, 3, False, 1)
    assert isinstance(mask, MaskPrompt)
    assert (mask.mask.tolist(), mask.object_id) == ([[False, True], [False, True]], 2)


@pytest.mark.parametrize(
    ("item", "sentence"),
    [
        ({"type": "scribble"}, '"type" must be one of point, box, mask'),
        ({"type": "point", "frame": 0, "y": 1}, "also needs x"),
        ({"type": "point", "frame": 0, "y": 1, "x": 2, "z": 3}, "has no z"),
        ({"type": "point", "frame": 0, "y": "1", "x": 2}, "must be a number"),
        ({"type": "point", "frame": 0, "y": 1, "x": 2, "positive": 1}, "true or false"),
        ({"type": "point", "frame": "0", "y": 1, "x": 2}, "whole number"),
        ({"type": "point", "frame": 0, "y": 1, "x": 2, "object": 0}, "must be 1 or more"),
        ({"type": "mask", "frame": 0, "file": 3}, "name of an image"),
        ({"type": "mask", "frame": 0, "file": "empty.tif"}, "is empty"),
        ("box", '"type" must be'),
        ({"type": ["box"]}, '"type" must be'),
        ({"type": "point", "frame": 2, "y": 31, "x": 20, "object": 2**32}, "does not fit into a label image"),
    ],
)
def test_a_prompt_that_cannot_be_used_is_named(tif: Path, item: Any, sentence: str, capsys: Any) -> None:
    file = tif.with_name("prompts.json")
    tifffile.imwrite(tif.with_name("empty.tif"), np.zeros((64, 64), np.uint8))
    file.write_text(json.dumps({"prompts": [item]}))
    assert run("segment", tif, "--mode", "stack", "--prompts", file, "-o", tif.with_name("o.tif")) == 2
    error = capsys.readouterr().err
    assert "prompt 0 of prompts.json" in error or "does not fit" in sentence
    assert sentence in error


@pytest.mark.parametrize("content", ["[]", "{}", '{"prompts": []}', "{", '{"prompts": 3}'])
def test_a_json_file_without_prompts(tif: Path, content: str, capsys: Any) -> None:
    file = tif.with_name("prompts.json")
    file.write_text(content)
    assert run("segment", tif, "--mode", "stack", "--prompts", file, "-o", tif.with_name("o.tif")) == 2
    assert "prompts.json" in capsys.readouterr().err


def test_a_missing_reader_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setitem(sys.modules, "nibabel", None)
    (tmp_path / "scan.nii.gz").write_bytes(b"")
    assert run("segment", tmp_path / "scan.nii.gz", "--mode", "stack", "--point", POINT, "-o", tmp_path / "o.tif") == 2
    assert "pip install nibabel" in capsys.readouterr().err


# ---- models, bench, train


def test_bench_times_the_stages(capsys: Any, tmp_path: Path) -> None:
    assert run("bench", "--repeats", "1", "--memories", "2", "--json", tmp_path / "b.json") == 0
    assert "segment from 2 memories" in capsys.readouterr().out
    assert json.loads((tmp_path / "b.json").read_text())["encode image"]["median_seconds"] > 0
    assert run("bench", "--repeats", "0") == 2


def test_models_are_listed_and_described(capsys: Any) -> None:
    assert run("models", "list") == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in MODELS)
    assert run("models", "info", "medsam2") == 0
    assert "2504.03600" in capsys.readouterr().out
    assert run("models", "info", "medsam3") == 2
    assert "the models are micro" in capsys.readouterr().err


def test_the_command_needs_no_torch_to_list_models_or_explain_itself() -> None:
    code = (
        "import sys; from napari_medsam2.cli.main import main; main(['models', 'list']); main([]);"
        "sys.exit(bool({'torch', 'napari'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


def test_the_package_runs_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "napari_medsam2", "--version"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "120"},
    )
    assert (done.returncode, done.stdout.split()[0]) == (0, "napari-medsam2")


def test_train_has_the_options_of_the_training_room(capsys: Any) -> None:
    assert run("train", "--help") == 0
    assert "--resume" in capsys.readouterr().out

"""What cannot be used ends with one sentence and exit code 2, and leaves nothing behind."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from fakes import command as run

pytestmark = pytest.mark.usefixtures("blobs")

POINT = "2,32,23"


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
    "a mask on no number of a frame": (["--mask", "²:drawn.png"], "FRAME:FILE"),
    "a mask on a frame of too many digits": (["--mask", f"{'9' * 5000}:drawn.png"], "FRAME:FILE"),
    "a point on a frame of too many digits": (["--point", f"{'9' * 5000},2,3"], "whole number"),
    "a file whose name is too long": (["--prompts", f"{'x' * 5000}.json"], "name too long"),
    "a mask whose name is too long": (["--mask", f"1:{'x' * 5000}.png"], "name too long"),
    "a choice of 5000 letters": (["--mode", "x" * 5000], "invalid choice"),
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
    assert sentence in error and len(error) < 2000
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
    assert sentence in error and len(error) < 2000
    assert "Traceback" not in error


def test_a_missing_reader_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setitem(sys.modules, "nibabel", None)
    (tmp_path / "scan.nii").write_bytes(b"x")
    assert run("segment", tmp_path / "scan.nii", "--mode", "stack", "--point", POINT, "-o", tmp_path / "o.tif") == 2
    assert "pip install nibabel" in capsys.readouterr().err


def test_unknown_options_are_answered_by_the_parser(capsys: Any) -> None:
    for words in (["--mode", "film"], ["--mode", "stack", "--point", "-1,1,1"]):
        assert run("segment", "x", *words, "-o", "o.tif") == 2
        error = capsys.readouterr().err
        assert error.startswith("napari-medsam2: argument --") and error.count("\n") == 1


@pytest.mark.parametrize(
    "words",
    [
        ("models", "info", "~nobody-of-that-name/x"),
        ("models", "import", "~nobody-of-that-name/x"),
        ("train", "run", "--data", "~nobody-of-that-name/x"),
        ("train", "run", "--model", "~nobody-of-that-name/x"),
    ],
)
def test_a_home_folder_that_is_not_there_is_said(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(*words) == 2
    assert "there is no home folder for ~nobody-of-that-name/x" in capsys.readouterr().err

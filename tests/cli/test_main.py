"""The command line as a whole: whose fault an error was, and the commands that segment nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fakes import command as run

from napari_medsam2.errors import PromptError
from napari_medsam2.models import loading
from napari_medsam2.models.registry import MODELS

pytestmark = pytest.mark.usefixtures("blobs")

POINT = "2,32,23"


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


def test_a_defect_inside_numpy_shows_where_it_was_and_exits_with_1(tif: Path) -> None:
    code = (
        "import numpy as np\n"
        "from napari_medsam2.cli import main, segment\n"
        "segment.open_images = lambda *_, **__: np.zeros((2, 3)).reshape(7)\n"
        "raise SystemExit(main.main())\n"
    )
    words = ("segment", tif, "--mode", "stack", "--point", POINT, "-o", tif.with_name("o.tif"))
    done = subprocess.run([sys.executable, "-c", code, *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Traceback" in done.stderr and "cannot reshape array" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("error", [OSError("the disk is gone"), MemoryError(), PromptError("no such frame")])
def test_what_a_user_can_mend_is_one_sentence_and_exit_code_2(
    tif: Path, error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    def load(name: str, **options: Any) -> Any:
        raise error

    monkeypatch.setattr(loading, "load_model", load)
    assert run("segment", tif, "--mode", "stack", "--point", POINT, "-o", tif.with_name("o.tif")) == 2
    told = capsys.readouterr().err
    assert told.startswith("napari-medsam2: ") and told.count("\n") == 1


def test_the_traceback_is_there_when_asked_for(tif: Path, capsys: Any) -> None:
    assert run("--traceback", "segment", tif, "--mode", "stack", "-o", tif.with_name("o.tif")) == 2
    assert "Traceback" in capsys.readouterr().err


def test_bench_times_the_stages(capsys: Any, tmp_path: Path) -> None:
    assert run("bench", "--repeats", "1", "--memories", "2", "--json", tmp_path / "b.json") == 0
    assert "segment from 2 memories" in capsys.readouterr().out
    assert json.loads((tmp_path / "b.json").read_text())["encode image"]["median_seconds"] > 0
    assert run("bench", "--repeats", "0") == 2


def test_bench_beside_the_reference_says_what_it_needs(capsys: Any, tmp_path: Path) -> None:
    chosen = ("bench", "--untrained", "--image-size", "64", "--reference", tmp_path)
    assert run(*chosen, "--model", "sam2.1-tiny") == 2
    assert "is no clone of https://github.com/facebookresearch/sam2" in capsys.readouterr().err
    assert run(*chosen, "--model", "medsam-2-zhu") == 2
    assert "the reference implementation has no network such as this one" in capsys.readouterr().err
    assert run(*chosen, "--model", "micro") == 2
    assert "random weights are for one of medsam2" in capsys.readouterr().err


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

"""The tool that averages files of weights."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file


def test_weights_files_are_averaged_by_their_shares(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in (("a", 1.0), ("b", 4.0)):
        save_file({"w": torch.full((2,), value)}, f"{name}.safetensors", {"config": name})
    save_file({"w": torch.zeros(3)}, "other.safetensors")
    average = runpy.run_path(str(Path(__file__).parents[2] / "tools" / "average_weights.py"))["main"]

    assert average(["out.safetensors", "a.safetensors=2", "b.safetensors"]) == 0
    assert load_file("out.safetensors")["w"].tolist() == [2.0, 2.0]
    assert average(["out.safetensors", "a.safetensors", "other.safetensors"]) == 1
    assert "other.safetensors holds another network" in capsys.readouterr().err
    assert average(["out.safetensors", "a.safetensors=0", "b.safetensors"]) == 2

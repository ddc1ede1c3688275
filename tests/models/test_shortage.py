"""A model that has too little memory is loaded on the CPU or moves there, and a shortage is told from other errors."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from accelerator import CPU, DEVICE
from fakes import blob_model
from short_memory import FRAMES, pretend_gpu

from napari_medsam2.cli.main import main
from napari_medsam2.errors import ModelError
from napari_medsam2.models.loading import load_model
from napari_medsam2.models.shortage import is_of_main_memory, is_shortage
from napari_medsam2.network.interface import ImageFeatures, Memory


@pytest.fixture
def gpu(monkeypatch):
    """A pretended GPU, for this thread."""
    with pretend_gpu(monkeypatch) as gpu:
        yield gpu


@pytest.fixture
def notices():
    return []


def test_a_model_that_does_not_fit_is_loaded_on_the_cpu_with_a_notice(gpu, notices):
    gpu.capacity = 1_000_000
    model = load_model("micro", on_notice=notices.append)
    assert model.device == CPU and {p.device for p in model.network.parameters()} == {CPU} and gpu.used == 0
    assert notices[0].device == "cpu"
    assert "micro does not fit into the memory that is free on cuda" in notices[0].message


def test_a_device_that_was_asked_for_by_name_is_not_replaced(gpu, notices):
    gpu.capacity = 1_000_000
    with pytest.raises(ModelError, match=r"does not fit .* on cuda: close other programs .*device cpu"):
        load_model("micro", device="cuda", on_notice=notices.append)
    assert gpu.used == 0 and not notices


def test_too_little_main_memory_for_a_model_is_said(monkeypatch):
    def refuse(*_, **__):
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")

    monkeypatch.setattr("napari_medsam2.models.loading._build", refuse)
    with pytest.raises(ModelError, match="not enough main memory to load micro: close other programs"):
        load_model("micro")


@pytest.mark.parametrize(
    ("error", "short", "main"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), True, False),
        (RuntimeError("MPS backend out of memory (MPS allocated: 8.00 GB, max allowed: 9.07 GB)"), True, False),
        (RuntimeError("Invalid buffer size: 24.00 GB"), True, False),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True, False),
        (RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 99 bytes."), True, True),
        (MemoryError("Unable to allocate 9.00 GiB for an array"), True, True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied (memory attention)"), False, False),
        (ValueError("out of memory of prompts"), False, False),
    ],
)
def test_a_shortage_is_told_from_other_errors(error, short, main):
    assert (is_shortage(error), is_of_main_memory(error)) == (short, main)


def test_what_was_made_in_half_precision_is_float32_after_the_move(gpu):
    half = torch.ones((1, 2, 4, 4), dtype=torch.bfloat16).to(DEVICE)
    memory, features = Memory({"spatial": half}), ImageFeatures((half,), torch.ones(3))
    assert memory.to(DEVICE) is memory and features.to(DEVICE) is features
    model = blob_model()
    model.device, model.network.autocast = DEVICE, torch.bfloat16
    with pytest.warns(RuntimeWarning):
        model.go_to_cpu()
    assert model.network.autocast is None
    assert memory.to(CPU).tokens["spatial"].dtype == features.to(CPU).levels[0].dtype == torch.float32
    memory.leave()
    assert memory.tokens["spatial"].device == CPU and memory.nbytes == 4 * 32


def test_the_command_line_says_it_on_stderr_and_ends_well(gpu, monkeypatch, tmp_path, capsys):
    np.save(tmp_path / "stack.npy", FRAMES)
    gpu.capacity = 1_000_000
    words = ["segment", str(tmp_path / "stack.npy"), "--mode", "stack", "--box", "0,3.5,3.5,15.5,15.5"]
    assert main([*words, "-o", str(tmp_path / "labels.tif")]) == 0
    assert "napari-medsam2: micro does not fit into the memory that is free on cuda" in capsys.readouterr().err
    assert main([*words, "--device", "cuda", "-o", str(tmp_path / "labels.tif")]) == 2
    assert "run on the CPU (device cpu)" in capsys.readouterr().err

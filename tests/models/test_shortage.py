"""Memory runs out: caches shrink, then the work continues on the CPU; nothing is lost, and it is said."""

from __future__ import annotations

import queue

import numpy as np
import pytest
import torch
from accelerator import CPU, DEVICE, Accelerator
from face import draw_box, mocked
from fakes import PLAIN, blob_model, box, moving_disc, stack_session
from napari.components import ViewerModel
from qtpy.QtWidgets import QApplication

from napari_medsam2._gui import hub
from napari_medsam2._gui.controller import Controller
from napari_medsam2._widget import MedSamDock
from napari_medsam2.cli.main import main
from napari_medsam2.engine.engine import Engine
from napari_medsam2.engine.events import Failed, Finished, ModelLoaded
from napari_medsam2.errors import ModelError, SessionError
from napari_medsam2.geometry.window import Window
from napari_medsam2.models.loading import load_model
from napari_medsam2.models.notices import Notice
from napari_medsam2.models.shortage import is_of_main_memory, is_shortage
from napari_medsam2.network.interface import ImageFeatures, Memory
from napari_medsam2.prompts import BoxPrompt
from napari_medsam2.segment.feature_cache import FeatureCache
from napari_medsam2.session.session import Session

FRAMES, MASKS = moving_disc(5)
OTHER = BoxPrompt(0, 3.5, 3.5, 15.5, 15.5, 2)
FRAMES[:, 4:16, 4:16] = 160
PROMPTS = (box(0, MASKS), OTHER)


@pytest.fixture
def idle_gpu(monkeypatch):
    """An accelerator that torch reports as a GPU without bfloat16; a thread uses it after entering it."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: False)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    return Accelerator()


@pytest.fixture
def gpu(idle_gpu):
    """The same, for this thread."""
    with idle_gpu:
        yield idle_gpu


@pytest.fixture
def notices():
    return []


def opened(notices, *, prompts=PROMPTS, model=None) -> Session:
    session = Session(model or load_model("micro", on_notice=notices.append), FRAMES, contrast=PLAIN)
    for prompt in prompts:
        session.add(prompt)
    return session


def masks_of(results) -> dict:
    return {(r.frame, r.object_id): r.mask.tobytes() for r in results}


@pytest.fixture(scope="module")
def on_cpu():
    """What comes out where memory is never short."""
    return masks_of(opened([], model=load_model("micro", device="cpu")).propagate())


# ---- smaller caches --------------------------------------------------------------------------------------------------


def test_a_gpu_that_fills_up_keeps_the_run_with_smaller_caches(gpu, notices, on_cpu):
    session = opened(notices)
    assert session.model.device.type == "cuda"
    budget, network = session.segmenter.looker.cache.max_bytes, gpu.used
    results = session.propagate()
    first = [next(results) for _ in range(5)]
    used, gpu.peak = gpu.used, 0
    first.append(next(results))
    a_frame, kept = gpu.peak - used, gpu.used - network
    gpu.capacity = gpu.used + a_frame - kept // 2  # enough for the next frame if half of what is kept goes
    assert masks_of([*first, *results]) == on_cpu
    assert session.model.device.type == "cuda" and session.segmenter.looker.cache.max_bytes < budget
    assert [notice.device for notice in notices] == ["cuda"], "told once"
    assert "Memory is short on cuda" in notices[0].message


def test_memories_that_were_left_to_the_main_memory_are_still_picked_up(gpu, notices, on_cpu):
    session = opened(notices)
    results = session.propagate()
    first = [next(results) for _ in range(4)]
    session.segmenter.looker.save_memory()
    assert masks_of([*first, *results]) == on_cpu
    assert session.model.device.type == "cuda"
    entries = [*session.memory(1).entries, *session.memory(2).entries]
    assert {token.device for entry in entries for token in entry.payload.tokens.values()} == {CPU}, "later ones too"


def test_on_the_cpu_it_is_tried_again_with_empty_caches_and_then_said_in_words(notices):
    session, masks = stack_session()
    session.model.on_notice = notices.append
    session.add(box(0, masks))
    network = session.model.network
    for short in (RuntimeError("DefaultCPUAllocator: can't allocate memory"), MemoryError()):
        network.fail_next = [short]
        np.testing.assert_array_equal(session.segment(0).mask, masks[0])
        session.undo(), session.redo()
    assert [notice.message[:26] for notice in notices] == ["Memory is short on cpu: fe"]
    network.fail_next = [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory")]
    with pytest.raises(SessionError, match="not enough main memory to segment frame 1: close other programs"):
        session.segment(1)
    network.fail_next = [RuntimeError("shapes do not match")]
    with pytest.raises(RuntimeError, match="shapes do not match"):
        session.segment(1)
    np.testing.assert_array_equal(session.segment(1).mask, masks[1])


def test_a_shortage_of_main_memory_does_not_send_a_model_to_the_cpu(gpu, notices, monkeypatch):
    session = opened(notices)
    monkeypatch.setattr(session.segmenter, "run", lambda task: (_ for _ in ()).throw(MemoryError()))
    with pytest.raises(SessionError, match="not enough main memory"):
        session.segment(0)
    assert session.model.device.type == "cuda" and not notices


def test_a_cache_that_shrinks_keeps_the_latest_in_half_the_room():
    cache, window = FeatureCache(10_000), Window.whole((8, 8))
    for frame in range(4):
        cache.get(frame, window, 8, lambda: ImageFeatures((torch.ones(1, 1, 16, 16),), torch.ones(4)))
    held = cache.nbytes
    cache.shrink()
    assert len(cache) == 2 and cache.max_bytes == cache.nbytes == held // 2
    assert cache.get(3, window, 8, lambda: pytest.fail("it was kept")) is not None
    cache.clear()
    cache.shrink()
    assert cache.max_bytes == held // 4


# ---- to the CPU ------------------------------------------------------------------------------------------------------


def test_a_run_continues_on_the_cpu_and_nothing_is_lost(gpu, notices, on_cpu):
    session = opened(notices)
    results = session.propagate()
    first = [next(results) for _ in range(4)]
    gpu.capacity = 0  # another program takes it
    assert masks_of([*first, *results]) == on_cpu
    assert session.model.device == CPU and {p.device for p in session.model.network.parameters()} == {CPU}
    assert notices == [Notice(notices[0].message, "cpu")]
    assert "not enough memory on cuda for micro" in notices[0].message and "Nothing was lost" in notices[0].message
    assert gpu.used == 0, "all of the GPU was given back"
    assert session.prompts == PROMPTS
    assert session.undo() and not session.results
    assert session.redo() and masks_of(session.results.values()) == on_cpu
    assert session.segment(3, 2).mask.tobytes() == on_cpu[3, 2], "the other object's memories are there too"


def test_what_undo_brings_back_after_the_move_can_be_carried_on(gpu, notices, on_cpu):
    session = opened(notices, prompts=PROMPTS[:1])
    session.segment(0)
    session.reset()
    gpu.capacity = 0
    session.add(OTHER)
    session.segment(0, 2)
    assert session.model.device == CPU
    session.undo(), session.undo()
    assert masks_of(session.propagate()) == {key: mask for key, mask in on_cpu.items() if key[1] == 1}


def test_sessions_that_share_the_model_follow_it(gpu, notices, on_cpu):
    model = load_model("micro", on_notice=notices.append)
    one, two = opened(notices, model=model), opened(notices, model=model)
    runs = [one.propagate(), two.propagate()]
    done = [[next(run) for _ in range(3)] for run in runs]
    gpu.capacity = 0
    for results, run in zip(done, runs, strict=True):
        results.extend(run)
        assert masks_of(results) == on_cpu
    assert len(notices) == 1


def test_a_session_whose_model_leaves_in_the_middle_of_a_frame_begins_that_frame_again(gpu, notices, on_cpu):
    session = opened(notices)
    network, calls = session.model.network, []
    segment = network.segment

    def segment_while_another_session_moves_it(*args, **options):
        if not calls:
            calls.append(session.model.go_to_cpu())
        return segment(*args, **options)

    network.segment = segment_while_another_session_moves_it
    assert masks_of(session.propagate()) == on_cpu


def test_scripts_get_a_warning(gpu):
    session = opened([], model=load_model("micro"))
    gpu.capacity = 0
    with pytest.warns(RuntimeWarning, match="not enough memory on cuda for micro: it continues on the CPU"):
        assert session.segment(0).mask.any()


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


# ---- loading ---------------------------------------------------------------------------------------------------------


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


# ---- through the engine and the command line -------------------------------------------------------------------------


def on_a_full_gpu(gpu):
    """A way to load `micro` on the worker thread, whose GPU has no room left from the fifth image on."""

    def load(name, *, device, on_notice):
        gpu.__enter__()  # belongs to a thread; that of the engine ends with it
        model = load_model("micro", device=device, on_notice=on_notice)
        encode, seen = model.network.encode_image, []

        def fills_up(image):
            seen.append(1)
            if len(seen) == 5:
                gpu.capacity = 0
            return encode(image)

        model.network.encode_image = fills_up
        return model

    return load


def test_the_engine_passes_it_on_and_finishes_the_run(idle_gpu, on_cpu):
    events = queue.Queue()
    engine = Engine(events.put, load_model=on_a_full_gpu(idle_gpu))
    engine.load_model("micro")
    engine.open(FRAMES, mode="stack", contrast=PLAIN)
    for prompt in PROMPTS:
        engine.add_prompt(prompt)
    engine.propagate()
    seen = [events.get(timeout=20)]
    while not isinstance(seen[-1], Finished):
        seen.append(events.get(timeout=20))
        assert not isinstance(seen[-1], Failed), seen[-1].report
    assert next(event.device for event in seen if isinstance(event, ModelLoaded)) == "cuda"
    assert [event.device for event in seen if isinstance(event, Notice)] == ["cpu"]
    assert masks_of(engine.session.results.values()) == on_cpu
    assert engine.close(10)


def test_the_command_line_says_it_on_stderr_and_ends_well(gpu, monkeypatch, tmp_path, capsys):
    np.save(tmp_path / "stack.npy", FRAMES)
    gpu.capacity = 1_000_000
    words = ["segment", str(tmp_path / "stack.npy"), "--mode", "stack", "--box", "0,3.5,3.5,15.5,15.5"]
    assert main([*words, "-o", str(tmp_path / "labels.tif")]) == 0
    assert "napari-medsam2: micro does not fit into the memory that is free on cuda" in capsys.readouterr().err
    assert main([*words, "--device", "cuda", "-o", str(tmp_path / "labels.tif")]) == 2
    assert "run on the CPU (device cpu)" in capsys.readouterr().err


# ---- in the dock -----------------------------------------------------------------------------------------------------


@pytest.fixture
def told(monkeypatch):
    """What napari itself was asked to show."""
    said: list[str] = []
    monkeypatch.setattr(hub, "show_warning", said.append)
    monkeypatch.setattr(
        "napari_medsam2._gui.hub.idle_gpu_advice", lambda device: "A GPU is idle." if device == "cpu" else ""
    )
    return said


@pytest.fixture
def viewer():
    viewer = ViewerModel()
    viewer.add_image(FRAMES, name="scan")
    return viewer


def test_the_dock_says_it_once_and_shows_the_device(viewer, idle_gpu, told, qtbot):
    load = on_a_full_gpu(idle_gpu)
    dock = MedSamDock(viewer, Controller(viewer, lambda on_event: Engine(on_event, load_model=load)))
    qtbot.addWidget(dock)
    do = dock.controller
    do.choose_mode("stack")
    dock.prompt.tools["box"].click()
    with qtbot.waitSignal(do.changed):
        draw_box(viewer.layers["scan boxes"], 0, 25.5, 14.5, 38.5, 27.5)
    do.propagate()
    qtbot.waitUntil(lambda: do.engine.status.finish_reason == "done", timeout=20_000)
    QApplication.processEvents()
    assert len(told) == 1 and "not enough memory on cuda for micro" in told[0]
    assert told[0] in dock.model.warning.text() and not dock.model.warning.isHidden()
    assert "runs on cpu" in dock.model.words.text() and "idle" not in dock.model.words.text()
    assert dock.model.device.currentText() == "cpu"
    assert do.state.problem == "" and all(column.confidence is not None for column in do.state.columns)
    dock.close_dock(timeout=10)


def test_choosing_the_device_again_tries_it_again(viewer, told, qtbot, monkeypatch):
    dock, engine, send = mocked(viewer)
    qtbot.addWidget(dock)
    dock.prompt.tools["point"].click()
    viewer.layers["scan points"].add((0, 32, 21))
    send(ModelLoaded(1, "micro", "cuda", True))
    send(Notice("Memory is short on cuda: less is kept.", "cuda"))
    assert dock.model.warning.text().startswith("Memory is short on cuda")
    assert dock.model.words.text() == "Micro (bundled) runs on cuda." and dock.model.device.currentText() == "auto"
    send(Notice("micro runs on the CPU from here on.", "cpu"))
    assert dock.model.device.currentText() == "cpu"
    engine.load_model.reset_mock()
    dock.controller.choose_model("micro", "auto")
    engine.load_model.assert_called_once_with("micro", device="auto")
    assert dock.model.warning.isHidden(), "until it is known how it goes this time"
    send(Notice("micro does not fit, so it runs on the CPU.", "cpu"))
    send(ModelLoaded(2, "micro", "cpu", True))
    assert dock.model.device.currentText() == "cpu" and "does not fit" in dock.model.warning.text()
    assert "idle" not in dock.model.words.text(), "there is no pip command that would help"
    dock.controller.choose_model("micro", "cuda")
    send(ModelLoaded(3, "micro", "cuda", True))
    assert dock.model.warning.isHidden()
    monkeypatch.setattr(hub, "estimate_seconds", lambda entry, device: {"cpu": 9.0}.get(device))
    send(Notice("micro continues on the CPU.", "cpu"))
    assert "continues on the CPU. Slow on a CPU: about 9 s a slice" in dock.model.warning.text()
    assert len(told) == 4
    dock.close_dock()

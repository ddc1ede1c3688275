"""Memory runs out in a session: caches shrink, then it continues on the CPU; nothing is lost, and it is said."""

from __future__ import annotations

import numpy as np
import pytest
from accelerator import CPU
from fakes import box, stack_session
from short_memory import OTHER, PROMPTS, masks_of, masks_on_cpu, opened, pretend_gpu

from napari_medsam2.errors import SessionError
from napari_medsam2.models.loading import load_model
from napari_medsam2.models.notices import Notice, Remedy


@pytest.fixture
def gpu(monkeypatch):
    """A pretended GPU, for this thread."""
    with pretend_gpu(monkeypatch) as gpu:
        yield gpu


@pytest.fixture
def notices():
    return []


@pytest.fixture(scope="module")
def on_cpu():
    return masks_on_cpu()


# ---- smaller caches --------------------------------------------------------------------------------------------------


def test_a_gpu_that_fills_up_keeps_the_run_with_smaller_caches(gpu, notices, on_cpu):
    session = opened(notices)
    assert session.model.device.type == "cuda"
    budget, network = session.segmenter.predictor.cache.max_bytes, gpu.used
    results = session.propagate()
    first = [next(results) for _ in range(5)]
    used, gpu.peak = gpu.used, 0
    first.append(next(results))
    a_frame, kept = gpu.peak - used, gpu.used - network
    gpu.capacity = gpu.used + a_frame - kept // 2  # enough for the next frame if half of what is kept goes
    assert masks_of([*first, *results]) == on_cpu
    assert session.model.device.type == "cuda" and session.segmenter.predictor.cache.max_bytes < budget
    assert [notice.device for notice in notices] == ["cuda"], "told once"
    assert "Memory is short on cuda" in notices[0].message


def test_memories_that_were_left_to_the_main_memory_are_still_picked_up(gpu, notices, on_cpu):
    session = opened(notices)
    results = session.propagate()
    first = [next(results) for _ in range(4)]
    session.segmenter.predictor.save_memory()
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
    monkeypatch.setattr(session.segmenter.predictor, "predict", lambda *_: (_ for _ in ()).throw(MemoryError()))
    with pytest.raises(SessionError, match="not enough main memory"):
        session.segment(0)
    assert session.model.device.type == "cuda" and not notices


# ---- to the CPU ------------------------------------------------------------------------------------------------------


def test_a_run_continues_on_the_cpu_and_nothing_is_lost(gpu, notices, on_cpu):
    session = opened(notices)
    results = session.propagate()
    first = [next(results) for _ in range(4)]
    gpu.capacity = 0  # another program takes it
    assert masks_of([*first, *results]) == on_cpu
    assert session.model.device == CPU and {p.device for p in session.model.network.parameters()} == {CPU}
    assert notices == [Notice(Remedy.MOVED_TO_CPU, "micro", "cuda")] and notices[0].device == "cpu"
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

"""A GPU fills up under the engine: it passes the notice on, and finishes the run."""

from __future__ import annotations

import queue

from fakes import PLAIN
from short_memory import FRAMES, PROMPTS, masks_of, masks_on_cpu, on_a_full_gpu, pretend_gpu

from napari_medsam2.engine.engine import Engine
from napari_medsam2.engine.events import Failed, Finished, ModelLoaded
from napari_medsam2.models.notices import Notice


def test_the_engine_passes_it_on_and_finishes_the_run(monkeypatch):
    on_cpu = masks_on_cpu()
    events = queue.Queue()
    engine = Engine(events.put, load_model=on_a_full_gpu(pretend_gpu(monkeypatch)))
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

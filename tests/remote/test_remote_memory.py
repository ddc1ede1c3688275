"""Memories, what the model sees, and task files of an engine on a server: as of an engine on this computer."""

from __future__ import annotations

from fakes import PLAIN, blob_model, moving_disc
from lab import Listener, closing

from napari_medsam2.engine.engine import Engine
from napari_medsam2.engine.events import Finished, Restored, ResultReady
from napari_medsam2.engine.memory_events import BanksCompared, BankTold, TaskSaved, ViewTold
from napari_medsam2.engine.requests import RequestKind
from napari_medsam2.prompts import PointPrompt
from napari_medsam2.session.journal import digest_of
from napari_medsam2.session.task_file import read_task

FRAMES, _ = moving_disc(8)
CLICK = PointPrompt(0, 32, 21.3)


def shown(heard) -> dict:
    """The latest result of each frame."""
    return {event.result.frame: digest_of(event.result) for event in heard.of(ResultReady)}


def look_at_memories(engine, heard, path) -> dict:
    """All that is told of memories on a flow, and what comes of a task file; in words that can be compared."""
    engine.load_model("blobs")
    engine.open(FRAMES, mode="flow", axis=0, contrast=PLAIN)
    engine.watch_bank(1)
    engine.add_prompt(CLICK)
    engine.propagate()
    heard.wait_for(Finished)
    engine.pin(3)
    engine.evict(5)
    heard.wait_for(Restored, lambda event: event.kind is RequestKind.EVICT)
    engine.look(3)
    view = heard.wait_for(ViewTold).view
    engine.compare_banks()
    compared = heard.wait_for(BanksCompared).comparison
    heard.wait_for(Finished)
    engine.save_task(path, with_found=True)
    saved = heard.wait_for(TaskSaved)
    engine.reset()
    engine.take_task(path)
    took = heard.wait_for(Restored, lambda event: event.kind is RequestKind.TAKE_TASK)
    engine.propagate()
    heard.wait_for(Finished)
    told = [event for event in heard.of(BankTold) if event.bank is not None and len(event.bank)]
    entries = told[-1].bank.entries
    pictures = {t: p.image.tobytes() for event in told for t, p in event.pictures.items()}
    return {
        "bank": [(e.frame, e.pinned, e.held, e.confidence, e.descriptor.tobytes()) for e in entries],
        "pictures": pictures,
        "view": (view.image.tobytes(), view.window, view.clicks, view.low, view.high),
        "compared": compared,
        "task": (saved.path, saved.task.words, read_task(path).digest == saved.task.digest),
        "took": {n: (known.task.name, known.number) for n, known in took.tasks.items()},
        "results": shown(heard),
    }


def test_memories_the_models_eye_comparisons_and_task_files_are_the_same_over_the_network(remote, tmp_path) -> None:
    there = look_at_memories(*remote, tmp_path / "cells.medsam2task")
    here = Listener()
    with closing(Engine(here, load_model=lambda name, **_: blob_model())) as local:
        mine = look_at_memories(local, here, tmp_path / "here.medsam2task")
    assert there.pop("task")[1:] == mine.pop("task")[1:]
    assert there.pop("took") == {1: ("cells", 1)} and mine.pop("took") == {1: ("here", 1)}
    assert there == mine


def test_a_server_that_was_started_anew_gets_the_task_again_and_tells_of_the_memory_that_is_looked_at(
    lab, remote, tmp_path
) -> None:
    engine, heard = remote
    path = tmp_path / "cells.medsam2task"
    look_at_memories(engine, heard, path)
    path.unlink()  # it was read once
    before, n_told = shown(heard), len(heard.of(BankTold))
    lab.stop()
    lab.start()
    engine.propagate(anew=True)
    heard.wait_for(Finished)
    assert shown(heard) == before and len(heard.of(BankTold)) > n_told


def test_no_file_of_the_server_can_be_named(lab, tmp_path) -> None:
    secret = tmp_path / "secret.medsam2task"
    where, token = lab.begin()

    def ask(place: int, what: str, /, **arguments) -> None:
        told = {"requests": [{"i": place, "n": place, "g": 0, "do": what, "with": arguments}]}
        assert lab.ask("POST", f"{where}/requests", token=token, json=told).status_code == 200

    ask(1, "take_task", task=str(secret))
    ask(2, "save_task", path=str(secret))
    ask(3, "task_part", name="x", place=0, of=1, data="AAAA")
    ask(4, "take_task", task="x")
    (session,) = lab.sessions.all
    said = b"".join(line for _, line in session.outbox._lines).decode()
    assert said.count("Failed") >= 3 and "did not come" in said and not secret.exists()

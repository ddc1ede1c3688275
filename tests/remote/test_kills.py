"""A server that is killed again and again, and one that many ask at once."""

from __future__ import annotations

import os
import random
import threading
import time

import numpy as np
import psutil
import pytest
from lab import Listener, closing, until
from process import ServerProcess
from published import tiny_weights

from napari_medsam2.engine.engine import Engine
from napari_medsam2.engine.events import Failed, Finished, FinishReason, Noted, PromptsChanged, ResultReady
from napari_medsam2.prompts import BoxPrompt, PointPrompt
from napari_medsam2.remote.engine import RemoteEngine
from napari_medsam2.session.journal import STEPS, Journal, digest_of

KILLS = int(os.environ.get("KILLS", "20"))


def volume(n_frames: int = 12, side: int = 96, seed: int = 0) -> np.ndarray:
    """Two bright discs that grow and move, in noise."""
    noise = np.random.default_rng(seed).normal(60, 12, (n_frames, side, side))
    yy, xx = np.mgrid[:side, :side]
    for t in range(n_frames):
        noise[t][(yy - 40) ** 2 + (xx - 30 - 2 * t) ** 2 < (9 + t / 3) ** 2] += 110
        noise[t][(yy - 70) ** 2 + (xx - 70 + t) ** 2 < 64] += 60
    return np.clip(noise, 0, 255).astype(np.uint8)


def begin(engine, heard: Listener, frames: np.ndarray) -> None:
    engine.load_model("micro")
    engine.open(frames, mode="stack", axis=0)
    engine.replace_prompts(1, 3, [BoxPrompt(3, 28, 25, 52, 48)])
    engine.preview(3, 1)
    engine.replace_prompts(2, 6, [PointPrompt(6, 70, 64, object_id=2)])
    heard.wait_for(PromptsChanged, lambda event: len(event.prompts) == 2, timeout=300)
    engine.propagate()


def shown(heard: Listener) -> dict:
    """The latest result of each object on each frame."""
    return {(e.result.frame, e.result.object_id): digest_of(e.result) for e in heard.of(ResultReady)}


def journal(heard: Listener) -> list:
    """What was noted down to be done again."""
    noted = Journal()
    for event in heard.of(Noted):
        noted.extend(event.entries)
    return [(entry.what, dict(entry.values) if entry.what == STEPS else None) for entry in noted.entries]


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_server_that_is_killed_in_runs_loses_nothing() -> None:
    frames, here = volume(), Listener()
    with closing(Engine(here)) as engine:
        begin(engine, here, frames)
        here.wait_for(Finished, timeout=300)
    server, chance = ServerProcess(), random.Random(5)
    try:
        for _ in range(KILLS):
            heard = Listener()
            with closing(RemoteEngine(heard, server.address)) as engine:
                begin(engine, heard, frames)
                for _ in range(chance.randrange(1, 20)):
                    heard.wait_for(ResultReady, timeout=300)
                time.sleep(chance.random() * 0.1)  # anywhere in a step
                server.kill()
                server.start()
                assert heard.wait_for(Finished, timeout=300).reason is FinishReason.DONE
                assert shown(heard) == shown(here)
                assert journal(heard) == journal(here)
                assert not heard.of(Failed)
    finally:
        server.kill()


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_thousand_requests_of_eight_at_once_are_neither_lost_nor_mixed_up(tmp_path) -> None:
    weights = tmp_path / "tiny.safetensors"  # so small that the network is no matter
    weights.write_bytes(tiny_weights())
    server = ServerProcess("--max-sessions", "8", "--model", str(weights))
    process = psutil.Process(server.process.pid)
    problems: list[str] = []
    memory: list[int] = []
    try:
        expected = {}
        for who in range(8):
            heard = Listener()
            with closing(Engine(heard)) as engine:
                ask(engine, heard, who, 1, str(weights))
                expected[who] = shown(heard)
        assert len({tuple(sorted(each.items())) for each in expected.values()}) == 8

        def be(who: int, rounds: int) -> None:
            heard = Listener()
            with closing(RemoteEngine(heard, server.address)) as engine:
                try:
                    ask(engine, heard, who, rounds, "tiny")
                    if shown(heard) != expected[who]:
                        problems.append(f"{who} got what is not its own")
                    if len(heard.of(ResultReady)) != 4 * rounds:
                        problems.append(f"{who} lost {4 * rounds - len(heard.of(ResultReady))}")
                except Exception as error:  # noqa: BLE001 - told by the thread that waits
                    problems.append(f"{who}: {error!r}")

        for rounds in (4, 28, 28):  # warm, then a thousand requests twice: 8 x 28 x (4 previews and a prompt)
            threads = [threading.Thread(target=be, args=(who, rounds)) for who in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert not problems
            until(lambda: process.num_threads() < 40)
            memory.append(process.memory_info().rss >> 20)
        assert memory[2] - memory[1] < 64, memory
    finally:
        server.kill()


def ask(engine, heard: Listener, who: int, rounds: int, model: str) -> None:
    """A box and four previews on frames of one's own, again and again."""
    engine.load_model(model)
    engine.open(volume(4, 64, seed=who), mode="stack", axis=0)
    for _ in range(rounds):
        engine.replace_prompts(1, 1, [BoxPrompt(1, 28 + who, 20, 50, 44)])
        for frame in range(4):
            engine.preview(frame, 1)
            heard.wait_for(ResultReady, lambda event, frame=frame: event.result.frame == frame, timeout=300)
    until(lambda: not engine.n_unfinished)

"""Hours at a desk in minutes: images of all formats, good and bad, one engine after the other, and nothing piles up."""

from __future__ import annotations

import gc
import os
import queue
import random
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from attacks import FILES, damaged, outcome, own_folder
from napari_medsam2.engine.engine import Engine
from napari_medsam2.engine.events import Failed, Finished, FinishReason, RunState
from napari_medsam2.images.formats import open_images
from napari_medsam2.images.writers.labels import Labelled
from napari_medsam2.images.writers.saving import save_labels
from napari_medsam2.prompts import BoxPrompt, PointPrompt

#: ``make soak`` sets ten minutes.
SECONDS = float(os.environ.get("SOAK_SECONDS", "30"))
SEED = int(os.environ.get("SOAK_SEED", "0"))
#: Beyond what was there after the first rounds, in bytes. Allocators keep some of what was given back.
_MORE_MEMORY = 60 << 20


class Desk:
    """Somebody who opens something, prompts, runs, changes their mind, saves, and opens the next thing."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.events: queue.Queue[Any] = queue.Queue()
        self.engine = Engine(self.events.put)
        self.engine.load_model("micro", device="cpu")

    def round(self) -> None:
        with own_folder() as folder:
            path = self._file(folder)
            opened: list[Any] = []
            if outcome(lambda: opened.append(open_images(path))) is not None or not opened:
                return
            if outcome(lambda: [np.asarray(frame) for frame in opened[0].frames]) is not None:
                return
            self._use(opened[0], folder)

    def _file(self, folder: Path) -> Path:
        path = FILES[self.chance.choice(list(FILES))](folder)
        if self.chance.random() < 0.3 and path.is_file():
            harm = [("put", self.chance.random(), self.chance.randbytes(4))]
            path.write_bytes(damaged(path.read_bytes(), harm))
        return path

    def _use(self, images: Any, folder: Path) -> None:
        engine, chance, mode = self.engine, self.chance, self.chance.choice(["stack", "flow"])
        engine.open(images.frames, mode=mode)
        for _ in range(chance.randint(1, 3)):
            frame, number = chance.randrange(len(images.frames)), chance.randint(1, 2)
            y, x = chance.uniform(1, 12), chance.uniform(1, 14)
            engine.add_prompt(BoxPrompt(frame, y, x, y + 6, x + 7, number))
            engine.add_prompt(PointPrompt(frame, y + 3, x + 3, chance.random() < 0.8, number))
        act = chance.choice([engine.undo, engine.pause, engine.cancel, lambda: engine.preview(0, 1), lambda: None])
        request = engine.propagate()
        act()
        engine.resume()
        event: Any = None
        while not (isinstance(event, Finished | Failed) and event.request == request):
            try:
                event = self.events.get(timeout=0.2)
            except queue.Empty:
                if engine.n_unfinished == 0 and engine.status.state is RunState.IDLE and self.events.empty():
                    break  # it was cancelled before it began
            assert not isinstance(event, Failed) or event.message.strip()
        if (
            isinstance(event, Finished)
            and event.reason is FinishReason.DONE
            and (session := engine.session) is not None
        ):
            names = tuple(images.frames.name(t) for t in range(len(images.frames)))
            labelled = Labelled(images, names, mode, np.dtype(np.uint8))
            labels = labelled.with_labels(lambda t: session.labels(t, labelled.dtype), found={})
            outcome(lambda: save_labels(folder / "labels.tif", labels))
        engine.close_sequence()


def _use() -> tuple[int, int, int]:
    """Bytes of memory, threads and open files of this process."""
    gc.collect()
    process = psutil.Process()
    return process.memory_info().rss, threading.active_count(), process.num_fds() if os.name == "posix" else 0


@pytest.mark.slow
def test_nothing_piles_up(record_property: Any) -> None:
    temporary = set(os.listdir(tempfile.gettempdir()))
    desk, end, rounds = Desk(SEED), time.monotonic() + SECONDS, 0
    use: list[tuple[int, int, int]] = []
    while time.monotonic() < end or len(use) < 4:
        desk.round()
        rounds += 1
        if rounds % 5 == 0:
            use.append(_use())
    assert desk.engine.close(30)
    left = {name for name in set(os.listdir(tempfile.gettempdir())) - temporary if name.startswith("attack-")}
    settled, last = use[len(use) // 2], use[-1]
    for name, value in (("rounds", rounds), ("memory at first, half way, at the end", [use[0], settled, last])):
        record_property(name, value)
    assert last[0] - settled[0] < _MORE_MEMORY, f"memory grows: {[sum_ >> 20 for sum_, _, _ in use]} MB"
    assert last[1] <= settled[1] and last[2] <= settled[2] + 1, f"threads or files pile up: {use}"
    assert not left

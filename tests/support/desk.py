"""An engine to try requests on, whose network waits before each image until it is let go on."""

from __future__ import annotations

import queue
import threading
import time

from fakes import PLAIN, blob_model, moving_disc

from napari_medsam2.engine.engine import Engine
from napari_medsam2.engine.events import (
    Failed,
    Finished,
    FinishReason,
    PromptsChanged,
    ResultReady,
    RunState,
    StatusChanged,
)
from napari_medsam2.prompts import PointPrompt

FRAMES, MASKS = moving_disc(8)
CLICK = PointPrompt(0, 32, 21.3)


class Desk:
    """An engine with a gate before each image that the network encodes, and its events."""

    def __init__(self) -> None:
        self.events: queue.Queue = queue.Queue()
        self.threads: set[str] = set()
        self.gate = threading.Semaphore(0)
        self.at_gate = threading.Semaphore(0)
        self.model = blob_model()
        self.loaded: list[str] = []
        self.engine = Engine(self.receive, load_model=self.load)

    def receive(self, event) -> None:
        self.threads.add(threading.current_thread().name)
        self.events.put(event)

    def load(self, name, *, device, on_notice):
        if name == "broken":
            raise OSError("the file broken.pt is truncated")
        self.loaded.append(name)
        self.model = blob_model()
        network, encode = self.model.network, self.model.network.encode_image

        def gated(image, mode="stack", *, fine=None):
            self.at_gate.release()
            assert self.gate.acquire(timeout=10)
            return encode(image, mode, fine=fine)

        network.encode_image = gated
        return self.model

    def let(self, images: int) -> None:
        """Let the network encode so many images more."""
        for _ in range(images):
            self.gate.release()

    def wait_until_at_gate(self) -> None:
        """Wait until the network is asked for one more image."""
        assert self.at_gate.acquire(timeout=10)

    def open(self, *, let: int = 1000, frames=FRAMES) -> None:
        """Load a model, open frames and click on the disc; the network may encode ``let`` images."""
        self.let(let)
        self.engine.load_model("blobs")
        self.engine.open(frames, mode="stack", contrast=PLAIN)
        self.engine.add_prompt(CLICK)
        self.wait_for(PromptsChanged)

    def wait_for(self, kind, *, where=lambda event: True, timeout: float = 10):
        """The next event of a kind; earlier ones of other kinds are dropped, statuses never count as failures."""
        end = time.monotonic() + timeout
        while True:
            event = self.events.get(timeout=max(0.01, end - time.monotonic()))
            if isinstance(event, Failed) and kind is not Failed:
                raise AssertionError(event.report)
            if isinstance(event, kind) and where(event):
                return event

    def wait_for_state(self, state: RunState) -> None:
        self.wait_for(StatusChanged, where=lambda event: event.status.state is state)

    def frames_until_finished(self) -> tuple[list[int], FinishReason]:
        frames = []
        while True:
            event = self.wait_for((ResultReady, Finished))
            if isinstance(event, Finished):
                return frames, event.reason
            frames.append(event.result.frame)

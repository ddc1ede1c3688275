"""A server in a thread of this process, whose network is a double that can be held up, and what listens to engines."""

from __future__ import annotations

import queue
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import httpx
from fakes import blob_model

from napari_medsam2.engine.events import Failed, StatusChanged
from napari_medsam2.server.models import SharedModels
from napari_medsam2.server.run import Server
from napari_medsam2.server.settings import ServerSettings

KEY = "the-key-of-the-lab"


class Lab:
    """A server of one model, "blobs"; it can be stopped and started again at the same address."""

    def __init__(self, folder: Path, **settings) -> None:
        self.weights = folder / "blobs.pt"
        self.weights.touch()
        self.options = {"port": 0, "lease_s": 30.0, **settings}
        self.gate: threading.Semaphore | None = None
        self.encoded = 0
        self.start()

    def load(self, name, *, device, on_notice):
        model = blob_model()
        network, encode = model.network, model.network.encode_image

        def gated(image, mode="stack", *, fine=None):
            self.encoded += 1
            if self.gate is not None:
                assert self.gate.acquire(timeout=30)
            return encode(image, mode, fine=fine)

        network.encode_image = gated
        return model

    def start(self) -> None:
        ready: queue.Queue[int] = queue.Queue()
        models = SharedModels("cpu", (str(self.weights),), self.load)
        self.server = Server(ServerSettings(**self.options), ready.put, models)
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()
        self.options["port"] = self.port = ready.get(timeout=30)
        self.address = f"http://127.0.0.1:{self.port}"

    @property
    def sessions(self):
        return self.server.config.app.state.parts.sessions

    def stop(self, *, softly: bool = False) -> None:
        """As if it were killed: nobody is told; or as Ctrl-C does it."""
        self.server.should_exit = True
        self.server.force_exit = not softly
        self.thread.join(30)
        assert not self.thread.is_alive()
        if self.gate is not None:
            self.gate.release(1000)

    def ask(self, method: str, path: str, *, key: str = "", token: str = "", **body) -> httpx.Response:
        """An answer of the server, as a client of another make would get it."""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        headers |= {"X-Session-Token": token} if token else {}
        headers |= body.pop("headers", {})
        return httpx.request(method, f"{self.address}/v1/{path}", headers=headers, trust_env=False, timeout=30, **body)

    def begin(self, *, key: str = "") -> tuple[str, str]:
        """Number and token of a new session."""
        answer = self.ask("POST", "sessions", key=key, json={"protocol": 1})
        assert answer.status_code == 201, answer.text
        return f"sessions/{answer.json()['number']}", answer.json()["token"]


class Listener:
    """Collects the events of an engine."""

    def __init__(self) -> None:
        self.all: list = []
        self._queue: queue.Queue = queue.Queue()

    def __call__(self, event) -> None:
        self.all.append(event)
        self._queue.put(event)

    def wait_for(self, kind, where=lambda event: True, timeout: float = 30):
        """The next event of a kind; a failure ends it, unless failures are waited for."""
        end = time.monotonic() + timeout
        while True:
            event = self._queue.get(timeout=max(0.01, end - time.monotonic()))
            if isinstance(event, Failed) and kind is not Failed:
                raise AssertionError(event.report)
            if isinstance(event, kind) and where(event):
                return event

    def of(self, *kinds) -> list:
        return [event for event in self.all if isinstance(event, kinds)]

    @property
    def told(self) -> list:
        """All but what depends on time."""
        return [event for event in self.all if not isinstance(event, StatusChanged)]


def until(condition, seconds: float = 30.0) -> None:
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came to hold"
        time.sleep(0.005)


@contextmanager
def closing(engine):
    """An engine that is closed in the end."""
    try:
        yield engine
    finally:
        assert engine.close(timeout=20)

"""Neither side keeps more of what the other one says than there is room for."""

from __future__ import annotations

import asyncio
import socket
import threading
from functools import partial

import pytest
from fakes import PLAIN, moving_disc
from lab import Listener, closing, until

from napari_medsam2.engine.events import ObjectsCalled, PromptsChanged, ResultReady
from napari_medsam2.errors import WireError
from napari_medsam2.images.opened import LabelledObject
from napari_medsam2.prompts import PointPrompt
from napari_medsam2.remote.client import ask_status, lines_of
from napari_medsam2.remote.engine import RemoteEngine
from napari_medsam2.server import served
from napari_medsam2.server.feed import Feed


def test_requests_that_find_no_room_on_the_server_wait_here_and_none_is_lost(lab, monkeypatch) -> None:
    monkeypatch.setattr(served, "Feed", partial(Feed, most_bytes=20_000))
    heard = Listener()
    with closing(RemoteEngine(heard, lab.address)) as engine:
        engine.load_model("blobs")
        engine.open(moving_disc(3)[0], mode="stack", axis=0, contrast=PLAIN)
        engine.add_prompt(PointPrompt(0, 32, 21.3))
        heard.wait_for(PromptsChanged)
        lab.gate = threading.Semaphore(0)
        engine.preview(0)
        for n in range(60):
            engine.call(1, LabelledObject(f"cell {n}", "#ff0000"))
        (session,) = lab.sessions.all
        until(lambda: session._feed.n_bytes > 15_000)
        assert session._feed.n_bytes < 22_000 and engine.n_unfinished > 40
        lab.gate.release(100)
        heard.wait_for(ResultReady)
        until(lambda: engine.n_unfinished == 0)
    names = [event.called[1].name for event in heard.of(ObjectsCalled)]
    assert names == [f"cell {n}" for n in range(60)]


def test_a_line_that_does_not_end_is_given_up() -> None:
    async def stream(*parts: bytes):
        for part in parts:
            yield part

    async def lines(*parts: bytes) -> list[str]:
        return [line async for line in lines_of(stream(*parts), 10)]

    assert asyncio.run(lines(b"a\nb", b"", b"c\n", b"\nd")) == ["a", "bc", ""]
    with pytest.raises(WireError, match="longer than"):
        asyncio.run(lines(b"a\n", *[b"xxx"] * 5))
    with pytest.raises(WireError, match="no text"):
        asyncio.run(lines(b"\xff\n"))


def test_an_answer_that_does_not_end_is_given_up() -> None:
    def talk(door: socket.socket) -> None:
        line, _ = door.accept()
        with line:
            line.recv(4096)
            line.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
            try:
                while True:
                    line.sendall(b" " * 65536)
            except OSError:
                return

    with socket.create_server(("127.0.0.1", 0)) as door:
        thread = threading.Thread(target=talk, args=(door,), daemon=True)
        thread.start()
        with pytest.raises(WireError, match="does not stop"):
            asyncio.run(ask_status(f"http://127.0.0.1:{door.getsockname()[1]}"))
        thread.join(30)

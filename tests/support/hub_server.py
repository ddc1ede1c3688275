"""A server on this computer that speaks the hub's language as far as a download needs it, and errs on request."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Faults:
    """What goes wrong, until it is set back.

    Attributes
    ----------
    break_after
        Close the connection after so many bytes of each answer.
    stall_after
        Send nothing more after so many bytes of each answer, until the server is stopped.
    damage
        Send other bytes than the checksum is of.
    status, code
        Answer with this status, and the hub's word for it.
    head_size, length
        Say another size in advance, or with the content.
    no_range
        Send all of it, whatever is asked for.
    endless
        Tell no size, and never come to an end.
    not_a_hub
        Answer as a log-in page of a hotel does.
    """

    break_after: int | None = None
    stall_after: int | None = None
    damage: bool = False
    status: int = 200
    code: str = ""
    head_size: int | None = None
    length: int | None = None
    no_range: bool = False
    endless: bool = False
    not_a_hub: bool = False


@dataclass
class HubServer:
    """Files by their path, the faults, and what was asked for."""

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    faults: Faults = field(default_factory=Faults)
    asked: list[tuple[str, str, str]] = field(default_factory=list)  # method, path, range
    tokens: list[str] = field(default_factory=list)  # of the requests, in their order
    storage: str = ""  # another server that has the content of files, as the real hub's does
    stopped: threading.Event = field(default_factory=threading.Event)

    def add(self, repo: str, file: str, content: bytes) -> None:
        self.files[f"/{repo}/resolve/main/{file}"] = content

    @property
    def ranges(self) -> list[str]:
        """Which parts were asked for, one entry for each request of content; "" for all of it."""
        return [wanted for method, _, wanted in self.asked if method == "GET"]


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is part of what is tested."""


class _Handler(BaseHTTPRequestHandler):
    hub: HubServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *words: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer(send=False)

    def do_GET(self) -> None:
        self._answer(send=True)

    def _answer(self, *, send: bool) -> None:
        hub, faults = self.hub, self.hub.faults
        wanted = self.headers.get("Range", "")
        hub.asked.append((self.command, self.path, wanted))
        hub.tokens.append(self.headers.get("Authorization", ""))
        content = hub.files.get(self.path)
        if content is None or faults.status != 200:
            self._refuse(faults.status if content is not None else 404, faults.code or "EntryNotFound")
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and not faults.no_range else 0
        body = bytes(byte ^ 255 for byte in content[start:]) if faults.damage else content[start:]
        self.send_response(302 if hub.storage else 206 if start else 200)
        if hub.storage:
            self.send_header("Location", hub.storage + self.path)
            send, body = False, b""
        elif start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        tag = hashlib.sha256(content).hexdigest()
        if not faults.not_a_hub and "/resolve/" in self.path:
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("X-Linked-Etag", f'"{tag}"')
            if not faults.endless:
                self.send_header("X-Linked-Size", str(faults.head_size or len(content)))
        self.send_header("ETag", f'"{tag[:8]}"')
        if faults.endless:
            self.send_header("Connection", "close")
        else:
            self.send_header("Content-Length", str(faults.length or len(body)))
        self.end_headers()
        while send and faults.endless and not hub.stopped.is_set():
            self.wfile.write(bytes(1 << 16))
        if send:
            self._send(body)

    def _send(self, body: bytes) -> None:
        faults = self.hub.faults
        end = min(n for n in (faults.break_after, faults.stall_after, len(body)) if n is not None)
        self.wfile.write(body[:end])
        self.wfile.flush()
        if end < len(body):
            if faults.stall_after is not None:
                self.hub.stopped.wait()
            self.close_connection = True

    def _refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()


@contextmanager
def serving() -> Iterator[HubServer]:
    """A hub on a free port of 127.0.0.1, for as long as the context lasts."""
    hub = HubServer()
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    server.daemon_threads = True
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.stopped.set()
        server.shutdown()
        server.server_close()
        thread.join()

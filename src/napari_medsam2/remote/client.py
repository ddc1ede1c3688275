"""What is asked of a server over HTTP, with every failure in words."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx

from .. import __version__
from ..errors import RemoteError, WireError
from ..json_files import MOST_BYTES, parse_json
from ..wire.lines import PROTOCOL
from .address import host_of, is_this_machine

#: To connect, and to wait for an answer; a stream says more often than the latter that it is there.
CONNECT_S, ANSWER_S = 5.0, 30.0
#: A line holds all results of a session at most; an answer is short.
MOST_LINE, _MOST_ANSWER = 1 << 29, 1 << 20
_JSON = {"Content-Type": "application/json"}
#: Of a reason why a frame cannot be read, so many letters are told.
_MOST_WHY = 800
#: So often a request that came too soon after others is made again.
_PATIENCE = 5


class Refused(RemoteError):
    """The server does not let this client in, and will not without another key or version."""


class SessionGone(RemoteError):
    """The server knows nothing of the session any more."""


class NotTaken(WireError):
    """The server is there, and does not take this: what was asked cannot be done, now or later."""


class Busy(RemoteError):
    """Not now; ``wait_s`` says when to ask again."""

    def __init__(self, words: str, wait_s: float) -> None:
        super().__init__(words)
        self.wait_s = wait_s


@dataclass(frozen=True)
class SessionTicket:
    """A session on a server.

    Attributes
    ----------
    number, token
        Which one, and what proves that it is ours.
    lease_s
        It ends if nothing is heard of us for so long.
    image_bytes
        Of images, compressed, that the server keeps for it.
    """

    number: str
    token: str
    lease_s: float
    image_bytes: int


@dataclass(frozen=True)
class ServerStatus:
    """What a server has.

    Attributes
    ----------
    version
        Of napari-medsam2 there.
    models
        Names and titles of its models.
    devices
        What networks can run on, in words; the first is the one that is used unless the server says otherwise.
    sessions, max_sessions, running
        Windows that it serves, may serve, and that it works for now.
    """

    version: str
    models: tuple[tuple[str, str], ...]
    devices: tuple[str, ...]
    sessions: int
    max_sessions: int
    running: int

    @property
    def words(self) -> str:
        """Two or three sentences."""
        names = ", ".join(title for _, title in self.models)
        windows = f"{self.sessions} of {self.max_sessions} places taken"
        load = f"{self.running} at work" if self.running else "none at work"
        return f"Runs on {self.devices[0]}. Models: {names}. Load: {windows}, {load}."


class ServerClient:
    """Asks one server; use it in one event loop.

    Parameters
    ----------
    address
        As :func:`.address.address_of` gives it.
    key
        May be empty for a server that wants none.
    """

    def __init__(self, address: str, key: str = "") -> None:
        self.host = host_of(address)
        headers = {"User-Agent": f"napari-medsam2/{__version__}"}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        self._http = httpx.AsyncClient(
            base_url=f"{address}/v1/",
            headers=headers,
            timeout=httpx.Timeout(ANSWER_S, connect=CONNECT_S),
            # Proxies of the environment do not lead to this machine.
            trust_env=not is_this_machine(urlsplit(address).hostname or ""),
        )
        self._ticket: SessionTicket | None = None

    async def close(self) -> None:
        """Let go of all connections."""
        await self._http.aclose()

    async def status(self) -> ServerStatus:
        """What the server has; raises as all others here: :class:`RemoteError`, :class:`WireError`."""
        told = await self._ask("GET", "status")
        if told.get("protocol") != PROTOCOL:
            raise Refused(
                f"{self.host} has napari-medsam2 {told.get('version')}, and {__version__} is here: have the same "
                "version on both sides"
            )
        with _readable(self.host):
            return ServerStatus(
                str(told["version"]),
                tuple((str(model["name"]), str(model["title"])) for model in told["models"]),
                tuple(map(str, told["devices"])),
                *(int(told[name]) for name in ("sessions", "max_sessions", "running")),
            )

    async def create(self, *, replay: bool) -> SessionTicket:
        """Open a session; all else that is asked is asked of it."""
        told = await self._ask("POST", "sessions", json={"protocol": PROTOCOL, "replay": replay})
        with _readable(self.host):
            ticket = SessionTicket(
                str(told["number"]), str(told["token"]), float(told["lease_s"]), int(told["image_bytes"])
            )
        self._ticket = ticket
        return ticket

    async def delete(self) -> None:
        """End the session."""
        await self._ask("DELETE", self._path(""))

    async def send(self, requests: Sequence[Mapping[str, Any]]) -> int:
        """Hand in requests; returns the place of the last one that the server has.

        Raises
        ------
        NotTaken
            If one of them cannot be done, or they are too large together; also without asking, as who sends more than
            is taken may be cut off before the answer comes.
        """
        body = await asyncio.to_thread(_as_json, {"requests": requests})
        if len(body) > MOST_BYTES:
            raise NotTaken(f"{self.host} takes {MOST_BYTES >> 20} MB at once; this is {len(body) >> 20} MB")
        told = await self._ask("POST", self._path("/requests"), content=body, headers=_JSON)
        with _readable(self.host):
            return int(told["received"])

    async def beat(self, seen: int) -> None:
        """Say that we are there, and have all lines up to this one."""
        await self._ask("POST", self._path("/heartbeat"), json={"seen": seen})

    async def put_part(self, generation: int, frame: int, part: int, packed: bytes, checksum: str) -> None:
        """Send some rows of a frame."""
        path = self._path(f"/images/{generation}/frames/{frame}/parts/{part}")
        await self._ask("PUT", path, content=packed, headers={"X-Checksum": checksum})

    async def give_up_frame(self, generation: int, frame: int, why: str) -> None:
        """Say that a frame cannot be read, so that nobody waits for it."""
        await self._ask(
            "POST", self._path(f"/images/{generation}/frames/{frame}/unreadable"), json={"why": why[:_MOST_WHY]}
        )

    async def lines(self, after: int) -> AsyncIterator[str]:
        """The lines of the session that follow one; ends when the server stops."""
        try:
            told = {"params": {"after": after}, "headers": self._token()}
            async with self._http.stream("GET", self._path("/events"), **told) as answer:  # type: ignore[arg-type]
                if answer.status_code != 200:
                    self._check(answer, await self._read(answer))
                    raise WireError(f"{self.host} answers {answer.status_code} where it was to tell what happens")
                async for line in lines_of(answer.aiter_bytes(), MOST_LINE):
                    yield line
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._lost(error) from error

    def _path(self, rest: str) -> str:
        if self._ticket is None:
            raise SessionGone("there is no session yet")
        return f"sessions/{self._ticket.number}{rest}"

    def _token(self) -> dict[str, str]:
        return {} if self._ticket is None else {"X-Session-Token": self._ticket.token}

    async def _ask(self, method: str, path: str, **body: Any) -> dict[str, Any]:
        headers = {**self._token(), **body.pop("headers", {})}
        for attempt in range(_PATIENCE):
            try:
                async with self._http.stream(method, path, headers=headers, **body) as answer:
                    text = await self._read(answer)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise self._lost(error) from error
            try:
                self._check(answer, text)
                break
            except Busy as busy:  # of one session that asks too often; all else is for the caller to know
                if answer.status_code != 429 or attempt == _PATIENCE - 1:
                    raise
                await asyncio.sleep(busy.wait_s)
        if answer.status_code == 204:
            return {}
        with _readable(self.host):
            return dict(parse_json(text))

    async def _read(self, answer: httpx.Response) -> str:
        """All of a short answer; of a longer one, that it is none of ours."""
        found = b""
        async for some in answer.aiter_bytes():
            found += some
            if len(found) > _MOST_ANSWER:
                raise WireError(f"{self.host} does not stop answering: is it a server of napari-medsam2?")
        return found.decode(errors="replace")

    def _check(self, answer: httpx.Response, text: str) -> None:
        """Raise what an answer stands for that is no success."""
        status = answer.status_code
        if answer.is_success:
            return
        try:
            detail = str(parse_json(text)["detail"])
        except (ValueError, KeyError, TypeError):
            detail = f"it answers {status}; is it a server of napari-medsam2?"
        words = f"{self.host}: {detail}"
        if status in (401, 403):
            raise Refused(words)
        if status == 404 and "/sessions/" in str(answer.url):
            raise SessionGone(words)
        if status in (408, 429, 503):
            raise Busy(words, _seconds(answer.headers.get("retry-after", "1")))
        if status in (413, 422):
            raise NotTaken(words)
        raise RemoteError(words)

    def _lost(self, error: Exception) -> RemoteError:
        if isinstance(error, httpx.ConnectTimeout | httpx.ReadTimeout):
            return RemoteError(f"{self.host} does not answer")
        reason = " ".join(str(error).split()) or type(error).__name__
        return RemoteError(f"{self.host} cannot be reached ({reason})")


async def lines_of(stream: AsyncIterator[bytes], most: int) -> AsyncIterator[str]:
    """Lines of a stream; :class:`WireError` for one that is longer than so many bytes, or is no UTF-8."""
    parts: list[bytes] = []
    n_bytes = 0
    async for some in stream:
        *whole, rest = some.split(b"\n")
        for last in whole:
            line, parts, n_bytes = b"".join([*parts, last]), [], 0
            try:
                yield line.decode()
            except UnicodeError as error:
                raise WireError("a line of the server is damaged: it is no text") from error
        parts.append(rest)
        n_bytes += len(rest)
        if n_bytes > most:
            raise WireError(f"a line of the server is longer than {most >> 20} MB")


@contextmanager
def _readable(host: str) -> Iterator[None]:
    try:
        yield
    except (ValueError, KeyError, TypeError, IndexError, OverflowError) as error:
        raise WireError(f"{host} gives answers that cannot be read: is it a server of napari-medsam2?") from error


def _as_json(value: Any) -> bytes:
    return json.dumps(value, allow_nan=False, separators=(",", ":")).encode()


def _seconds(text: str) -> float:
    return min(60.0, max(0.1, float(text))) if text.replace(".", "", 1).isdecimal() else 1.0


async def ask_status(address: str, key: str = "") -> ServerStatus:
    """What a server has, for "Test connection"; raises :class:`RemoteError` or :class:`WireError` in words."""
    client = ServerClient(address, key)
    try:
        return await client.status()
    finally:
        await client.close()

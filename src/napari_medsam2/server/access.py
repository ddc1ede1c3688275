"""Who may ask: by a key, compared in constant time, and no more often than is good for the others."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections import OrderedDict
from collections.abc import Callable

from fastapi import HTTPException, Request
from starlette.status import HTTP_401_UNAUTHORIZED, HTTP_403_FORBIDDEN, HTTP_429_TOO_MANY_REQUESTS

from .settings import ServerSettings, is_loopback

#: A stranger may be wrong so often in a row, and then once in so many seconds.
_WRONG, _WRONG_S = 20.0, 3.0
#: So many addresses and sessions are remembered.
_REMEMBERED = 4096
#: What a proxy adds: behind one, an address of this machine says nothing of who asks.
_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")


class Rate:
    """So many at once, and so many a second: a bucket for each name, which fills with time.

    Parameters
    ----------
    at_once, a_second
        How much a bucket holds, and how fast it fills.
    now
        The clock; another one in tests.
    """

    def __init__(self, at_once: float, a_second: float, now: Callable[[], float] = time.monotonic) -> None:
        self._at_once, self._a_second, self._now = at_once, a_second, now
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, name: str) -> float:
        """Take one of a bucket; seconds until there is one, or 0 if it was taken."""
        now = self._now()
        left, then = self._buckets.pop(name, (self._at_once, now))
        left = min(self._at_once, left + (now - then) * self._a_second)
        missing = max(0.0, 1 - left)
        self._buckets[name] = (left if missing else left - 1, now)
        while len(self._buckets) > _REMEMBERED:
            self._buckets.popitem(last=False)
        return missing / self._a_second


class Access:
    """Lets those in who have a key, or, where there is none, those on this machine.

    Parameters
    ----------
    settings
        The keys.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self._keys = tuple(key.encode() for key in settings.keys)
        self._wrong = Rate(_WRONG, 1 / _WRONG_S)
        self._sessions = Rate(2 * settings.requests_a_second, settings.requests_a_second)
        self._openings = Rate(4.0 * settings.max_sessions, settings.max_sessions / 10)

    def owner(self, request: Request) -> str:
        """Who asks, as a digest of the key; an answer of 401, 403 or 429 to all others."""
        if not self._keys:
            self._check_local(request)
            return ""
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        said = given.strip().encode("utf-8", "surrogateescape")
        # All are compared, each in constant time: how long it takes tells nothing.
        right = [hmac.compare_digest(key, said) for key in self._keys]
        if scheme.lower() == "bearer" and any(right):
            return hashlib.sha256(said).hexdigest()[:16]
        if self._wrong.wait(request.client.host if request.client else "?"):
            too_many(_WRONG_S, "too many wrong keys came from your address: wait a little")
        raise HTTPException(
            HTTP_401_UNAUTHORIZED,
            "the key is wrong" if given else "this server wants a key",
            {"WWW-Authenticate": "Bearer"},
        )

    def check_rate(self, session: str) -> None:
        """An answer of 429 to a session that asks too often."""
        if wait := self._sessions.wait(session):
            too_many(wait, "this session asks more often than the server allows")

    def check_opening(self, owner: str) -> None:
        """An answer of 429 to who opens sessions too often."""
        if wait := self._openings.wait(owner):
            too_many(wait, "sessions are opened more often than the server allows")

    @staticmethod
    def _check_local(request: Request) -> None:
        """Without a key: only programs on this machine, no web page in a browser, and nobody behind a proxy."""
        if any(name in request.headers for name in _FORWARDED):
            raise HTTPException(HTTP_403_FORBIDDEN, "behind a proxy this server needs a key: --api-key-file FILE")
        host = request.headers.get("host", "")
        name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
        if not is_loopback(name) or "origin" in request.headers:
            raise HTTPException(HTTP_403_FORBIDDEN, "without a key only programs on this machine are served")


def too_many(seconds: float, words: str) -> None:
    """Answer 429, and say when to come again."""
    raise HTTPException(HTTP_429_TOO_MANY_REQUESTS, words, {"Retry-After": str(max(1, round(seconds)))})

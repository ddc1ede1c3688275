"""All sessions of a server: how many there may be, and when one is over."""

from __future__ import annotations

import hmac
import logging
import threading
import time

from ..errors import RemoteError
from .models import SharedModels
from .served import ServedSession
from .settings import ServerSettings

_log = logging.getLogger(__name__)


class ServerFull(RemoteError):
    """No more sessions than the administrator allows."""


class Sessions:
    """The sessions of a server, by their numbers."""

    def __init__(self, settings: ServerSettings, models: SharedModels) -> None:
        self.settings, self.models = settings, models
        self._lock = threading.Lock()
        self._sessions: dict[str, ServedSession] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    @property
    def all(self) -> tuple[ServedSession, ...]:
        """All of them, the oldest first."""
        return tuple(self._sessions.values())

    @property
    def n_running(self) -> int:
        """How many are at work."""
        return sum(session.running for session in self.all)

    def create(self, owner: str, *, waits: bool) -> ServedSession:
        """A new one; :class:`ServerFull` if there is no place."""
        settings = self.settings
        self.sweep()
        with self._lock:
            if len(self._sessions) >= settings.max_sessions:
                raise ServerFull(f"all {settings.max_sessions} places of this server are taken; try again later")
            session = ServedSession(self.models, settings.limits, settings.session_memory, waits=waits, owner=owner)
            self._sessions[session.number] = session
        _log.info("session %s begins; %d of %d", session.number, len(self), settings.max_sessions)
        return session

    def find(self, number: str, token: str, owner: str) -> ServedSession | None:
        """The session of this number, if this is its token, and its owner asks; it is alive from now on."""
        session = self._sessions.get(number)
        known = "" if session is None else session.token
        right = hmac.compare_digest(known.encode(), token.encode()) and bool(known)
        if session is None or not right or session.owner != owner or session.ended:
            return None
        session.seen_at = time.monotonic()
        return session

    def end(self, session: ServedSession, why: str) -> None:
        """It is over."""
        with self._lock:
            self._sessions.pop(session.number, None)
        session.end(why)
        _log.info("session %s ends (%s); %d left", session.number, why, len(self))

    def sweep(self) -> None:
        """End those whose window is gone, or asked for nothing for long."""
        now = time.monotonic()
        for session in self.all:
            if now - session.seen_at > self.settings.lease_s:
                self.end(session, "its window gave no sign of life")
            elif now - session.asked_at > self.settings.idle_s and not session.running:
                self.end(session, "nothing was asked for")

    def close(self) -> None:
        """End all of them."""
        for session in self.all:
            self.end(session, "the server stops")

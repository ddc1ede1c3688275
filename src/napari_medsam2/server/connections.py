"""Connections: no more than so many at a time, none that says nothing, and none that could be read in two ways."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi.responses import JSONResponse
from starlette.status import HTTP_400_BAD_REQUEST
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol


class OneLength:
    """Refuses a request that says in two ways how long it is: a proxy before us may take the other one.

    What follows the end that we see would be the beginning of somebody else's request for the proxy, or the reverse.

    Parameters
    ----------
    app
        Answers all other requests.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if {b"content-length", b"transfer-encoding"} <= {name for name, _ in scope.get("headers", ())}:
            words = "a request has a length or comes in chunks, never both"
            answer = JSONResponse({"detail": words}, HTTP_400_BAD_REQUEST, {"Connection": "close"})
            await answer(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def protocol(most: int, head_s: float) -> type[H11Protocol]:
    """The protocol of connections of which at most so many are open, and each has asked for something in seconds."""

    class Bounded(H11Protocol):
        """A connection that is closed at once where there are too many, and later if no request comes."""

        _waiting: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            if len(self.connections) >= most:
                transport.abort()
                self._refused = True
                return
            super().connection_made(transport)
            self._wait()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self.cycle is not None and not self.cycle.response_complete:
                self._stop_waiting()
            elif self._waiting is None:
                self._wait()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_waiting()
            if not getattr(self, "_refused", False):
                super().connection_lost(exc)

        def _wait(self) -> None:
            self._stop_waiting()
            self._waiting = self.loop.call_later(head_s, self._give_up)

        def _stop_waiting(self) -> None:
            if self._waiting is not None:
                self._waiting.cancel()
                self._waiting = None

        def _give_up(self) -> None:
            busy = self.cycle is not None and not self.cycle.response_complete
            if not busy and not self.transport.is_closing():
                self.transport.close()

    return Bounded

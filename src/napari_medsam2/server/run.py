"""Starts the server, and stops it softly."""

from __future__ import annotations

import logging
import logging.handlers
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import uvicorn

from .app import make_app
from .connections import protocol
from .models import SharedModels
from .settings import ServerSettings

#: A log goes on in a new file at so many bytes, and so many old ones stay.
_LOG_BYTES, _LOGS = 10 << 20, 5
#: Streams of windows are closed so many seconds after the server was told to stop.
_STOP_S = 2
#: A connection may rest so long between two requests.
_KEEP_ALIVE_S = 75


class Server(uvicorn.Server):
    """A server that says when it can be reached.

    Parameters
    ----------
    settings
        Who may use it, and how much of it.
    on_ready
        Called with the port once it can be reached.
    models
        The networks that it lends; others in tests.
    """

    def __init__(
        self, settings: ServerSettings, on_ready: Callable[[int], None], models: SharedModels | None = None
    ) -> None:
        config = uvicorn.Config(
            make_app(settings, models),
            host=settings.host.strip("[]"),
            port=settings.port,
            http=protocol(settings.connections, settings.head_s),
            ws="none",
            loop="asyncio",
            log_config=None,
            access_log=False,  # numbers of sessions are in addresses
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=_STOP_S,
            backlog=min(2048, 2 * settings.connections),
        )
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen."""
        await super().startup(sockets)
        if self.started:
            self._on_ready(self.servers[0].sockets[0].getsockname()[1])


def serve(settings: ServerSettings, *, log: Path | None = None, on_ready: Callable[[int], None]) -> bool:
    """Serve until a signal says to stop; false if it could not listen on its address.

    Parameters
    ----------
    settings
        Who may use it, and how much of it.
    log
        The only file that is written; ``None``: to stderr.
    on_ready
        Called with the port once the server can be reached.
    """
    _set_up_log(log)
    server = Server(settings, on_ready)
    try:
        server.run()
    except SystemExit:  # uvicorn's way to say that it cannot listen
        return False
    return server.started


def _set_up_log(path: Path | None) -> None:
    handler: logging.Handler = logging.StreamHandler(sys.stderr)
    if path is not None:
        handler = logging.handlers.RotatingFileHandler(path, maxBytes=_LOG_BYTES, backupCount=_LOGS, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("httpx").setLevel(logging.WARNING)

"""``napari-medsam2 serve``: this machine's GPU for the windows of others."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from ..errors import OptionError
from .console import add_device_option, say

#: A key may stand here, too: unlike an option, nobody reads it in the list of processes.
KEY_VARIABLE = "NAPARI_MEDSAM2_API_KEY"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``serve``."""
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    parser.add_argument("--port", type=int, default=1527, help="port to listen on; 0 takes a free one (default: 1527)")
    parser.add_argument("--api-key", metavar="KEY", action="append", default=[], help="a key; others see it in `ps`")
    parser.add_argument(
        "--api-key-file", metavar="FILE", type=Path, help=f"a file with a key a line (also: ${KEY_VARIABLE})"
    )
    parser.add_argument("--max-sessions", metavar="N", type=int, default=8, help="windows at a time (default: 8)")
    parser.add_argument("--model", metavar="FILE", action="append", default=[], help="offer a file of weights, too")
    add_device_option(parser)
    parser.add_argument(
        "--image-memory", metavar="GB", type=float, help="for images of all sessions (default: a quarter of the RAM)"
    )
    parser.add_argument("--lease", metavar="S", type=float, default=60, help="a window may be away so long (60 s)")
    parser.add_argument("--idle", metavar="MIN", type=float, default=30, help="and idle so long (30 minutes)")
    parser.add_argument("--log", metavar="FILE", type=Path, help="write the log there (default: stderr)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Serve until Ctrl-C."""
    keys = _keys(arguments)
    try:
        from ..server.run import serve
        from ..server.settings import ServerSettings, quarter_of_memory
    except ImportError as error:
        if error.name not in ("fastapi", "uvicorn"):
            raise
        raise OptionError(f"{error.name} is missing: pip install 'napari-medsam2[server]' brings it") from error
    memory = quarter_of_memory() if arguments.image_memory is None else int(arguments.image_memory * 1e9)
    settings = ServerSettings(
        host=arguments.host,
        port=arguments.port,
        keys=keys,
        device=arguments.device,
        files=tuple(arguments.model),
        max_sessions=arguments.max_sessions,
        image_memory=memory,
        lease_s=arguments.lease,
        idle_s=60 * arguments.idle,
    )
    host = f"[{settings.host}]" if ":" in settings.host.strip("[]") else settings.host

    def on_ready(port: int) -> None:
        say(f"serving on http://{host}:{port}; what can be asked is on /docs there. Ctrl-C stops it")

    if not serve(settings, log=arguments.log, on_ready=on_ready):
        raise OptionError(f"cannot listen on {host}, port {settings.port}: another program may have it")
    return 0


def _keys(arguments: argparse.Namespace) -> tuple[str, ...]:
    keys = [*arguments.api_key, os.environ.get(KEY_VARIABLE, "")]
    if (path := arguments.api_key_file) is not None:
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeError) as error:
            raise OptionError(f"cannot read keys from {path}: {getattr(error, 'strerror', error)}") from error
        found = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
        if not found:
            raise OptionError(f"there is no key in {path}: a key a line is wanted")
        keys += found
    return tuple(filter(None, (key.strip() for key in keys)))

"""How a server is set up: who may use it, and how much of it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field

import psutil

from ..errors import OptionError
from ..wire.chunks import ImageLimits

#: Keys shorter than this can be guessed.
SHORTEST_KEY = 16


def quarter_of_memory() -> int:
    """A quarter of the main memory of this machine, in bytes."""
    return int(psutil.virtual_memory().total) // 4


@dataclass(frozen=True)
class ServerSettings:
    """What an administrator decides.

    Attributes
    ----------
    host, port
        The address that is listened on.
    keys
        Whoever has one of them may use the server. None at all only on the machine itself.
    device
        Where networks run ("auto", "cpu", "cuda", "cuda:1", "mps").
    files
        Files of weights that are offered beside the published models that are on this machine.
    max_sessions
        Windows that may be served at a time.
    image_memory
        Bytes of images that are kept for all sessions together, compressed.
    lease_s
        A session whose window gave no sign of life for so many seconds is over.
    idle_s
        So is one of which nothing was asked for so long.
    requests_a_second
        Of one session, on average over some seconds; more are told to wait.
    connections
        At a time; more are closed at once.
    head_s
        Within so many seconds a connection has to say all of what it asks for.
    body_s
        A body that brings nothing for so many seconds is given up.
    limits
        How large images may be.
    """

    host: str = "127.0.0.1"
    port: int = 1527
    keys: tuple[str, ...] = ()
    device: str = "auto"
    files: tuple[str, ...] = ()
    max_sessions: int = 8
    image_memory: int = field(default_factory=quarter_of_memory)
    lease_s: float = 60.0
    idle_s: float = 1800.0
    requests_a_second: float = 500.0
    connections: int = 256
    head_s: float = 15.0
    body_s: float = 20.0
    limits: ImageLimits = field(default_factory=ImageLimits)

    def __post_init__(self) -> None:
        if not self.keys and not is_loopback(self.host):
            raise OptionError(
                f"on {self.host} anybody in the network could use this server: give it a key with --api-key-file FILE, "
                "or listen on 127.0.0.1"
            )
        if weak := [key for key in self.keys if len(key) < SHORTEST_KEY or not key.isascii() or not key.isprintable()]:
            raise OptionError(
                f"a key has {SHORTEST_KEY} or more letters and digits, such as `openssl rand -hex 24` makes; got one "
                f"of {len(weak[0])}"
            )
        for name in ("max_sessions", "image_memory", "lease_s", "idle_s", "requests_a_second", "connections", "body_s"):
            if not getattr(self, name) > 0:
                raise OptionError(f"{name} must be more than 0; got {getattr(self, name)!r}")
        if not 0 <= self.port < 65536:
            raise OptionError(f"a port is a number of 0 to 65535; got {self.port}")

    @property
    def session_memory(self) -> int:
        """Bytes of images that are kept for one session."""
        return max(64 << 20, self.image_memory // self.max_sessions)


def is_loopback(host: str) -> bool:
    """True if only this machine reaches an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False

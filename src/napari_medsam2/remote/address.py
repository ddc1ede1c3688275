"""Addresses of servers, as people write them."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from ..errors import OptionError

PORT = 1527


def is_address(text: str) -> bool:
    """True for the address of a server, as :func:`address_of` gives it; false for the name of a device."""
    return text.startswith(("http://", "https://"))


def address_of(text: str) -> str:
    """The address that is meant by what was typed: ``https`` unless it is this machine or said otherwise.

    Raises
    ------
    OptionError
        If it is no address.
    """
    typed = text.strip()
    typed = typed if typed.endswith("://") else typed.rstrip("/")
    wrong = f"{text.strip()!r} is no address of a server; one is such as gpu.lab.org, or http://localhost:{PORT}"
    with_scheme = typed if "://" in typed else f"//{typed}"
    try:
        parts = urlsplit(with_scheme)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise OptionError(wrong) from error
    strange = parts.scheme not in ("", "http", "https") or any(c.isspace() for c in typed) or parts.username
    if not host or port == 0 or strange:
        raise OptionError(wrong)
    local = is_this_machine(host)
    scheme = parts.scheme or ("http" if local else "https")
    shown = f"[{host}]" if ":" in host else host
    usual = PORT if scheme == "http" else None  # a server speaks http itself, and a proxy before it https
    port = port or usual
    return f"{scheme}://{shown}{f':{port}' if port else ''}{parts.path}"


def is_this_machine(host: str) -> bool:
    """True for this machine."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def host_of(address: str) -> str:
    """What people call a server: its host, with the port where there are several on this machine."""
    parts = urlsplit(address)
    host = parts.hostname or address
    return f"{host}:{parts.port}" if parts.port and is_this_machine(host) else host


def is_open(address: str) -> bool:
    """True if others in the network can read what goes there."""
    parts = urlsplit(address)
    return parts.scheme == "http" and not is_this_machine(parts.hostname or "")

"""Bodies of requests, read within bounds of size and time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from fastapi import HTTPException, Request
from starlette.requests import ClientDisconnect

from ..errors import JsonError
from ..json_files import parse_json

TIMED_OUT, TOO_LARGE, UNREADABLE = 408, 413, 422
#: A body has to come at least so fast, in bytes a second, beside the seconds that are granted to all.
_SLOWEST = 16_384


async def body_of(request: Request, most: int, seconds: float) -> bytes:
    """All of a body; an answer of 408 or 413 to what is longer, or comes too slowly or never ends."""
    said = request.headers.get("content-length", "0")
    if said.isdecimal() and int(said) > most:
        raise closing(TOO_LARGE, f"at most {most >> 10} kB are taken; {int(said) >> 10} were announced")
    parts: list[bytes] = []
    n_bytes, began = 0, time.monotonic()
    stream = request.stream()
    while True:
        part = await _next(stream, seconds)
        if part is None:
            return b"".join(parts)
        parts.append(part)
        n_bytes += len(part)
        if n_bytes > most:
            raise closing(TOO_LARGE, f"at most {most >> 10} kB are taken")
        if time.monotonic() - began > seconds + n_bytes / _SLOWEST:
            raise closing(TIMED_OUT, "the body came too slowly")


async def json_of(request: Request, most: int, seconds: float) -> Any:
    """A body as JSON; an answer of 408, 413 or 422 to what is none."""
    body = await body_of(request, most, seconds)
    try:
        return await asyncio.to_thread(parse_json, body.decode()) if body else {}
    except (JsonError, UnicodeError) as error:
        raise HTTPException(UNREADABLE, f"no JSON: {error}") from error


async def _next(stream: AsyncIterator[bytes], seconds: float) -> bytes | None:
    try:
        return await asyncio.wait_for(anext(stream), seconds)
    except StopAsyncIteration:
        return None
    except asyncio.TimeoutError as error:
        raise closing(TIMED_OUT, f"nothing came for {seconds:.0f} s") from error
    except ClientDisconnect as error:
        raise closing(TIMED_OUT, "the client left") from error


def closing(status: int, words: str) -> HTTPException:
    """An answer after which the connection is closed: the rest of the body is not read."""
    return HTTPException(status, words, {"Connection": "close"})

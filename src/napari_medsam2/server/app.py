"""What can be asked of the server, and what it answers: see ``/docs`` of a server that runs."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Header, HTTPException, Request
from fastapi.responses import HTMLResponse, StreamingResponse
from fastapi.security import HTTPBearer
from starlette.status import HTTP_429_TOO_MANY_REQUESTS

from .. import __version__
from ..errors import WireError
from ..json_files import MOST_BYTES
from ..models.registry import MODELS
from ..wire.chunks import OVERHEAD
from ..wire.lines import BEAT, END, PROTOCOL, write_line
from .access import Access
from .bodies import body_of, closing, json_of
from .connections import OneLength
from .models import SharedModels
from .page import page_of
from .served import ServedSession, TooMuchWaits
from .sessions import ServerFull, Sessions
from .settings import ServerSettings

#: A stream says so often that the server is there.
BEAT_S = 10.0
_SMALL = 4096
_GONE, _FULL, _UNREADABLE = 404, 503, 422


@dataclass
class Parts:
    """What the answers are made with."""

    settings: ServerSettings
    sessions: Sessions
    access: Access


def make_app(settings: ServerSettings, models: SharedModels | None = None) -> FastAPI:
    """The application: for uvicorn, or another ASGI server."""
    models = models or SharedModels(settings.device, settings.files)
    parts = Parts(settings, Sessions(settings, models), Access(settings))
    app = FastAPI(
        title="napari-medsam2 serve",
        version=__version__,
        description="Sessions of the MedSAM-2 dock of napari, run on this machine.",
        lifespan=lambda _: _living(parts.sessions),
        docs_url=None,
        redoc_url=None,
        # A scheme in the page of what can be asked; who may ask is said in `access`.
        dependencies=[Depends(HTTPBearer(auto_error=False))],
    )
    app.add_middleware(OneLength)
    app.state.parts = parts
    app.add_api_route("/docs", _docs, methods=["GET"], include_in_schema=False)
    app.add_api_route("/v1/status", _status, methods=["GET"])
    app.add_api_route("/v1/sessions", _create, methods=["POST"], status_code=201)
    one = "/v1/sessions/{number}"
    app.add_api_route(one, _delete, methods=["DELETE"], status_code=204)
    app.add_api_route(f"{one}/requests", _requests, methods=["POST"])
    app.add_api_route(f"{one}/heartbeat", _heartbeat, methods=["POST"])
    app.add_api_route(f"{one}/events", _events, methods=["GET"], response_class=StreamingResponse)
    frame = one + "/images/{generation}/frames/{frame}"
    app.add_api_route(frame + "/parts/{part}", _put_part, methods=["PUT"], status_code=204)
    app.add_api_route(frame + "/unreadable", _give_up_frame, methods=["POST"], status_code=204)
    return app


@contextlib.asynccontextmanager
async def _living(sessions: Sessions) -> AsyncIterator[None]:
    """Look now and then whose window is gone, for as long as the server lives."""

    async def sweep() -> None:
        while True:
            await asyncio.sleep(min(5.0, sessions.settings.lease_s / 4))
            sessions.sweep()

    task = asyncio.create_task(sweep())
    try:
        yield
    finally:
        task.cancel()
        sessions.close()


# ---- who asks --------------------------------------------------------------------------------------------------------


def parts_of_app(request: Request) -> Parts:
    """What the answers are made with."""
    parts: Parts = request.app.state.parts
    return parts


def owner_of(request: Request) -> str:
    """Who asks; see :class:`.access.Access`."""
    return parts_of_app(request).access.owner(request)


def session_of(
    request: Request,
    number: str,
    owner: Annotated[str, Depends(owner_of)],
    x_session_token: Annotated[str, Header()] = "",
) -> ServedSession:
    """The session that is asked for; an answer of 404 to whoever has not its token."""
    parts = parts_of_app(request)
    session = parts.sessions.find(number, x_session_token, owner)
    if session is None:
        raise HTTPException(_GONE, "there is no such session, or no longer")
    parts.access.check_rate(session.number)
    return session


Owner = Annotated[str, Depends(owner_of)]
Asked = Annotated[ServedSession, Depends(session_of)]


# ---- the answers -----------------------------------------------------------------------------------------------------


async def _docs(request: Request) -> HTMLResponse:
    return HTMLResponse(page_of(request.app.openapi()))


async def _status(request: Request, owner: Owner) -> dict[str, Any]:
    """Which models there are, where they run, and how much there is to do."""
    parts = parts_of_app(request)
    models = parts.sessions.models
    names = models.offered
    return {
        "version": __version__,
        "protocol": PROTOCOL,
        "models": [{"name": name, "title": MODELS[name].title if name in MODELS else name} for name in names],
        "loaded": models.loaded,
        "device": parts.settings.device,
        "devices": await asyncio.to_thread(_devices),
        "sessions": len(parts.sessions),
        "max_sessions": parts.settings.max_sessions,
        "running": parts.sessions.n_running,
        "waiting": models.turns.n_waiting,
    }


async def _create(request: Request, owner: Owner) -> dict[str, Any]:
    """Open a session.

    Body: ``protocol``, and ``replay`` true if requests come that a lost session had done; none of them is done before
    a request named ``begin``. The token of the answer goes into the header ``X-Session-Token`` of all that is asked.
    """
    parts = parts_of_app(request)
    told = await json_of(request, _SMALL, parts.settings.body_s)
    if not isinstance(told, dict) or told.get("protocol") != PROTOCOL:
        raise HTTPException(
            _UNREADABLE,
            f"napari-medsam2 {__version__} on the server speaks version {PROTOCOL} of the protocol; have the same "
            "version of napari-medsam2 on both sides",
        )
    parts.access.check_opening(owner)
    try:
        session = parts.sessions.create(owner, waits=told.get("replay") is True)
    except ServerFull as error:
        raise HTTPException(_FULL, str(error), {"Retry-After": "10"}) from error
    settings = parts.settings
    return {
        "number": session.number,
        "token": session.token,
        "lease_s": settings.lease_s,
        "image_bytes": settings.session_memory,
        "frame_bytes": settings.limits.frame_bytes,
    }


async def _delete(request: Request, session: Asked) -> None:
    """End a session; its images, prompts and results are forgotten."""
    parts_of_app(request).sessions.end(session, "its window closed it")


async def _requests(request: Request, session: Asked) -> dict[str, int]:
    """Ask for something, in order; what came before is left out, so that it can be sent again.

    Body: ``requests``, a list of ``{"i": place, "n": number, "g": generation, "do": method, "with": arguments}``. The
    answer is the place of the last one that was taken; if too much waits, 429 and when to ask again.
    """
    told = await json_of(request, MOST_BYTES, parts_of_app(request).settings.body_s)
    asked = told.get("requests") if isinstance(told, dict) else None
    if not isinstance(asked, list):
        raise HTTPException(_UNREADABLE, "a list of requests is wanted, under that name")
    try:
        return {"received": await asyncio.to_thread(session.take, asked)}
    except TooMuchWaits as error:
        raise HTTPException(HTTP_429_TOO_MANY_REQUESTS, str(error), {"Retry-After": "1"}) from error
    except WireError as error:
        raise HTTPException(_UNREADABLE, str(error)) from error


async def _heartbeat(request: Request, session: Asked) -> dict[str, float]:
    """Say that the window is there, and up to which line it has all: ``{"seen": number}``."""
    told = await json_of(request, _SMALL, parts_of_app(request).settings.body_s)
    seen = told.get("seen", 0) if isinstance(told, dict) else None
    if type(seen) is not int or seen < 0:
        raise HTTPException(_UNREADABLE, "the number of the last line that came is wanted, as seen")
    await asyncio.to_thread(session.note_seen, seen)
    return {"lease_s": parts_of_app(request).settings.lease_s}


async def _put_part(
    request: Request,
    session: Asked,
    generation: int,
    frame: int,
    part: int,
    x_checksum: Annotated[str, Header(description="CRC-32 of the body, eight hexadecimal digits")],
) -> None:
    """Send some rows of a frame: a Blosc2 chunk, in any order; the same one twice does no harm."""
    settings = parts_of_app(request).settings
    try:
        most = session.most_part_bytes(generation, frame) + OVERHEAD
    except WireError as error:
        raise closing(_UNREADABLE, str(error)) from error
    body = await body_of(request, most, settings.body_s)
    try:
        session.put_part(generation, frame, part, body, x_checksum)
    except WireError as error:
        raise HTTPException(_UNREADABLE, str(error)) from error


async def _give_up_frame(request: Request, session: Asked, generation: int, frame: int) -> None:
    """Say that a frame cannot be read where it is, ``{"why": "..."}``: whoever waits for it is told so."""
    told = await json_of(request, _SMALL, parts_of_app(request).settings.body_s)
    why = told.get("why") if isinstance(told, dict) else None
    if not isinstance(why, str):
        raise HTTPException(_UNREADABLE, "a reason is wanted, as why")
    try:
        session.give_up_frame(generation, frame, why)
    except WireError as error:
        raise HTTPException(_UNREADABLE, str(error)) from error


async def _events(request: Request, session: Asked, after: int = 0) -> StreamingResponse:
    """All that happens, a line of JSON for each event, from the one that follows ``after``.

    A window that listens again takes the place of itself; one that listens no more has its run wait.
    """
    return StreamingResponse(_lines(request, session, after), media_type="application/x-ndjson")


async def _lines(request: Request, session: ServedSession, after: int) -> AsyncIterator[bytes]:
    news, loop = asyncio.Event(), asyncio.get_running_loop()

    def wake() -> None:
        with contextlib.suppress(RuntimeError):  # the server stops
            loop.call_soon_threadsafe(news.set)

    session.wake()  # who listened before leaves
    session.wake = wake
    session.attach()
    try:
        await asyncio.to_thread(session.note_seen, after)
        yield write_line(BEAT)
        while session.wake is wake and not await request.is_disconnected():
            news.clear()
            after, lines = session.outbox.after(after)
            if lines:
                yield lines
            elif session.ended:
                yield write_line(END, why=session.ended)
                return
            else:
                try:
                    await asyncio.wait_for(news.wait(), BEAT_S)
                except asyncio.TimeoutError:
                    yield write_line(BEAT)
    finally:
        if session.wake is wake:
            session.detach()


def _devices() -> list[str]:
    """What networks can run on here, in words."""
    import torch

    found = [torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        found.append("mps")
    return [*found, "cpu"]

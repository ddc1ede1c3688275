"""Pixels on their way to a server: what it waits for first, then all others, those near the latest prompt before."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from contextlib import suppress

from ..errors import EXPECTED_ERRORS, in_words, on_one_line
from ..images.frames import FrameSource
from ..wire.chunks import checksum_of, pack_part, parts_of
from .client import NotTaken, ServerClient

_log = logging.getLogger(__name__)
#: Frames that are on their way at the same time, so that the line is never empty while one is read.
_AT_ONCE = 2
#: So often a part that was damaged on its way is sent again.
_TRIES = 3


class Uploads:
    """Sends the frames of one sequence, each once unless the server asks for it again.

    Parameters
    ----------
    frames, generation
        Which images, and how they are counted.
    most_bytes
        So many bytes are sent without being asked for.
    """

    def __init__(self, frames: FrameSource, generation: int, most_bytes: int) -> None:
        self._frames, self.generation = frames, generation
        self._most_bytes = most_bytes
        self._wanted: deque[int] = deque()
        self._sent: set[int] = set()
        self._begun = False
        self._near: int | None = None
        self._distance = 0  # from there; all that is nearer is sent
        self._bytes = 0
        self._news = asyncio.Event()

    def want(self, frame: int) -> None:
        """The server waits for this one."""
        if frame not in self._wanted:
            self._wanted.append(frame)
        self._news.set()

    def begin(self, generation: int) -> None:
        """The server has opened images; until it did these, it only takes what it waits for."""
        self._begun = self._begun or generation == self.generation
        self._news.set()

    def come_near(self, frame: int) -> None:
        """A prompt is on this frame: the others follow, those near it first."""
        self._near, self._distance = frame, 0
        self._news.set()

    async def run(self, client: ServerClient) -> None:
        """Send frames until the connection is lost."""
        senders = [asyncio.ensure_future(self._send_frames(client)) for _ in range(_AT_ONCE)]
        try:
            await asyncio.gather(*senders)
        finally:  # of one that lost the connection the other knows nothing
            for sender in senders:
                sender.cancel()
            await asyncio.gather(*senders, return_exceptions=True)

    async def _send_frames(self, client: ServerClient) -> None:
        while True:
            frame = self._next()
            if frame is None:
                self._news.clear()
                await self._news.wait()
                continue
            self._sent.add(frame)
            try:
                await self._send(client, frame)
            except BaseException:
                self._sent.discard(frame)
                self._wanted.appendleft(frame)
                raise

    def _next(self) -> int | None:
        if self._wanted:
            return self._wanted.popleft()
        if (
            not self._begun
            or self._near is None
            or self._bytes > self._most_bytes
            or len(self._sent) >= len(self._frames)
        ):
            return None
        while self._distance < len(self._frames):
            for frame in (self._near + self._distance, self._near - self._distance):
                if 0 <= frame < len(self._frames) and frame not in self._sent:
                    return frame
            self._distance += 1
        return None

    async def _send(self, client: ServerClient, frame: int) -> None:
        try:
            pixels = await asyncio.to_thread(self._frames.__getitem__, frame)
        except EXPECTED_ERRORS as error:
            await self._give_up(client, frame, in_words(error))
            return
        except Exception as error:  # of whatever reads a lazy layer
            _log.exception("frame %d cannot be read", frame)
            await self._give_up(client, frame, on_one_line(f"{type(error).__name__}: {error}"))
            return
        for number, rows in enumerate(parts_of(self._frames.header(frame))):
            packed = await asyncio.to_thread(pack_part, pixels[rows])
            self._bytes += len(packed)
            for attempt in range(_TRIES):
                try:
                    await client.put_part(self.generation, frame, number, packed, checksum_of(packed))
                    break
                except NotTaken as error:
                    if attempt == _TRIES - 1:
                        await self._give_up(client, frame, str(error))
                        return

    async def _give_up(self, client: ServerClient, frame: int, why: str) -> None:
        with suppress(NotTaken):  # other images are open there by now
            await client.give_up_frame(self.generation, frame, why)

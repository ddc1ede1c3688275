"""All that is said in one session of a server: requests and pixels go, events come, over any number of connections."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..engine.events import Event, SequenceOpened
from ..engine.memory_events import TaskSaved
from ..engine.requests import RequestKind
from ..errors import RemoteError, WireError
from ..prompts import MaskPrompt
from ..session.taught import Task
from ..wire.calls import BEGIN, MARK, pack_call, pack_opening
from ..wire.codec import ShapeOf, decode, no_frames
from ..wire.lines import END, EVENTS, REPLAYED, TASK, WANT, Told, read_line
from ..wire.task_parts import TASK_PART, TaskParts
from .client import Busy, NotTaken, ServerClient, SessionGone, SessionTicket
from .images import LocalImages, read_images
from .script import After, Asked
from .tasks import GivenTask, with_tasks
from .uploads import Uploads

#: Requests that go at once.
_BATCH = 64
#: Parts of tasks that go at once.
_MOST_PARTS = 4
#: Signs of life that are given in a lease.
_BEATS_A_LEASE = 4
#: Lines, and their characters, after which the server is told that they came.
_TELL_AFTER, _TELL_AFTER_BYTES = 500, 16 << 20


@dataclass(frozen=True)
class Ears:
    """Who hears of what the server says.

    Attributes
    ----------
    event, served, replayed
        An event; the number of a request that was done; that the session is where the lost one was.
    dropped
        A request that cannot be sent, or that the server does not take, and why.
    alive
        The server answers.
    """

    event: Callable[[Event], None]
    served: Callable[[int], None]
    replayed: Callable[[], None]
    dropped: Callable[[Asked, Exception], None]
    alive: Callable[[], None]


class Talk:
    """One session.

    Parameters
    ----------
    client, ticket
        The server, and the session there.
    images
        Those that were opened, by generation; filled here.
    ears
        Who hears of it.
    """

    def __init__(self, client: ServerClient, ticket: SessionTicket, images: dict[int, LocalImages], ears: Ears) -> None:
        self._client, self._ticket, self._images, self._ears = client, ticket, images, ears
        self._queue: deque[tuple[Asked, After]] = deque()
        self._unsure: deque[tuple[dict[str, Any], Asked]] = deque()  # sent, and not known to have come
        self._received = self._seen = self._told_seen = 0
        self._alone = 0  # so many go one by one: one of them is not taken
        self._told, self._parts = Told(), TaskParts()
        self._tasks: dict[str, Task] = {}  # those that were sent, by their digests
        self._uploads: Uploads | None = None
        self._news, self._other_images = asyncio.Event(), asyncio.Event()
        self._marks: dict[int, int] = {}  # what belongs together, by identity

    def put(self, asked: Asked, after: After = None) -> None:
        """Ask for this after all that was put before."""
        self._queue.append((asked, after))
        self._news.set()

    async def go_on(self, *others: Coroutine[Any, Any, None]) -> None:
        """Connect, and go on until something fails; raises what it was.

        Raises
        ------
        SessionGone
            If the server ended the session.
        RemoteError
            If the connection is lost.
        """
        work = (self._receive(), self._send(), self._beat(), self._upload(), *others)
        tasks = [asyncio.ensure_future(each) for each in work]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
        problems = [each for each in ended if isinstance(each, Exception)]
        gone = [each for each in problems if isinstance(each, SessionGone)]
        raise (gone or problems or [RemoteError(f"{self._client.host} closed the connection")])[0]

    # ---- what comes --------------------------------------------------------------------------------------------------

    async def _receive(self) -> None:
        n_untold = 0
        async for line in self._client.lines(self._seen):
            kind, number, told = read_line(line)
            self._ears.alive()
            if kind == END:
                raise SessionGone(f"{self._client.host} ended the session: {told.get('why')}")
            if number is None or number <= self._seen:
                continue
            if number != self._seen + 1:
                raise WireError(f"line {self._seen + 1} of {self._client.host} is missing")
            self._seen = number
            self._hear(kind, told)
            n_untold += len(line)
            if self._seen - self._told_seen > _TELL_AFTER or n_untold > _TELL_AFTER_BYTES:
                self._told_seen, n_untold = self._seen, 0
                await self._client.beat(self._seen)

    def _hear(self, kind: str, told: Mapping[str, Any]) -> None:
        if kind == EVENTS:
            events = told.get("events")
            for told_event in events if isinstance(events, list) else ():
                event = self._told.unpack(told_event, self._shape_of(told_event))
                if isinstance(event, SequenceOpened) and self._uploads is not None:
                    self._uploads.begin(event.generation)
                self._ears.event(with_tasks(event, self._tasks))
            if "served" in told:
                self._ears.served(decode(int, told["served"]))
        elif kind == REPLAYED:
            self._ears.replayed()
        elif kind == TASK:
            request, generation = decode(int, told.get("n")), decode(int, told.get("g"))
            task = self._parts.add({key: each for key, each in told.items() if key not in ("n", "g")})
            if task is not None:
                self._ears.event(TaskSaved(request, generation, "", task))
        elif kind == WANT and self._uploads is not None and told.get("g") == self._uploads.generation:
            frame = decode(int, told.get("t"))
            self._shape_of({"generation": self._uploads.generation})(frame)  # refuses one that there is not
            self._uploads.want(frame)

    def _shape_of(self, event: Any) -> ShapeOf:
        """The shapes of the frames that an event is about."""
        about = event.get("restored", event) if isinstance(event, dict) else {}
        generation = about.get("generation") if isinstance(about, dict) else None
        images = self._images.get(generation) if isinstance(generation, int) else None
        return no_frames if images is None else images.opening.shape

    # ---- what goes ---------------------------------------------------------------------------------------------------

    async def _send(self) -> None:
        while True:
            if self._unsure:
                await self._send_some()
            elif self._queue:
                await self._pack_some()
            else:
                self._news.clear()
                await self._news.wait()

    async def _send_some(self) -> None:
        told = [{"i": self._received + 1 + n, **each} for n, (each, _) in enumerate(self._unsure)]
        some = _some(told[:1] if self._alone else told)
        try:
            received = await self._client.send(some)
        except Busy as busy:  # so much waits there: what comes of it is heard meanwhile
            await asyncio.sleep(busy.wait_s)
            return
        except NotTaken as problem:
            if len(some) > 1:
                self._alone = len(some)
                return
            self._drop(problem)
            received = self._received
        self._alone = max(0, self._alone - 1)
        while self._unsure and self._received < received:
            self._received += 1
            self._note_sent(self._unsure.popleft()[1])

    def _drop(self, problem: NotTaken) -> None:
        """The server does not take the first of what is sent: it goes, and all parts of its task; others move up."""
        while self._unsure[0][0]["do"] == TASK_PART:
            self._unsure.popleft()
        told, asked = self._unsure[0]
        if told["do"] in (BEGIN, MARK):
            raise problem  # it is no server of ours
        self._ears.dropped(asked, problem)
        if told["do"] == "open":
            self._unsure[0] = _as_sent(replace(asked, name="close_sequence"), {}, None), asked
        else:
            self._unsure.popleft()

    async def _pack_some(self) -> None:
        """Take some of what is asked, so that it can be sent; what is large goes alone.

        It stays in the queue until it is packed: the connection may be lost meanwhile.
        """
        while self._queue and len(self._unsure) < _BATCH:
            asked, after = self._queue[0]
            if self._unsure and _is_large(asked):
                return
            lined = await self._pack(asked, after)
            self._queue.popleft()
            self._unsure += [(told, asked) for told in lined]
            if _is_large(asked):
                return

    async def _pack(self, asked: Asked, after: After) -> list[dict[str, Any]]:
        """A request as it is sent, after the parts of its task; nothing for one that cannot be."""
        told: Mapping[str, Any] = {}
        parts: list[dict[str, Any]] = []
        name = asked.name
        try:
            if name == "open":
                told = await self._pack_images(asked)
            elif name not in (BEGIN, MARK):
                arguments = asked.arguments
                if "task" in arguments:
                    arguments, parts = await self._pack_task(arguments)
                told = await asyncio.to_thread(pack_call, name, self._marked(arguments))
        except Exception as error:  # whatever it is that reads the images
            self._ears.dropped(asked, error)
            if name != "open":
                return []
            name, told = "close_sequence", {}  # so that nothing is asked of the images before
        part = Asked(0, asked.generation, TASK_PART)
        return [*(_as_sent(part, each, None) for each in parts), _as_sent(replace(asked, name=name), told, after)]

    async def _pack_task(self, arguments: Mapping[str, Any]) -> tuple[Mapping[str, Any], list[dict[str, Any]]]:
        """Arguments with what a task is called by, and the parts in which it is sent."""
        given = arguments["task"]
        assert isinstance(given, GivenTask)
        task, parts = await asyncio.to_thread(given.read)
        self._tasks[task.digest] = task
        return {**arguments, "task": task.digest}, list(parts)

    async def _pack_images(self, asked: Asked) -> dict[str, Any]:
        generation = asked.generation
        if generation not in self._images:
            for old in [each for each in self._images if each < generation - 1]:
                del self._images[old]
            options = asked.arguments["options"]
            self._images[generation] = await asyncio.to_thread(read_images, asked.arguments["data"], options)
        images = self._images[generation]
        told = pack_opening(images.opening)
        self._uploads = Uploads(images.frames, generation, self._ticket.image_bytes)
        self._other_images.set()
        return told

    def _marked(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """Arguments in which a number says what belongs together."""
        together = arguments.get("together")
        if together is None:
            return arguments
        if id(together) not in self._marks:
            self._marks = {id(together): max(self._marks.values(), default=0) + 1}
        return {**arguments, "together": self._marks[id(together)]}

    def _note_sent(self, asked: Asked) -> None:
        """The server has it: pixels near where it is about are needed next."""
        frame = asked.arguments.get("frame", getattr(asked.arguments.get("prompt"), "frame", None))
        if self._uploads is not None and frame is not None and asked.generation == self._uploads.generation:
            self._uploads.come_near(int(frame))

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._ticket.lease_s / _BEATS_A_LEASE)
            self._told_seen = self._seen
            await self._client.beat(self._seen)

    async def _upload(self) -> None:
        while True:
            self._other_images.clear()
            waited: list[asyncio.Future[Any]] = [asyncio.ensure_future(self._other_images.wait())]
            if self._uploads is not None:
                waited.append(asyncio.ensure_future(self._uploads.run(self._client)))
            try:
                done, _ = await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for each in waited:
                    each.cancel()
            for each in done:
                each.result()  # raises what ended it


def _as_sent(asked: Asked, arguments: Mapping[str, Any], after: After) -> dict[str, Any]:
    told = {"n": asked.number, "g": asked.generation, "do": asked.name, "with": arguments}
    return told if after is None else {**told, "after": after}


def _some(told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those of the requests that go at once: with a few parts of tasks at most."""
    parts = [k for k, each in enumerate(told) if each["do"] == TASK_PART]
    return told[: parts[_MOST_PARTS]] if len(parts) > _MOST_PARTS else told


def _is_large(asked: Asked) -> bool:
    """True for what goes alone: results, masks and tasks."""
    if "task" in asked.arguments:
        return True
    prompts = (*asked.arguments.get("prompts", ()), asked.arguments.get("prompt"))
    return asked.kind is RequestKind.TAKE_RESULTS or any(isinstance(prompt, MaskPrompt) for prompt in prompts)

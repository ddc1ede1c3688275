"""One session of one window: its engine, fed with requests, and all that it says, on the way to the window."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..engine.engine import Engine
from ..engine.events import Event, Failed, Finished, Noted, ResultReady, RunState, StatusChanged, failure_of
from ..engine.memory_events import TaskSaved
from ..engine.requests import Request, RequestKind
from ..errors import RemoteError, UserError, WireError
from ..prompts import MaskPrompt
from ..wire.calls import KINDS, MARK, Opening, unpack_call, unpack_opening
from ..wire.chunks import PART_BYTES, ImageLimits, row_bytes
from ..wire.codec import encode, no_frames
from ..wire.lines import EVENTS, REPLAYED, TASK, WANT, Told
from ..wire.task_parts import TASK_PART
from .feed import Asked, Feed
from .frames import SentFrames
from .models import SharedModels
from .outbox import Outbox
from .tasks import ReceivedTasks, told_parts

if TYPE_CHECKING:
    from ..models.device import Model
    from ..session.session import Session

_log = logging.getLogger(__name__)
#: A window that takes its results so much more slowly than they come has its run wait.
_MOST_UNSEEN = 64 << 20
#: Image features that are kept for one session.
_FEATURE_BYTES = 512 << 20


class TooMuchWaits(RemoteError):
    """A session has asked for more than can wait."""


@dataclass(frozen=True)
class _Images:
    """Images as the window counts them, and their frames."""

    generation: int
    opening: Opening
    frames: SentFrames


class ServedSession:
    """What one window has of a server; its methods may be called from any thread.

    Parameters
    ----------
    models
        The networks, and the turns of who uses them.
    limits, image_bytes
        How large images may be, and how many bytes of them are kept.
    waits
        True if requests come that are done again; none is done before all of them are there.
    owner
        Whose key it was opened with.
    """

    def __init__(
        self, models: SharedModels, limits: ImageLimits, image_bytes: int, *, waits: bool = False, owner: str = ""
    ) -> None:
        self.number, self.token, self.owner = secrets.token_hex(6), secrets.token_urlsafe(24), owner
        self.wake: Callable[[], None] = lambda: None
        self.ended = ""
        self.seen_at = self.asked_at = time.monotonic()
        self._models, self._limits, self._image_bytes = models, limits, image_bytes
        # Taken in this order, the second with nothing else inside: the feed has its own between the two, and hands
        # requests on from the engine's thread too.
        self._taking, self._holding = threading.Lock(), threading.Lock()
        self._received = 0
        self._numbers, self._places = [0], [0]  # of the window's requests, by that of the engine
        self._generations = [0]
        self._images: _Images | None = None
        self._holds = {"away"}  # why a run waits
        self._told, self._tasks = Told(), ReceivedTasks()
        self._group: list[Any] = []  # events that go in one line
        self._keeps_group = False
        self.outbox = Outbox(self._on_line)
        self._feed = Feed(
            self._do,
            waits=waits,
            hold=lambda on: self._hold("more", on),
            is_heard=lambda: self.outbox.nbytes <= 2 * _MOST_UNSEEN,
        )
        self._engine = Engine(
            self._on_event, load_model=self._load, open_session=self._open_session, on_served=self._on_served
        )
        self._engine.pause()

    # ---- for the window ----------------------------------------------------------------------------------------------

    @property
    def running(self) -> bool:
        """True if there is something to do, or being done."""
        return self._engine.status.state not in (RunState.IDLE, RunState.PAUSED, RunState.CLOSED)

    @property
    def waits_for(self) -> frozenset[str]:
        """Why a run would not go on: "user", "away", "unseen", or "more" of what is done again is to come."""
        return frozenset(self._holds)

    def take(self, requests: list[Any]) -> int:
        """Take requests in order, each once; returns the place of the last one that there is room for.

        Raises
        ------
        WireError
            If something is no request, or one is missing; those before it are taken.
        TooMuchWaits
            If there is no room for the first one.
        """
        with self._taking:
            before = self._received
            for told in requests:
                asked = Asked.of(told)
                if asked.place > self._received + 1:
                    raise WireError(f"request {self._received + 1} is missing; got {asked.place}")
                if asked.place == self._received + 1:
                    if not self._feed.put(asked):
                        if self._received == before:
                            raise TooMuchWaits("more is asked for than can wait: it is taken as soon as there is room")
                        break
                    self._received = asked.place
            self.asked_at = time.monotonic()
            return self._received

    def put_part(self, generation: int, frame: int, part: int, packed: bytes, checksum: str) -> bool:
        """Take a part of a frame; false if it is there. Raises as :meth:`SentFrames.put`, also for other images."""
        return self._frames(generation).put(frame, part, packed, checksum)

    def give_up_frame(self, generation: int, frame: int, why: str) -> None:
        """Nobody is to wait for a frame that the window cannot read."""
        self._frames(generation).give_up(frame, why)

    def _frames(self, generation: int) -> SentFrames:
        images = self._images
        if images is None or images.generation != generation:
            raise WireError(f"images {generation} are not open; {'none' if images is None else images.generation} are")
        self.asked_at = time.monotonic()
        return images.frames

    def most_part_bytes(self, generation: int, frame: int) -> int:
        """How long a part of a frame can be, before it is compressed; :class:`WireError` if there is no such frame."""
        headers = self._frames(generation).headers
        if not 0 <= frame < len(headers):
            raise WireError(f"there is no frame {frame}; frames are 0 to {len(headers) - 1}")
        return max(PART_BYTES, row_bytes(headers[frame]))

    def attach(self) -> None:
        """The window listens: a run that waited for it goes on."""
        self._hold("away", False)

    def detach(self) -> None:
        """The window listens no more: a run waits for it at the next frame boundary."""
        self._hold("away", True)

    def note_seen(self, line: int) -> None:
        """The window has all lines up to this one."""
        self.outbox.forget(line)
        self._hold_unseen()
        self._feed.note_heard()

    def end(self, why: str) -> None:
        """Let go of everything, after the frame that it is at."""
        with self._holding:
            if self.ended:
                return
            self.ended = why
        self._feed.close()
        self._engine.close(0)
        if self._images is not None:
            self._images.frames.close()
        self._models.leave(self)
        self.wake()

    # ---- requests ----------------------------------------------------------------------------------------------------

    def _do(self, asked: Asked) -> int:
        """Hand a request to the engine; the bytes that it takes until it is served, or 0 for what is answered here."""
        if asked.name == MARK:
            self.outbox.put(REPLAYED)
            return 0
        if asked.name == TASK_PART:
            self._tasks.add(asked.arguments)
            return 0
        kind = KINDS.get(asked.name, RequestKind.CANCEL)
        try:
            call, n_pixels = self._call_of(asked)
        except UserError as error:
            failed = failure_of(error, asked.number, asked.generation, kind or RequestKind.CANCEL, None)
            is_done = {} if asked.name == "open" else {"served": asked.number}
            self.outbox.put(EVENTS, events=[encode(failed)], **is_done)
            if is_done:
                return 0
            call, n_pixels = self._close_images, 0  # so that nothing is asked of the images before
        if kind is None:
            self._hold("user", asked.name == "pause")
            return 0
        self._numbers.append(asked.number)
        self._places.append(asked.place)
        if kind.changes_images:
            self._generations.append(asked.generation)
        call()
        self._hold("user", "user" in self._holds and not kind.ends_pause)
        return asked.n_bytes + n_pixels

    def _call_of(self, asked: Asked) -> tuple[Callable[[], Any], int]:
        """What a request does, and the pixels of its masks; :class:`UserError` if it cannot be read, or be done."""
        if asked.name == "open":
            opening = unpack_opening(asked.arguments, self._limits)
            return (lambda: self._open(asked.generation, opening)), 0
        if asked.name == "close_sequence":
            return self._close_images, 0
        shape_of = no_frames if self._images is None else self._images.opening.shape
        arguments = unpack_call(asked.name, asked.arguments, shape_of)
        if asked.name == "load_model":
            arguments["device"] = "auto"  # where networks run here is not for the window to say
        if "task" in arguments:
            arguments["task"] = self._tasks.take(arguments["task"])
        if arguments.get("together") is not None:
            arguments["together"] = self._same(arguments["together"])
        prompts = (*arguments.get("prompts", ()), arguments.get("prompt"))
        n_pixels = sum(prompt.mask.size for prompt in prompts if isinstance(prompt, MaskPrompt))
        return (lambda: getattr(self._engine, asked.name)(**arguments)), n_pixels

    def _close_images(self) -> None:
        """Nobody waits for pixels of them any more, or the engine would not come to close them."""
        if self._images is not None:
            self._images.frames.close()
        self._engine.close_sequence()

    def _open(self, generation: int, opening: Opening) -> None:
        if self._images is not None:
            self._images.frames.close()
        want = lambda t: self.outbox.put(WANT, g=generation, t=t)  # noqa: E731
        frames = SentFrames(opening.headers, self._image_bytes, want, self._models.turns)
        self._images = _Images(generation, opening, frames)
        options = {"cache_bytes": _FEATURE_BYTES, **opening.options}
        self._engine.open(frames, **options)

    def _same(self, mark: object) -> object:
        """One object for each mark: what belongs together is told by identity."""
        if getattr(self, "_mark", (None, None))[0] != mark:
            self._mark = (mark, object())
        return self._mark[1]

    def _load(self, name: str, *, device: str, on_notice: Any) -> Model:
        model = self._models.get(self, name, on_notice)
        if self.ended:  # it left while this one was loaded
            self._models.leave(self)
        return model

    def _open_session(self, model: Model, data: Any, options: dict[str, Any]) -> Session:
        from .turns import TurnSession

        return TurnSession(self._models.turns, model, data, **options)

    def _hold(self, why: str, on: bool) -> None:
        """Have the run wait for a reason, or no longer for this one."""
        with self._holding:
            (self._holds.add if on else self._holds.discard)(why)
            (self._engine.pause if self._holds else self._engine.resume)()

    def _hold_unseen(self) -> None:
        with self._holding:
            (self._holds.add if self.outbox.nbytes > _MOST_UNSEEN else self._holds.discard)("unseen")
            (self._engine.pause if self._holds else self._engine.resume)()

    # ---- what comes of them, on the engine's thread ------------------------------------------------------------------

    def _on_event(self, event: Event) -> None:
        if self.ended:
            return  # a run that ends with the session is not over: the window has it go on in another one
        told: dict[str, int] = {}
        if hasattr(event, "request"):
            told["request"] = self._numbers[event.request]
        if hasattr(event, "generation"):
            told["generation"] = self._generations[event.generation]
        event = replace(event, **told) if told else event  # type: ignore[arg-type]
        self._say_task(event) if isinstance(event, TaskSaved) else self._say(event)
        if isinstance(event, Failed) and not event.expected:
            _log.error("session %s: %s", self.number, event.report)
        if isinstance(event, ResultReady) and event.kind is RequestKind.PROPAGATE:
            self._feed.note_step()
        if isinstance(event, StatusChanged) and event.status.state is RunState.RUNNING:
            self._feed.note_run(True)
        if isinstance(event, Finished):
            self._feed.note_run(False)

    def _say(self, event: Event) -> None:
        """Tell an event; what is noted down of a step or a request goes with all else that comes of it, or not at all.

        Else a window whose server is killed in between has noted what has to be done again, and notes it twice.
        """
        try:
            told = self._told.pack(event)
        except UserError as error:  # a defect of ours: better an error in the window than nothing
            _log.exception("session %s: an event cannot be told", self.number)
            told = encode(failure_of(error, 0, self._generations[-1], RequestKind.PREVIEW, None))
        self._group.append(told)
        self._keeps_group = self._keeps_group or isinstance(event, Noted)
        is_step = isinstance(event, ResultReady) and event.kind is RequestKind.PROPAGATE
        if not self._keeps_group or is_step or isinstance(event, Finished):
            self._tell()
        self._hold_unseen()

    def _say_task(self, event: TaskSaved) -> None:
        """Tell a task, a part in a line, after what was noted of it."""
        try:
            parts = told_parts(event)
        except UserError as error:
            self._say(failure_of(error, event.request, event.generation, RequestKind.SAVE_TASK, None))
            return
        self._tell()
        for part in parts:
            self.outbox.put(TASK, **part)

    def _tell(self, **told: int) -> None:
        self.outbox.put(EVENTS, events=self._group, **told)
        self._group, self._keeps_group = [], False

    def _on_served(self, request: Request) -> None:
        if self.ended:
            return
        self._tell(served=self._numbers[request.number])
        self._feed.note_served(self._places[request.number])

    def _on_line(self) -> None:
        self.wake()

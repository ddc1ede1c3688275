"""An engine on a server: requests go in and never wait, events come out, as of an engine on this computer."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..engine.events import Event, RunState, RunStatus, StatusChanged, failure_of
from ..engine.memory_events import TaskSaved
from ..engine.requests import RequestKind
from ..errors import TaskFileError
from ..images.opened import LabelledObject
from ..prompts import Prompt
from ..results import FrameResult
from ..session.task_file import write_task
from ..session.taught import Task
from ..types import Direction, Mode
from ..wire.calls import KINDS
from .client import ServerClient
from .link import Link
from .script import Asked, in_groups
from .tasks import GivenTask

_log = logging.getLogger(__name__)


class RemoteEngine:
    """Has the methods of :class:`~napari_medsam2.engine.engine.Engine`, and does them on a server.

    Images are read here and sent once; what the server forgets, because it was stopped or the connection was lost for
    long, is sent again and done again, to the same results. An :class:`~napari_medsam2.engine.events.ConnectionChanged`
    says when the server is lost and when it is back.

    Parameters
    ----------
    on_event
        Called with each event, on a thread of this engine.
    address
        Of the server, as :func:`.address.address_of` gives it.
    key
        What the server wants to see; may be empty.

    Examples
    --------
    >>> engine = RemoteEngine(queue.put, "http://localhost:1527")   # doctest: +SKIP
    >>> engine.load_model("micro")                                  # doctest: +SKIP
    >>> engine.open(volume, mode="stack", axis=0)                   # doctest: +SKIP
    """

    def __init__(self, on_event: Callable[[Event], None], address: str, key: str = "") -> None:
        self.address = address
        self._on_event = on_event
        self._lock = threading.RLock()
        self._saving: dict[int, str | Path | None] = {}  # where tasks are written, by requests
        self._number = self._generation = 0
        self._on_the_way = 0  # asked for, and not taken up by the loop
        self._status = RunStatus()
        self._closing = False
        self._loop = asyncio.new_event_loop()
        self._link: Link | None = None
        self._living: asyncio.Task[None] | None = None
        self._began = threading.Event()
        self._thread = threading.Thread(
            target=self._work, args=(address, key), name="napari-medsam2 remote engine", daemon=True
        )
        self._thread.start()
        self._began.wait()

    # ---- what may be asked, from any thread ------------------------------------------------------------------------

    @property
    def session(self) -> None:
        """There is none here."""

    @property
    def status(self) -> RunStatus:
        """A snapshot; never waits."""
        return self._status

    @property
    def generation(self) -> int:
        """Number of the latest sequence asked for; events of earlier ones are not delivered any more."""
        return self._generation

    @property
    def n_unfinished(self) -> int:
        """Number of requests that are not done."""
        link = self._link
        return self._on_the_way + (0 if link is None else len(link.pending))

    def close(self, timeout: float = 5.0) -> bool:
        """End the session on the server. True if that was done within ``timeout`` seconds."""
        with self._lock:
            if not self._closing:
                self._closing = True
                with contextlib.suppress(RuntimeError):  # it ended
                    self._loop.call_soon_threadsafe(self._stop_living)
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def load_model(self, name_or_path: str = "micro", *, device: str = "auto") -> int:
        """Load a model of the server's; on which device there is for the server to say."""
        return self._ask("load_model", name_or_path=name_or_path)

    def open(self, data: Any, *, mode: Mode = "stack", **options: Any) -> int:
        """Open a sequence; see :meth:`napari_medsam2.engine.engine.Engine.open`."""
        return self._ask("open", data=data, options={"mode": mode, **options})

    def close_sequence(self) -> int:
        """End what runs, and let go of the images here and on the server."""
        return self._ask("close_sequence")

    def add_prompt(self, prompt: Prompt) -> int:
        """Add a prompt."""
        return self._ask("add_prompt", prompt=prompt)

    def replace_prompts(
        self,
        object_id: int,
        frame: int,
        prompts: Sequence[Prompt],
        *,
        uncover: bool = True,
        together: object = None,
    ) -> int:
        """Make these the prompts of one object on one frame."""
        told = {"object_id": object_id, "frame": frame, "prompts": tuple(prompts), "uncover": uncover}
        return self._ask("replace_prompts", **told, together=together)

    def take_results(self, results: Iterable[FrameResult], *, up_to_date: bool = False) -> int:
        """Go on with results that are there."""
        number = 0
        for some in in_groups(tuple(results)):
            number = self._ask("take_results", results=some, up_to_date=up_to_date)
        return number

    def preview(self, frame: int, object_id: int = 1) -> int:
        """Segment one frame."""
        return self._ask("preview", frame=frame, object_id=object_id)

    def propagate(
        self,
        *,
        objects: Sequence[int] | None = None,
        direction: Direction = "both",
        start: int | None = None,
        stop: int | None = None,
        anew: bool = False,
    ) -> int:
        """Segment the other frames; takes the place of a propagation that runs."""
        return self._ask("propagate", objects=objects, direction=direction, start=start, stop=stop, anew=anew)

    def pause(self) -> None:
        """Stop a propagation at the next frame boundary."""
        self._ask("pause")

    def resume(self) -> None:
        """Go on with a paused propagation."""
        self._ask("resume")

    def cancel(self) -> int:
        """End a propagation at the next frame boundary; queued runs and previews go."""
        return self._ask("cancel")

    def undo(self) -> int:
        """Undo the last change of prompts and results."""
        return self._ask("undo")

    def redo(self) -> int:
        """Redo what was undone."""
        return self._ask("redo")

    def reset(self, object_id: int | Sequence[int] | None = None) -> int:
        """Remove prompts, results, memory and name of objects, or of all."""
        return self._ask("reset", object_id=object_id)

    def call(self, object_id: int, called: LabelledObject) -> int:
        """Give an object a name and a colour."""
        return self._ask("call", object_id=object_id, called=called)

    def merge(self, into: int, others: Sequence[int]) -> int:
        """Make objects one."""
        return self._ask("merge", into=into, others=tuple(others))

    def split(
        self, object_id: int, frame: int | None = None, *, first: int | None = None, largest: int | None = None
    ) -> int:
        """Make objects of an object's parts."""
        return self._ask("split", object_id=object_id, frame=frame, first=first, largest=largest)

    def accept(self, frame: int, objects: Sequence[int] | None = None) -> int:
        """Take what was found on a frame as right."""
        return self._ask("accept", frame=frame, objects=None if objects is None else tuple(objects))

    def pin(self, frame: int, object_id: int = 1) -> int:
        """Make a template of a memory."""
        return self._ask("pin", frame=frame, object_id=object_id)

    def unpin(self, frame: int, object_id: int = 1) -> int:
        """Let go of a memory that was pinned."""
        return self._ask("unpin", frame=frame, object_id=object_id)

    def evict(self, frame: int, object_id: int = 1) -> int:
        """Take a frame out of the memory."""
        return self._ask("evict", frame=frame, object_id=object_id)

    def watch_bank(self, object_id: int | None) -> int:
        """Tell of an object's memory from now on; ``None``: of none."""
        return self._ask("watch_bank", object_id=object_id)

    def look(self, frame: int, object_id: int = 1) -> int:
        """What the model sees of a frame."""
        return self._ask("look", frame=frame, object_id=object_id)

    def compare_banks(self) -> int:
        """Find all once more with the other memory bank; takes the place of a run."""
        return self._ask("compare_banks")

    def take_task(self, task: Task | str | Path) -> int:
        """Look for the objects of a task file of this computer, too."""
        return self._ask("take_task", task=GivenTask(task))

    def retake_task(self, task: Task, into: Mapping[int, int]) -> int:
        """Go on from a task file in a session that was opened anew."""
        return self._ask("retake_task", task=GivenTask(task), into=dict(into))

    def save_task(
        self, path: str | Path | None, objects: Sequence[int] | None = None, *, with_found: bool = False
    ) -> int:
        """Write a task file on this computer."""
        chosen = None if objects is None else tuple(objects)
        with self._lock:
            number = self._ask("save_task", path=None, objects=chosen, with_found=with_found)
            self._saving[number] = path
        return number

    # ---- asking ----------------------------------------------------------------------------------------------------

    def _ask(self, name: str, **arguments: Any) -> int:
        kind = KINDS[name]
        with self._lock:
            self._number += kind is not None
            self._generation += kind is not None and kind.changes_images
            if self._closing:
                return self._number
            number = 0 if kind is None else self._number
            asked = Asked(number, self._generation, name, arguments, kind)
            self._on_the_way += 1
            self._loop.call_soon_threadsafe(self._take, asked)
            return self._number

    # ---- on the thread ---------------------------------------------------------------------------------------------

    def _work(self, address: str, key: str) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._live(address, key))
        finally:
            self._loop.close()

    async def _live(self, address: str, key: str) -> None:
        self._link = link = Link(ServerClient(address, key), self._emit, self._on_dropped)
        self._living = asyncio.ensure_future(link.live())
        self._began.set()
        try:
            with contextlib.suppress(asyncio.CancelledError):
                await self._living
            await link.leave()
        finally:  # whatever happens, nobody waits for an engine that is gone
            self._closing = True
            self._emit(StatusChanged(RunStatus(RunState.CLOSED)))

    def _stop_living(self) -> None:
        if self._living is not None:
            self._living.cancel()

    def _take(self, asked: Asked) -> None:
        assert self._link is not None
        try:
            self._link.ask(asked)
        except Exception as problem:
            self._link.give_up(problem)
        with self._lock:
            self._on_the_way -= 1

    def _on_dropped(self, asked: Asked, problem: Exception) -> None:
        if asked.kind is not None:  # what makes a session anew nobody asked for, and its images are the latest
            generation = asked.generation if asked.number else self._generation
            self._emit(failure_of(problem, asked.number, generation, asked.kind, None))

    def _emit(self, event: Event) -> None:
        """Deliver an event, unless it is of an earlier generation; a model is of none."""
        about_model = getattr(event, "kind", None) is RequestKind.LOAD_MODEL
        if not about_model and getattr(event, "generation", self._generation) != self._generation:
            return
        if isinstance(event, StatusChanged):
            self._status = event.status
        if isinstance(event, TaskSaved):
            event = self._written(event)
        try:
            self._on_event(event)
        except Exception:
            _log.exception("the receiver of engine events failed on %s", type(event).__name__)

    def _written(self, event: TaskSaved) -> Event:
        """A task that came, once it is written where that was asked for; or why it could not be."""
        with self._lock:
            path = self._saving.pop(event.request, None)
        if path is None:
            return event
        try:
            return replace(event, path=str(path), task=write_task(Path(path), event.task))
        except TaskFileError as error:
            return failure_of(error, event.request, event.generation, RequestKind.SAVE_TASK, None)

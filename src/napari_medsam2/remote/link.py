"""The connection of one engine to one server, which comes back by itself.

What the server has done is noted in a :class:`.script.Script`; a server that forgot the session gets it to do again, up
to the same step of the same run, before anything else is asked. All of it runs in one event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from ..engine.events import (
    ConnectionChanged,
    Event,
    Failed,
    Finished,
    FinishReason,
    ModelLoaded,
    Noted,
    Restored,
    ResultReady,
    RunState,
    RunStatus,
    SequenceOpened,
    Standing,
    StatusChanged,
)
from ..engine.requests import RequestKind
from ..errors import RemoteError, WireError
from ..wire.calls import BEGIN, MARK
from .changes import Changes
from .client import ServerClient, SessionGone
from .images import LocalImages
from .patience import Patience
from .replay import Replay
from .script import Asked, Script
from .talk import Ears, Talk

_log = logging.getLogger(__name__)
_RUNS = (RequestKind.PROPAGATE, RequestKind.COMPARE)


class _Again(Exception):
    """The session is to be made anew, from what there is."""


class Link:
    """Does what is asked of an engine on a server.

    Parameters
    ----------
    client
        The server.
    emit
        Takes the events, in the event loop.
    on_dropped
        Called with requests that the server will not do, and why.
    """

    def __init__(
        self, client: ServerClient, emit: Callable[[Event], None], on_dropped: Callable[[Asked, Exception], None]
    ) -> None:
        self._client, self._emit, self._on_dropped = client, emit, on_dropped
        self._script = Script()
        self.pending: deque[Asked] = deque()  # not served yet
        self._images: dict[int, LocalImages] = {}
        self._talk: Talk | None = None
        self._needed, self._again = asyncio.Event(), asyncio.Event()
        self._paused = False
        self._status = RunStatus()
        self._told_lost, self._problem = False, ""
        self._patience = Patience()
        self._replays, self._hands_over = False, False  # and nothing that comes of it is told
        self._replay = Replay()
        self._run = Asked(0, 0, "propagate")
        self._standing: Standing | None = None
        self._watch: Asked | None = None  # whose memory somebody looks at
        self._changes = Changes()

    # ---- what is asked ---------------------------------------------------------------------------------------------

    def ask(self, asked: Asked) -> None:
        """Do this after all that was asked before."""
        catches_up = self._talk is not None and (self._replays or self._hands_over)
        is_void = asked.kind is not None and asked.kind.changes_images  # what is done again, nobody waits for any more
        if asked.kind is RequestKind.CANCEL and self._script.running and (self._talk is None or self._replays):
            self._end_run()
            is_void = True
        if asked.kind is None:
            self._paused = asked.name == "pause"
        else:
            self._paused = self._paused and not asked.kind.ends_pause
            self._watch = asked if asked.name == "watch_bank" else self._watch
            self.pending.append(asked)
            self._script.note_asked(asked)
        if catches_up and is_void:
            self._again.set()
        if self._talk is not None:
            self._talk.put(asked)
        if self._told_lost and asked.kind is not None:
            self._tell_lost()  # whoever asks has taken down what was said before, and would wait for nothing
        self._needed.set()

    async def live(self) -> None:
        """Keep the connection while it is needed; ends only when it is cancelled."""
        while True:
            try:
                await self._live()
            except Exception as problem:
                self.give_up(problem)
                await self._begin_anew()

    async def _live(self) -> None:
        while True:
            if self._talk is None and not self.pending and (self._paused or not self._script.running):
                self._rest()
                self._needed.clear()
                await self._needed.wait()
            try:
                if self._talk is None:
                    self._talk = await self._begin()
                await self._talk.go_on(self._until_again())
            except (_Again, RemoteError, WireError) as problem:
                if self._again.is_set():
                    await self._begin_anew()
                elif isinstance(problem, SessionGone):
                    self._talk = None
                elif not isinstance(problem, _Again):
                    await self._wait_after(problem)

    def give_up(self, problem: Exception) -> None:
        """A defect, here or there: all that is asked is dropped, and told so; what is asked next begins anew.

        So nothing waits for ever, and nothing is tried again and again that fails each time.
        """
        _log.error("what was asked of %s cannot be done", self._client.host, exc_info=problem)
        dropped = list(self.pending) or [Asked(0, 0, "propagate", {}, RequestKind.PROPAGATE)]
        self.pending.clear()
        self._paused, self._watch, self._patience = False, None, Patience()
        for asked in dropped:
            self._on_dropped(asked, problem)
        self._end_run(FinishReason.FAILED) if self._script.running else self._script.end_run()
        if closing := [asked for asked in dropped if asked.kind is not None and asked.kind.changes_images]:
            self._script.note_served(replace(closing[-1], kind=RequestKind.CLOSE_IMAGES))
        if self._talk is not None:
            self._again.set()
        self._talk, self._replays, self._hands_over = None, False, False
        self._status = replace(self._status, state=RunState.IDLE, detail="")
        self._tell_back()

    def _rest(self) -> None:
        """Nothing is asked for, and there is no session that could say so."""
        state = RunState.PAUSED if self._script.running else RunState.IDLE
        if self._status.state is not state:
            self._status = replace(self._status, state=state, detail="")
            self._emit(StatusChanged(self._status))

    async def leave(self) -> None:
        """Tell the server that we go, if it hears us."""
        if self._talk is not None:
            with contextlib.suppress(RemoteError, WireError, asyncio.TimeoutError):
                await asyncio.wait_for(self._client.delete(), 2.0)
        await self._client.close()

    # ---- a session of the server -----------------------------------------------------------------------------------

    async def _begin(self) -> Talk:
        """A new session, which has to do again first what was done."""
        script = self._script
        ticket = await self._client.create(replay=True)
        if script.running and any(asked.kind is RequestKind.CANCEL for asked in self.pending):
            self._end_run()
        left = any(asked.kind is not None and asked.kind.changes_images for asked in self.pending)
        exact = script.is_exact
        replays = script.has_model and script.opened is not None and not left
        ears = Ears(self._on_event, self._on_served, self._on_replayed, self._on_talk_dropped, self._on_alive)
        talk = Talk(self._client, ticket, self._images, ears)
        self._replays, self._hands_over = exact, not exact
        self._replay, self._standing = Replay(), None
        self._changes = Changes(script.changes if exact else ())
        if not replays:
            if script.model is not None:
                talk.put(script.model)
            talk.put(Asked(0, 0, MARK))
        elif exact:
            for asked, after in script.again():
                talk.put(asked, after)
            talk.put(Asked(0, 0, MARK), script.after_all)
        else:
            for asked in script.handed_over():
                talk.put(asked)
            talk.put(Asked(0, 0, MARK))
        talk.put(Asked(0, 0, BEGIN))
        if self._watch is not None and self._watch not in self.pending:
            talk.put(replace(self._watch, number=0))
        if script.comparing is not None:
            self.pending.appendleft(script.comparing)
            script.comparing = None
        for asked in self.pending:
            talk.put(asked)
        if self._paused:
            talk.put(Asked(0, 0, "pause"))
        return talk

    async def _until_again(self) -> None:
        await self._again.wait()
        raise _Again

    async def _begin_anew(self) -> None:
        """What is done again is void: another session goes on from what there is."""
        self._talk = None
        self._again.clear()
        with contextlib.suppress(RemoteError, WireError):
            await self._client.delete()

    def _end_run(self, reason: FinishReason = FinishReason.CANCELLED) -> None:
        """A run that goes on nowhere now is over: its results stay, and it is not done again."""
        cancelled = (*_RUNS, RequestKind.PREVIEW)
        before = [asked.kind is RequestKind.CANCEL for asked in self.pending]
        upto = before.index(True) if True in before else len(before)
        self.pending = deque(asked for n, asked in enumerate(self.pending) if n > upto or asked.kind not in cancelled)
        run, steps = self._run, self._script.steps
        self._script.end_run()
        compares = run.kind is RequestKind.COMPARE
        self._status = RunStatus(finish_reason=None if compares else reason)
        self._emit(StatusChanged(self._status))
        kind = RequestKind.COMPARE if compares else RequestKind.PROPAGATE
        self._emit(Finished(run.number, run.generation, reason, steps, kind))

    async def _wait_after(self, problem: Exception) -> None:
        """The server is lost, or was never found."""
        if isinstance(problem, WireError):
            self._talk = None  # what one of us says the other cannot read
        if not self._script.has_model:
            self._talk = None
            dropped, self.pending = list(self.pending), deque()
            for asked in dropped:
                self._on_dropped(asked, problem)
            return
        is_long = self._patience.note(problem)
        if self._patience.is_over:
            raise problem
        if is_long and not self._told_lost:
            self._told_lost, self._problem = True, str(problem)
            self._tell_lost()
        await asyncio.sleep(self._patience.wait(problem))

    def _tell_lost(self) -> None:
        host = self._client.host
        run = "The run is paused and goes on by itself." if self._script.running else "It is tried again."
        self._emit(ConnectionChanged(True, f"No connection to {host}. {run} Nothing is lost. ({self._problem})"))
        if self._script.running:
            paused = replace(self._status, state=RunState.PAUSED, detail="no connection")
            self._emit(StatusChanged(paused))

    # ---- what comes of it ------------------------------------------------------------------------------------------

    def _on_alive(self) -> None:
        self._patience.note_alive()
        if self._told_lost and not (self._replays or self._hands_over):
            self._tell_back()

    def _tell_back(self) -> None:
        if self._told_lost:
            self._told_lost = False
            self._emit(ConnectionChanged(False, f"{self._client.host} is back."))
        self._emit(StatusChanged(self._status))

    def _on_event(self, event: Event) -> None:
        if self._again.is_set():
            return  # of a session that is left
        event = self._here(event)
        if isinstance(event, StatusChanged):
            self._status = event.status
            if event.status.state is RunState.RUNNING and not (self._replays or self._script.running):
                begun = (asked for asked in self.pending if asked.kind in _RUNS)
                self._run = next(begun, self._run)
        if isinstance(event, Standing):
            self._standing = event
        if self._replays:
            self._note_replayed(event)
        elif not self._hands_over:
            self._script.note_event(event)
            if isinstance(event, ResultReady) and event.kind is RequestKind.PROPAGATE:
                self._run = Asked(event.request, event.generation, "propagate")
                self._patience.note_progress()
            self._emit(event)
        elif isinstance(event, Noted | Failed):
            self._emit(event)

    def _here(self, event: Event) -> Event:
        """An event as it is told on this side: where the network runs, and what is only known here of the images."""
        if isinstance(event, ModelLoaded):
            return replace(event, device=f"{event.device} of {self._client.host}")
        if isinstance(event, Restored):
            return replace(event, change=self._changes.ours(event.change, replays=self._replays))
        if isinstance(event, SequenceOpened) and (images := self._images.get(event.generation)) is not None:
            return replace(event, description=images.frames.describe())
        return event

    def _note_replayed(self, event: Event) -> None:
        if isinstance(event, Failed) and event.kind in (RequestKind.LOAD_MODEL, RequestKind.OPEN_IMAGES):
            self._emit(event)  # it could be done before
        if self._replay.note(event):
            detail = f"catching up on {self._client.host}: {self._replay.n_steps} of {self._script.steps}"
            state = RunState.PAUSED if self._script.running else RunState.LOADING  # a run can be cancelled meanwhile
            self._emit(StatusChanged(replace(self._status, state=state, detail=detail)))

    def _on_replayed(self) -> None:
        """The server is where the one before was; where it found something else, that is what there is now."""
        if self._again.is_set():
            return
        replay, self._replay = self._replay, Replay()
        self._replays = self._hands_over = False
        if self._script.opened is not None:
            for result in replay.others(self._script):
                self._script.replace_result(result)
                generation = self._script.opened.generation
                self._emit(ResultReady(self._run.number, generation, result, RequestKind.PROPAGATE))
        if self._script.running and self._run.number not in [each.number for each in self.pending]:
            for ended in replay.ended:
                self._script.note_event(ended)
                self._emit(ended)
        if self._script.has_model:
            self._tell_back()
        if self._standing is not None:
            self._emit(self._standing)

    def _on_served(self, number: int) -> None:
        if self._again.is_set():
            return
        while self.pending and self.pending[0].number <= number:
            asked = self.pending.popleft()
            self._patience.note_progress()
            if asked.number == number:
                self._script.note_served(asked)
                if asked.kind is not None and asked.kind.changes_images:
                    for old in [each for each in self._images if each < asked.generation]:
                        del self._images[old]

    def _on_talk_dropped(self, asked: Asked, problem: Exception) -> None:
        closing = replace(asked, name="close_sequence", arguments={}, kind=RequestKind.CLOSE_IMAGES)
        instead = [closing] if asked.kind is RequestKind.OPEN_IMAGES else []
        self.pending = deque(each for old in self.pending for each in ([old] if old is not asked else instead))
        self._on_dropped(asked, problem)

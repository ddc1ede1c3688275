"""What comes of it while a server does again what another one had done: nobody is told, but what differs in the end."""

from __future__ import annotations

import time
from collections.abc import Iterator

from ..engine.events import Event, Failed, Finished, FinishReason, Restored, ResultReady, RunState, StatusChanged
from ..engine.requests import RequestKind
from ..results import FrameResult
from ..session.journal import digest_of
from .script import Script

#: How far it is is told so often.
_PROGRESS_S = 0.25


class Replay:
    """Listens to a server that catches up."""

    def __init__(self) -> None:
        self.n_steps = 0
        self._results: dict[tuple[int, int], FrameResult] = {}
        self._told_at = 0.0
        self._runs = False
        self._ended: tuple[Event, ...] = ()

    def note(self, event: Event) -> bool:
        """Something came of it; true if how far it is can be told again."""
        if isinstance(event, Restored):
            self._results = dict(event.results)
        elif isinstance(event, StatusChanged) and event.status.state is RunState.RUNNING:
            self._runs = True
        elif isinstance(event, Finished):
            self._runs, self._ended = False, (event,)
        elif isinstance(event, Failed) and event.kind is RequestKind.PROPAGATE:
            self._ended = (event, Finished(event.request, event.generation, FinishReason.FAILED))
        if not isinstance(event, ResultReady):
            return False
        self._results[event.result.frame, event.result.object_id] = event.result
        self.n_steps += event.kind is RequestKind.PROPAGATE
        if time.monotonic() - self._told_at < _PROGRESS_S:
            return False
        self._told_at = time.monotonic()
        return True

    def others(self, script: Script) -> Iterator[FrameResult]:
        """Results that differ from those that there are."""
        for key, result in self._results.items():
            known = script.result(key)
            if known is not None and digest_of(known) != digest_of(result):
                yield result

    @property
    def ended(self) -> tuple[Event, ...]:
        """Why no run goes on, as nobody was told of it yet."""
        return () if self._runs else self._ended

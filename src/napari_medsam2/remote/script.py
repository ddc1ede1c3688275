"""What a server has done for us, in order: enough to have another one do it again, to the same step of the same run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ..engine.events import (
    Event,
    Finished,
    FinishReason,
    ModelLoaded,
    Noted,
    ObjectsCalled,
    PromptsChanged,
    Restored,
    ResultReady,
    RunState,
    StatusChanged,
)
from ..engine.requests import RequestKind
from ..images.opened import LabelledObject
from ..prompts import Prompt, in_replay_order
from ..results import FrameResult
from ..session.taught import Taught, by_task
from .tasks import GivenTask

#: What took longer than this is not done again unless a run was under way: its outcome is handed over instead.
LONGEST_S = 60.0
#: Results that go in one request, and bytes of them: a third more in JSON, of which a server takes 64 MB.
_RESULTS_AT_ONCE, _BYTES_AT_ONCE = 2000, 16 << 20

After = int | Literal["end"] | None
_ENDS = (FinishReason.DONE, FinishReason.FAILED)


@dataclass(frozen=True)
class Asked:
    """A request of the window.

    Attributes
    ----------
    number, generation
        As the engine counts them; number 0: nobody waits for it.
    name
        The method of the engine.
    arguments
        Its arguments by name.
    kind
        What it is; ``None`` for pause and resume.
    """

    number: int
    generation: int
    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    kind: RequestKind | None = None


def in_groups(results: Sequence[FrameResult]) -> Iterator[tuple[FrameResult, ...]]:
    """Results in groups, each of which goes in one request; one empty group of none."""
    group: list[FrameResult] = []
    n_bytes = 0
    for result in results:
        if len(group) == _RESULTS_AT_ONCE or (group and n_bytes + len(result.pixels.packed) > _BYTES_AT_ONCE):
            yield tuple(group)
            group, n_bytes = [], 0
        group.append(result)
        n_bytes += len(result.pixels.packed)
    yield tuple(group)


class Script:
    """Keeps what was served since the images were opened, and what came of it."""

    def __init__(self) -> None:
        self._model: Asked | None = None  # the latest that could be loaded
        self._model_at_opening: Asked | None = None
        self._loading: dict[int, Asked] = {}
        self._opened: Asked | None = None
        self._items: list[tuple[Asked, After]] = []
        self._steps = 0
        self._ended = self._superseded = False
        self._stopped = False  # by a request that is not known to have been served
        self._seconds = 0.0
        self.running = False
        self.comparing: Asked | None = None  # a comparison that is not over; it is asked for again, not done again
        self._prompts: tuple[Prompt, ...] = ()
        self._called: Mapping[int, LabelledObject] = {}
        self._taught: Mapping[int, Taught] = {}
        self._stale: frozenset[tuple[int, int]] = frozenset()
        self._results: dict[tuple[int, int], FrameResult] = {}
        self.changes: list[int] = []  # numbers of those that were restored, in order

    @property
    def model(self) -> Asked | None:
        """The latest request for a model that could be loaded."""
        return self._model

    @property
    def has_model(self) -> bool:
        """True once a model was loaded."""
        return self._model is not None

    @property
    def opened(self) -> Asked | None:
        """The images that are open."""
        return self._opened

    @property
    def steps(self) -> int:
        """Steps of runs since the images were opened that are done again by :meth:`again`."""
        return sum(after for _, after in self._items if isinstance(after, int)) + self._steps

    @property
    def is_exact(self) -> bool:
        """True if all is to be done again rather than handed over."""
        return self.running or self._seconds <= LONGEST_S

    def result(self, key: tuple[int, int]) -> FrameResult | None:
        """The latest result of ``(frame, object)``."""
        return self._results.get(key)

    def replace_result(self, result: FrameResult) -> None:
        """Another server found something else."""
        self._results[result.frame, result.object_id] = result

    # ---- what happens ------------------------------------------------------------------------------------------------

    def note_asked(self, asked: Asked) -> None:
        """A model is asked for; an event will say whether it could be loaded."""
        if asked.kind is RequestKind.LOAD_MODEL:
            self._loading[asked.number] = asked

    def note_event(self, event: Event) -> None:
        """Something came of what was asked."""
        if isinstance(event, ModelLoaded):
            self._model = self._loading.pop(event.request, self._model)
        elif isinstance(event, ResultReady):
            self._results[event.result.frame, event.result.object_id] = event.result
            self._seconds += event.result.seconds
            self._steps += event.kind is RequestKind.PROPAGATE
        elif isinstance(event, StatusChanged):
            self.running = self.running or event.status.state is RunState.RUNNING
        elif isinstance(event, Finished):
            self.running = False
            if event.kind is RequestKind.COMPARE:
                self.comparing = None
            else:
                self._ended = self._ended or event.reason in _ENDS
                self._superseded = event.reason is FinishReason.SUPERSEDED
                self._stopped = event.reason not in _ENDS
        elif isinstance(event, PromptsChanged):
            self._prompts = event.prompts
        elif isinstance(event, Restored):
            self._prompts, self._called, self._results = event.prompts, event.called, dict(event.results)
            self._taught = event.tasks
            self.changes.append(event.change)
        elif isinstance(event, ObjectsCalled):
            self._called = event.called
        elif isinstance(event, Noted) and event.stale is not None:
            self._stale = event.stale

    def note_served(self, asked: Asked) -> None:
        """A request was done. What only looks is not done again, and of a comparison that it ended the run before."""
        if asked.kind is RequestKind.LOOK:
            return
        if asked.kind is RequestKind.COMPARE:
            self.comparing = asked
            if not self._superseded:
                return
            asked = Asked(0, asked.generation, "cancel", {}, RequestKind.CANCEL)
        self._superseded = False
        after: After = "end" if self._ended else self._steps or None
        self._steps, self._ended, self._stopped = 0, False, False
        if asked.kind is not None and asked.kind.changes_images:
            self._model_at_opening = self._model
            self._opened = asked if asked.kind is RequestKind.OPEN_IMAGES else None
            self._items.clear()
            self._results.clear()
            self.changes.clear()
            self._prompts, self._called, self._stale, self._taught = (), {}, frozenset(), {}
            self.comparing = None
            self._seconds, self.running = 0.0, False
        elif self._opened is not None:
            self._items.append((asked, after))
        if asked.kind is RequestKind.TAKE_RESULTS:
            self._results.update({(found.frame, found.object_id): found for found in asked.arguments["results"]})

    def end_run(self) -> None:
        """The user gave up a run that was to be done again."""
        self.running, self._seconds, self.comparing = False, LONGEST_S * 2, None

    # ---- doing it again ----------------------------------------------------------------------------------------------

    def again(self) -> Iterator[tuple[Asked, After]]:
        """All of it, and how far the run was before each."""
        if self._model_at_opening is not None and self._opened is not None:
            yield self._model_at_opening, None
        elif self._opened is None and self._model is not None:
            yield self._model, None
        if self._opened is not None:
            yield self._opened, None
            yield from self._items
            if self._stopped:
                yield Asked(0, self._opened.generation, "cancel", {}, RequestKind.CANCEL), self._steps or None

    @property
    def after_all(self) -> After:
        """How far the run was after the last request."""
        return None if self._stopped else "end" if self._ended else self._steps or None

    def handed_over(self) -> list[Asked]:
        """What makes a new session go on with what there is: prompts, names and results, without how they came."""
        made: list[Asked] = []
        if self._model is not None:
            made.append(Asked(0, self._model.generation, "load_model", self._model.arguments, RequestKind.LOAD_MODEL))
        if self._opened is None:
            return made
        generation = self._opened.generation

        def ask(name: str, kind: RequestKind, **arguments: Any) -> None:
            made.append(Asked(0, generation, name, arguments, kind))

        made.append(Asked(0, generation, "open", self._opened.arguments, RequestKind.OPEN_IMAGES))
        for number, called in self._called.items():
            ask("call", RequestKind.CALL, object_id=number, called=called)
        for group in in_replay_order(self._prompts):
            kind = RequestKind.CHANGE_PROMPTS
            ask("replace_prompts", kind, object_id=group.object_id, frame=group.frame, prompts=group.given)
        for task, into in by_task(self._taught):
            ask("retake_task", RequestKind.TAKE_TASK, task=GivenTask(task), into=into)
        objects = {prompt.object_id for prompt in self._prompts} | self._taught.keys()
        places = {(prompt.frame, prompt.object_id) for prompt in self._prompts}
        results = {
            key: found
            for key, found in self._results.items()
            if key in places or (key[1] in objects and not found.prompted)
        }
        for fresh in (True, False):
            chosen = [found for key, found in results.items() if (key not in self._stale) is fresh]
            if chosen or not fresh:  # not even without results can what is handed over be undone
                for some in in_groups(chosen):
                    ask("take_results", RequestKind.TAKE_RESULTS, results=some, up_to_date=fresh)
        self.changes.clear()
        self._items.clear()
        self._items.extend((asked, None) for asked in made if asked.name not in ("load_model", "open"))
        self._model_at_opening = self._model
        self._steps, self._ended, self._stopped, self._seconds = 0, False, False, 0.0
        return made

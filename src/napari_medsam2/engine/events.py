"""The values that an engine hands out: what state it is in, how far a run is, and its events."""

from __future__ import annotations

import platform
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from ..distribution import CLIENT, COMPLETE, version_of
from ..errors import EXPECTED_ERRORS, in_words
from ..images.opened import LabelledObject
from ..models.notices import Notice
from ..prompts import Prompt
from ..results import FrameResult
from .memory_events import BanksCompared, BankTold, TaskSaved, ViewTold
from .requests import RequestKind

if TYPE_CHECKING:
    from ..session.journal import Entry
    from ..session.learning import Learning
    from ..session.taught import Taught


class RunState(Enum):
    """What the engine is at, and what may come next.

    ::

              propagate             pause
        IDLE ----------> RUNNING ----------> PAUSED
         ^ ^                | |  <----------  | |
         | |    it ended    | |    resume     | |
         | '----------------+-+---------------' |
         |                  |                   |
         |                  |      cancel       |
         '---- STOPPING <---+-------------------'

    A paused run ends without a cancel where other images, another model or another run take its place.

    LOADING may come after each of these four, and leads to each of them: a model is loaded beside a run, which goes on
    if that fails, and may be cancelled meanwhile. All five lead to CLOSED, and CLOSED to nothing.
    """

    #: Waits for requests; nothing is being propagated.
    IDLE = "idle"
    #: Loads a model or opens images; a run may wait for it.
    LOADING = "loading"
    RUNNING = "running"
    #: Holds a run between two frames; prompts, previews and undo still work.
    PAUSED = "paused"
    #: Ends a run at the next frame boundary.
    STOPPING = "stopping"
    CLOSED = "closed"

    def leads_to(self, other: RunState) -> bool:
        """True if ``other`` may come next; a state may always stay."""
        return other is self or other in _TRANSITIONS[self]


_TRANSITIONS = {
    RunState.IDLE: {RunState.LOADING, RunState.RUNNING, RunState.CLOSED},
    RunState.LOADING: {RunState.IDLE, RunState.RUNNING, RunState.PAUSED, RunState.STOPPING, RunState.CLOSED},
    RunState.RUNNING: {RunState.IDLE, RunState.LOADING, RunState.PAUSED, RunState.STOPPING, RunState.CLOSED},
    RunState.PAUSED: {RunState.IDLE, RunState.LOADING, RunState.RUNNING, RunState.STOPPING, RunState.CLOSED},
    RunState.STOPPING: {RunState.IDLE, RunState.LOADING, RunState.CLOSED},
    RunState.CLOSED: set(),
}


class FinishReason(Enum):
    """How a propagation ended."""

    DONE = "done"
    CANCELLED = "cancelled"
    #: Another run, other images or another model took its place, or the engine was closed.
    SUPERSEDED = "superseded"
    FAILED = "failed"


@dataclass(frozen=True)
class RunStatus:
    """A snapshot of what the engine does.

    Attributes
    ----------
    state
        What it is at.
    done, total
        Steps (one object on one frame) of the current or last propagation. ``total`` may change during a run, when a
        prompt queues frames again.
    seconds_left
        Estimate from the latest steps; ``None`` before there are a few, and while not running.
    finish_reason
        How the last propagation ended; ``None`` before the first and during a run.
    detail
        What is being done, in words, such as ``"loading model micro"``; may be empty.
    """

    state: RunState = RunState.IDLE
    done: int = 0
    total: int = 0
    seconds_left: float | None = None
    finish_reason: FinishReason | None = None
    detail: str = ""


@dataclass(frozen=True)
class StatusChanged:
    """Something in the status changed; also comes once for each step of a propagation."""

    status: RunStatus


@dataclass(frozen=True)
class ModelLoaded:
    """A model is ready. ``device`` is where it runs ("cpu", "cuda", "mps"), ``region`` whether it crops in stacks."""

    request: int
    name: str
    device: str
    region: bool


@dataclass(frozen=True)
class SequenceOpened:
    """A sequence is ready for prompts, under ``generation``.

    It comes again when the model is changed: prompts and results were kept.
    """

    request: int
    generation: int
    n_frames: int
    description: str
    tasks: Mapping[int, Taught] = field(default_factory=dict)


@dataclass(frozen=True)
class ImagesRemarked:
    """What a user should know of the images; comes after they are opened, and again with what turns out later.

    Attributes
    ----------
    remarks
        What the contrast was estimated without, and images that show nothing, in sentences: all that is known now.
    blank
        Why nothing can be found on any of them; empty where that is not so.
    learning
        What learning from drawn masks costs in the run that begins; ``None`` where that is nothing.
    """

    request: int
    generation: int
    remarks: tuple[str, ...]
    blank: str = ""
    learning: Learning | None = None


@dataclass(frozen=True)
class PromptsChanged:
    """The session's prompts after an edit, all of them."""

    request: int
    generation: int
    prompts: tuple[Prompt, ...]


@dataclass(frozen=True)
class ResultReady:
    """One object on one frame was segmented, by a request of this kind.

    After a change of prompts it comes where a correction was removed: the result is what was there before.
    """

    request: int
    generation: int
    result: FrameResult
    kind: RequestKind


@dataclass(frozen=True)
class ObjectsCalled:
    """Names and colours of all objects that have one, after one of them was given another."""

    request: int
    generation: int
    called: Mapping[int, LabelledObject]


@dataclass(frozen=True)
class Restored:
    """After an undo, a redo, a reset or an edit of objects (``kind``): all prompts and results as they are now.

    Attributes
    ----------
    changed
        False if there was nothing to undo or redo.
    prompts, results
        All there are; results by (frame, object).
    called
        Names and colours of the objects that have one.
    change
        Number of the change that was made, undone or redone.
    made
        Numbers of the objects that an edit made.
    tasks
        What objects go on from a task file, by number.
    """

    request: int
    generation: int
    changed: bool
    prompts: tuple[Prompt, ...]
    results: Mapping[tuple[int, int], FrameResult]
    kind: RequestKind
    called: Mapping[int, LabelledObject] = field(default_factory=dict)
    change: int = 0
    made: tuple[int, ...] = ()
    tasks: Mapping[int, Taught] = field(default_factory=dict)


@dataclass(frozen=True)
class Standing:
    """How the session stands; it comes again whenever that differs.

    Attributes
    ----------
    done
        How many frames are as the prompts are now, of all objects.
    undo, redo
        Whether there is something to undo, and to redo.
    """

    request: int
    generation: int
    done: int
    undo: bool = False
    redo: bool = False


@dataclass(frozen=True)
class Finished:
    """A propagation ended.

    Attributes
    ----------
    reason
        Why.
    steps
        How many steps it did; none where all was up to date.
    kind
        What it was: a propagation, or a run that compares.
    """

    request: int
    generation: int
    reason: FinishReason
    steps: int = 0
    kind: RequestKind = RequestKind.PROPAGATE


@dataclass(frozen=True)
class Noted:
    """What was done to the session since the last time, in order, for whoever keeps a journal of it.

    ``stale`` are the results ``(frame, object)`` that a run would do again; ``None`` after steps of a run, each of
    which takes its own away.
    """

    generation: int
    entries: tuple[Entry, ...]
    stale: frozenset[tuple[int, int]] | None = None


@dataclass(frozen=True)
class Failed:
    """A request could not be done; the engine goes on.

    Attributes
    ----------
    message
        One or two sentences for the user.
    report
        Message, versions and traceback, for "copy report".
    kind
        What was asked for.
    expected
        True if the input was at fault (a prompt outside the image, an unreadable file), false for a defect of ours.
    """

    request: int
    generation: int
    message: str
    report: str
    kind: RequestKind
    expected: bool


@dataclass(frozen=True)
class ConnectionChanged:
    """The server on which the network runs was lost, or is back (``lost`` false); ``message`` says it to the user."""

    lost: bool
    message: str


Event = (
    StatusChanged
    | ModelLoaded
    | SequenceOpened
    | ImagesRemarked
    | PromptsChanged
    | ObjectsCalled
    | ResultReady
    | Restored
    | Standing
    | Finished
    | Noted
    | BankTold
    | ViewTold
    | BanksCompared
    | TaskSaved
    | Failed
    | Notice
    | ConnectionChanged
)


def failure_of(error: Exception, request: int, generation: int, kind: RequestKind, model: str | None) -> Failed:
    """Put an exception in words, with a report that can be pasted into an issue; ``model`` is the one in use."""
    expected = isinstance(error, EXPECTED_ERRORS)
    message = in_words(error) if expected else f"could not {kind.words}: {type(error).__name__}: {error}"
    report = "\n".join(
        (
            f"{kind.words}: {message}",
            f"model: {model}; Python {platform.python_version()} on {platform.platform()}",
            *(
                f"{name} {version_of(name) or 'not installed'}"
                for name in (COMPLETE, CLIENT, "napari", "torch", "numpy")
            ),
            "".join(traceback.format_exception(error)),
        )
    )
    return Failed(request, generation, message, report, kind, expected)

"""The values that an engine hands out: the status of a run, and its events."""

from __future__ import annotations

import platform
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Literal

from ..errors import UserError
from ..models.notices import Notice
from ..prompts import Prompt
from ..results import FrameResult

State = Literal["idle", "loading", "running", "paused", "stopping", "closed"]
FinishReason = Literal["done", "cancelled", "superseded", "failed"]


@dataclass(frozen=True)
class RunStatus:
    """A snapshot of what the engine does.

    Attributes
    ----------
    state
        ``idle`` (waiting for requests), ``loading`` (a model or a sequence), ``running`` (propagating), ``paused``,
        ``stopping`` (a cancel takes effect at the next frame boundary), ``closed``.
    done, total
        Steps (one object on one frame) of the current or last propagation. ``total`` may change during a run, when a
        prompt queues frames again.
    seconds_left
        Estimate from the latest steps; ``None`` while unknown or not running.
    finish_reason
        How the last propagation ended; ``None`` before the first and during a run.
    detail
        What is being done, in words, such as ``"loading model micro"``; may be empty.
    """

    state: State = "idle"
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
    """A sequence is ready for prompts, under ``generation``. It comes again when the model is changed: the prompts
    were kept, the results were not."""

    request: int
    generation: int
    n_frames: int
    description: str


@dataclass(frozen=True)
class PromptsChanged:
    """The session's prompts after an edit, all of them."""

    request: int
    generation: int
    prompts: tuple[Prompt, ...]


@dataclass(frozen=True)
class ResultReady:
    """One object on one frame was segmented; ``origin`` says by which request."""

    request: int
    generation: int
    result: FrameResult
    origin: Literal["preview", "propagate"]


@dataclass(frozen=True)
class Restored:
    """After an undo, a redo or a reset: all prompts and results as they are now. ``changed`` is false if there was
    nothing to undo or redo. Results that are not listed exist no more."""

    request: int
    generation: int
    changed: bool
    prompts: tuple[Prompt, ...]
    results: Mapping[tuple[int, int], FrameResult]  # (frame, object_id)
    cause: Literal["undo", "redo", "reset"]


@dataclass(frozen=True)
class Finished:
    """A propagation ended."""

    request: int
    generation: int
    reason: FinishReason


@dataclass(frozen=True)
class Failed:
    """A request could not be done; the engine goes on.

    Attributes
    ----------
    message
        One or two sentences for the user.
    report
        Message, versions and traceback, for "copy report".
    during
        The request, in words, such as ``"propagate"``.
    expected
        True if the input was at fault (a prompt outside the image, an unreadable file), false for a defect of ours.
    """

    request: int
    generation: int
    message: str
    report: str
    during: str
    expected: bool


Event = (
    StatusChanged | ModelLoaded | SequenceOpened | PromptsChanged | ResultReady | Restored | Finished | Failed | Notice
)


#: What is said to have failed where somebody acts on it: loading a model, opening images, a run, a preview.
LOADING, OPENING, PROPAGATING, PREVIEWING = "load the model", "open the images", "propagate", "segment the frame"


def failure_of(error: Exception, request: int, generation: int, during: str, model: str | None) -> Failed:
    """Put an exception in words, with a report that can be pasted into an issue."""
    expected = isinstance(error, (UserError, OSError))
    message = str(error) if expected else f"could not {during}: {type(error).__name__}: {error}"
    report = "\n".join(
        (
            f"{during}: {message}",
            f"model: {model}; Python {platform.python_version()} on {platform.platform()}",
            *(f"{name} {_version_of(name)}" for name in ("napari-medsam2", "napari", "torch", "numpy")),
            "".join(traceback.format_exception(error)),
        )
    )
    return Failed(request, generation, message, report, during, expected)


def _version_of(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "not installed"

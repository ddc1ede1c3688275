"""What the dock shows, as one frozen value, and the words that follow from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from .download import megabytes
from .engine_events import RunStatus
from .registry import MODELS

#: From so many seconds a frame on, the dock says so.
SLOW_S = 2.0
#: Below this confidence a frame deserves a look.
UNSURE = 0.5


@dataclass(frozen=True)
class Column:
    """One frame in the confidence strip; ``confidence`` is ``None`` where there is no result yet."""

    confidence: float | None = None
    prompted: bool = False
    absent: bool = False


@dataclass(frozen=True)
class DownloadStatus:
    """A model on its way; ``done`` and ``total`` in bytes (0: unknown), ``rate`` in bytes a second."""

    title: str
    done: int = 0
    total: int = 0
    rate: float = 0.0
    stopping: bool = False


@dataclass(frozen=True)
class DockState:
    """A snapshot for the widgets.

    Attributes
    ----------
    image, layout, reason
        Name of the image, its axes in words, and why stack or flow was guessed. ``image`` is empty without one.
    noun
        What people call one of its frames: "slice", "image" or "frame".
    axes, axis
        ``(axis, words)`` that can be chosen as the propagation axis, and the chosen one.
    model, wanted_device
        Name or file of the chosen model, and the chosen device ("auto" for the best).
    device, seconds_a_frame
        Where the model runs, in words, and about how long it takes for a frame there; ``None`` where nobody knows.
    notice
        That memory was short and what was done, while this holds.
    download
        The model that is being fetched.
    objects, current
        Numbers of all objects, and the one that prompts go to.
    positive, tool
        Sign of the next click or stroke, and the prompt tool in use: "point", "box", "mask" or "".
    columns, frame
        The confidence strip of the current object, and the frame in view.
    problem, report, note
        The latest error in words with its full report, and the latest good news.
    aside
        True if the viewer shows another position of the fixed axes than the one that is segmented.
    """

    image: str = ""
    layout: str = ""
    reason: str = ""
    mode: str = "stack"
    noun: str = "slice"
    axes: tuple[tuple[int, str], ...] = ()
    axis: int | None = None
    model: str = "micro"
    wanted_device: str = "auto"
    device: str = ""
    seconds_a_frame: float | None = None
    notice: str = ""
    download: DownloadStatus | None = None
    objects: tuple[int, ...] = (1,)
    current: int = 1
    positive: bool = True
    tool: str = ""
    status: RunStatus = field(default_factory=RunStatus)
    columns: tuple[Column, ...] = ()
    frame: int = 0
    problem: str = ""
    report: str = ""
    note: str = ""
    aside: bool = False
    has_prompts: bool = False
    has_results: bool = False

    @property
    def running(self) -> bool:
        return self.status.state in ("running", "paused", "stopping")


_FIRST_STEP = {
    "": "Press Box (B) and drag a box around one object",
    "box": "Drag a box tightly around one object",
    "point": "Click on one object",
    "mask": "Paint one object",
}


def next_step(state: DockState) -> str:
    """Say what to do next, in one sentence."""
    noun = state.noun
    several = len(state.columns) > 1
    if not state.image:
        return "Open an image, or try File > Open Sample > MedSAM-2."
    if state.aside:
        return "You look at another position of a fixed axis: go back there, or clear (Shift+C) to start here."
    if state.status.state == "loading":
        return f"{(state.status.detail or 'loading').capitalize()}... you can draw meanwhile."
    if state.status.state == "paused":
        return "Paused. Correct with a click, a box or the brush, then Resume (Esc)."
    if state.status.state in ("running", "stopping"):
        return "Running. Esc pauses; you may draw corrections meanwhile."
    done = sum(column.confidence is not None for column in state.columns)
    if not state.has_prompts or not (done or any(column.prompted for column in state.columns)):
        where = f" on any {noun}, then press Shift+S." if several else "."
        return f"{_FIRST_STEP[state.tool]}{where}"
    if not several:
        return "Click to correct it (P; T switches + and -). C keeps the result."
    if not done:
        return f"Press S to segment this {noun}, or Shift+S for all {len(state.columns)} {noun}s."
    if done < len(state.columns):
        return (
            f"If this is right, Shift+S finds it on all {len(state.columns)} {noun}s. "
            "If not, click to correct it (P; T switches + and -)."
        )
    worst = worst_frame(state.columns)
    if worst is not None and (state.columns[worst].confidence or 0) < UNSURE:
        return f"Go to the worst {noun}, correct it there and press Shift+S again. C keeps the result."
    return f"Done. Scroll to check; correct any {noun} and press Shift+S again. C keeps the result."


def worst_frame(columns: tuple[Column, ...]) -> int | None:
    """Return the least sure frame that has the object and no prompt, or ``None``; empty ones only if all are."""
    open_ones = [(c.confidence, t) for t, c in enumerate(columns) if c.confidence is not None and not c.prompted]
    present = [(confidence, t) for confidence, t in open_ones if not columns[t].absent]
    return min(present or open_ones)[1] if open_ones else None


def time_left(seconds: float | None) -> str:
    """Write seconds as people say them."""
    if seconds is None:
        return ""
    if seconds < 1:
        return "less than 1 s left"
    if seconds < 90:
        return f"{seconds:.0f} s left"
    return f"{seconds / 60:.0f} min left"


def about(seconds: float) -> str:
    """Write an estimate as people say it."""
    if seconds < 90:
        return f"about {seconds:.2g} s" if seconds < 10 else f"about {seconds:.0f} s"
    minutes = seconds / 60
    return f"about {minutes:.0f} min" if minutes < 90 else f"about {minutes / 60:.0f} h"


def speed_warning(state: DockState) -> str:
    """Say that the chosen model is slow where it runs, or nothing."""
    seconds = state.seconds_a_frame
    if seconds is None or seconds < SLOW_S:
        return ""
    frames = len(state.columns)
    whole = f", {about(seconds * frames)} for {frames} {state.noun}s" if frames > 1 else ""
    return f"Slow on a CPU: {about(seconds)} a {state.noun}{whole}. A smaller model or a GPU is faster."


def download_words(status: DownloadStatus) -> str:
    """How far a download is."""
    if status.stopping:
        return f"{status.title}: stopping; what came is kept."
    if not status.done:
        return f"{status.title}: asking the server..."
    if status.done >= status.total > 0:
        return f"{status.title}: checking the file..."
    words = [f"{megabytes(status.done)} of {megabytes(status.total)}" if status.total else megabytes(status.done)]
    if status.rate:
        words.append(f"{megabytes(status.rate)}/s")
        if status.total:
            words.append(time_left((status.total - status.done) / status.rate))
    return f"{status.title}: {', '.join(words)}"


def title_of(model: str) -> str:
    """What people call a model or a file of one."""
    return MODELS[model].title if model in MODELS else Path(model).name

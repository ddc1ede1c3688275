"""What the dock shows, as one frozen value, and the words that follow from it."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..engine.events import RunState, RunStatus


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
        return self.status.state in (RunState.RUNNING, RunState.PAUSED, RunState.STOPPING)


def worst_frame(columns: tuple[Column, ...]) -> int | None:
    """Return the least sure frame that has the object and no prompt, or ``None``; empty ones only if all are."""
    open_ones = [(c.confidence, t) for t, c in enumerate(columns) if c.confidence is not None and not c.prompted]
    present = [(confidence, t) for confidence, t in open_ones if not columns[t].absent]
    return min(present or open_ones)[1] if open_ones else None

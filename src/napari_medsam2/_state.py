"""What the dock shows, as one frozen value, and the words that follow from it."""

from __future__ import annotations

from dataclasses import dataclass, field

from .engine_events import RunStatus

#: Below this confidence a frame deserves a look.
UNSURE = 0.5


@dataclass(frozen=True)
class Column:
    """One frame in the confidence strip; ``confidence`` is ``None`` where there is no result yet."""

    confidence: float | None = None
    prompted: bool = False
    absent: bool = False


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
    device
        Where the model runs, in words.
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
    device: str = ""
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
    "box": "Drag a box around one object",
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

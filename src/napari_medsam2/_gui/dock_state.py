"""What the dock shows, as one frozen value: facts alone. Words are made from it in ``words``, and never read back."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from ..engine.events import RunState, RunStatus
from ..memory_bank import BankName
from ..models.notices import Notice
from ..session.cost import CostSummary
from ..types import Direction, Mode

if TYPE_CHECKING:
    from napari.layers import Image, Labels

    from ..evaluation.agreement import ReferenceScores
    from ..session.learning import Learning
    from ..session.saved import SavedSession


@dataclass(frozen=True)
class Column:
    """One frame in the confidence strip; ``confidence`` is ``None`` where there is no result yet.

    Where it is ``accepted`` it is also ``prompted``, for it is a template.
    """

    confidence: float | None = None
    prompted: bool = False
    absent: bool = False
    accepted: bool = False


@dataclass(frozen=True)
class ObjectRow:
    """One object, as the table of objects and the confidence strip show it.

    Attributes
    ----------
    number, name, colour
        Its label, what people call it (may be empty), and ``#rrggbb``.
    prompts
        How many it has.
    done
        On how many frames it was looked for.
    confidence
        The mean of the frames that it was found on; ``None`` if it was found on none.
    shown
        False if the user hid it.
    columns
        Of its row in the confidence strip.
    """

    number: int
    name: str
    colour: str
    prompts: int
    done: int
    confidence: float | None
    shown: bool
    columns: tuple[Column, ...]

    @property
    def title(self) -> str:
        """What it is called, or its number."""
        return self.name or f"Object {self.number}"


@dataclass(frozen=True)
class DownloadStatus:
    """A model on its way; ``done`` and ``total`` in bytes (0: unknown), ``rate`` in bytes a second."""

    title: str
    done: int = 0
    total: int = 0
    rate: float = 0.0
    stopping: bool = False


@dataclass(frozen=True)
class Recovery:
    """What was done with the image before, kept in a session file, and never saved.

    Attributes
    ----------
    path
        The session file.
    when
        When it was last written.
    n_objects, n_frames
        How many objects were prompted, and frames have labels.
    changed
        True if the image lay in the same place, and had other pixels.
    """

    path: Path
    when: datetime
    n_objects: int
    n_frames: int
    changed: bool = False


@dataclass(frozen=True)
class Question:
    """What only the user can say, before a session is brought back.

    Attributes
    ----------
    text, yes
        The question, and what the button says that agrees.
    session
        What is to be opened once the user has said where its images are, and its file; ``None`` where that is known.
    """

    text: str
    yes: str
    session: tuple[SavedSession, Path] | None = None


@dataclass(frozen=True)
class Lesson:
    """Learning from accepted frames, in a process of its own.

    Attributes
    ----------
    running
        Whether it goes on.
    step, steps
        Of looking at the images and of training; 0 of 0 before it begins.
    seconds_left
        About how long it still takes; ``None`` before that is known.
    before, after
        Dice on accepted frames, with the weights in use and with weights that did not learn from them; ``None`` while
        they are not known.
    judged
        How many frames that was.
    weights
        Better weights, once it has ended; ``None`` if none were better.
    """

    running: bool = False
    step: int = 0
    steps: int = 0
    seconds_left: float | None = None
    judged: int = 0
    before: float | None = None
    after: float | None = None
    weights: Path | None = None


class ModelPhase(Enum):
    """What has become of the model that was chosen."""

    #: It is loaded when it is first needed.
    CHOSEN = "chosen"
    LOADING = "loading"
    IN_USE = "in use"
    #: It could not be loaded, and there is no other.
    MISSING = "missing"


@dataclass(frozen=True)
class DockState:
    """A snapshot for the widgets.

    Attributes
    ----------
    image_layer, image
        The layer that was chosen, and its name; the name is empty while nothing of it can be segmented.
    layout, reason
        Its axes in words, and why stack or flow was guessed.
    mode, noun
        Stack or flow, and what people call one of its frames: "slice", "image" or "frame".
    axes, axis
        ``(axis, words)`` that can be chosen as the propagation axis, and the chosen one.
    remarks
        What the contrast was estimated without, and images that show nothing, in sentences.
    adapt, learning
        Whether the network learns from drawn masks (``None``: while there are few), and what that costs in the latest
        run; ``None`` where it is nothing.
    bank
        Which memories are kept.
    contrast_as_shown
        True if the network sees the layer's contrast limits, false for limits estimated over all frames.
    model, wanted_device
        Name or file of the chosen model, and the chosen device ("auto" for the best).
    model_phase, device
        What has become of that model, and where it runs ("cpu", "cuda", "mps"; empty unless it is in use).
    loading_left
        About how many seconds it takes until the first model is there, 0 if longer than was thought; ``None`` unless it
        is being loaded. Meanwhile no prompt can be answered.
    idle_gpu
        True if an NVIDIA GPU is in this machine, and torch cannot use it.
    seconds_a_frame
        About how long the model takes for a frame; ``None`` where nobody knows.
    notice
        What was done when memory was short, while this holds.
    download
        The model that is being fetched.
    objects, current
        Numbers of all objects, and the one that prompts go to.
    rows
        The same objects with what is known of them.
    next_object
        No object may have a lower number unless it is one of these: labels that are kept have it.
    in_parts, has_other_reading
        True if the current object is in separate parts on the frame in view; if its prompt there may be read otherwise.
    keeps_at_end
        True if the result is kept as soon as the run has ended.
    positive, tool, drawing
        Sign of the next click or stroke, the prompt tool in use ("point", "box", "scribble", "lasso", "polygon", "mask"
        or ""), and whether a polygon is open.
    preview
        True if a frame is segmented after each prompt.
    direction
        Which way a run goes from the prompted frames.
    status
        Of the engine.
    done
        Frames that are up to date, of all objects.
    can_undo, can_redo
        Whether the session has something to undo, and to redo.
    own_strokes
        The same of strokes in Labels layers of the user's.
    columns, frame
        The confidence strip of the current object, and the frame in view.
    output, keep
        The user's layer that results are written to (``None``: one of ours), and whether labels there win over results.
    save_as
        Where the labels go unless the user says otherwise: beside the image.
    saved
        The file that has all results; ``None`` if they differ from what was written.
    recovery
        What was done with this image before and never saved; ``None`` if nothing was, or it was answered.
    question
        What is asked before a session is brought back.
    up_to_date
        True if a run found nothing to do: the next one does all frames anew.
    problem, report, note
        The latest error in words with its full report, and the latest good news.
    aside
        True if the viewer shows another position of the fixed axes than the one that is segmented.
    another_selected
        True if another image is selected in the list of layers than the one that is segmented.
    scores
        What was found against a reference; empty if none was chosen. ``scoring`` says how much of it is done, 0..1;
        ``None`` while it rests.
    apart
        Things of the current object that are shown told apart, and on how many frames; ``None`` while none are.
    lesson
        How far learning from accepted frames is.
    follow
        Whether the frame that a run is at is shown.
    cost
        Frames that were checked, and what that took.
    has_prompts, has_results
        Whether this image has any.
    """

    image_layer: Image | None = None
    image: str = ""
    layout: str = ""
    reason: str = ""
    mode: Mode = "stack"
    noun: str = "slice"
    axes: tuple[tuple[int, str], ...] = ()
    axis: int | None = None
    remarks: tuple[str, ...] = ()
    adapt: bool | None = None
    bank: BankName = "auto"
    learning: Learning | None = None
    contrast_as_shown: bool = False
    model: str = "micro"
    wanted_device: str = "auto"
    model_phase: ModelPhase = ModelPhase.CHOSEN
    loading_left: float | None = None
    device: str = ""
    idle_gpu: bool = False
    seconds_a_frame: float | None = None
    notice: Notice | None = None
    download: DownloadStatus | None = None
    objects: tuple[int, ...] = (1,)
    current: int = 1
    rows: tuple[ObjectRow, ...] = ()
    next_object: int = 1
    in_parts: bool = False
    has_other_reading: bool = False
    keeps_at_end: bool = False
    positive: bool = True
    tool: str = ""
    drawing: bool = False
    preview: bool = True
    direction: Direction = "both"
    status: RunStatus = field(default_factory=RunStatus)
    done: int = 0
    can_undo: bool = False
    can_redo: bool = False
    own_strokes: tuple[bool, bool] = (False, False)
    columns: tuple[Column, ...] = ()
    frame: int = 0
    output: Labels | None = None
    keep: bool = True
    save_as: Path = field(default_factory=Path)
    saved: Path | None = None
    recovery: Recovery | None = None
    question: Question | None = None
    up_to_date: bool = False
    problem: str = ""
    report: str = ""
    note: str = ""
    aside: bool = False
    another_selected: bool = False
    scores: tuple[ReferenceScores, ...] = ()
    scoring: float | None = None
    apart: tuple[int, int] | None = None
    lesson: Lesson = field(default_factory=lambda: Lesson())
    follow: bool = False
    cost: CostSummary = field(default_factory=CostSummary)
    has_prompts: bool = False
    has_results: bool = False

    def without_image(self) -> DockState:
        """What stays when another image is taken, or this one anew: the model, the run, what was chosen for all."""
        blank = DockState()
        return replace(self, **{name: getattr(blank, name) for name in _OF_THE_IMAGE})

    @property
    def has_kept(self) -> bool:
        """True if labels of other objects are kept."""
        return self.next_object > 1

    @property
    def running(self) -> bool:
        """True while there is a run, be it paused or about to end."""
        return self.status.state in (RunState.RUNNING, RunState.PAUSED, RunState.STOPPING)


#: What is known of an image, or was said or chosen while it was segmented.
_OF_THE_IMAGE = (
    *("image", "layout", "reason", "mode", "noun", "axes", "axis", "objects", "current", "positive", "tool", "drawing"),
    *("columns", "recovery", "up_to_date", "remarks", "learning", "frame", "problem", "report", "note", "aside"),
    *("rows", "next_object", "in_parts", "has_other_reading", "keeps_at_end"),
    *("scores", "scoring", "apart", "lesson", "has_prompts", "has_results", "done"),
    *("can_undo", "can_redo"),
)

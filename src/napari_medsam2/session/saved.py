"""What session files are about, as values: images, changes since the last time, all of it, a summary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..images.opened import LabelledObject
from ..prompts import FramePrompts
from ..results import FrameResult
from ..types import AnyArray, Mode
from .journal import Entry
from .taught import Task


@dataclass(frozen=True)
class SavedImage:
    """Which images a session is about.

    Attributes
    ----------
    name
        What they were called.
    path
        Where they were opened from; empty if they were in memory.
    shapes
        ``(H, W)`` of each frame.
    content
        Tells other pixels from these: see :func:`.image_identity.content_of`.
    selection
        How the frames were chosen among more axes, as options of :func:`napari_medsam2.open_images`.
    """

    name: str
    path: str
    shapes: tuple[tuple[int, int], ...]
    content: str
    selection: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Changes:
    """What is different since the file was last written; ``None`` in place of a value: it is gone.

    Attributes
    ----------
    facts
        Texts, numbers and truth values by name, such as the model and the bank.
    objects
        By number.
    prompts
        By object and frame.
    results
        By frame and object.
    kept
        Label images ``(H, W)`` of what was committed, by frame.
    journal
        What was done, by place in the journal.
    tasks
        Task files that the journal tells of, by their digests; none ever goes.
    """

    facts: Mapping[str, Any] = field(default_factory=dict)
    objects: Mapping[int, LabelledObject | None] = field(default_factory=dict)
    prompts: Mapping[tuple[int, int], FramePrompts | None] = field(default_factory=dict)
    results: Mapping[tuple[int, int], FrameResult | None] = field(default_factory=dict)
    kept: Mapping[int, AnyArray | None] = field(default_factory=dict)
    journal: Mapping[int, Entry] = field(default_factory=dict)
    tasks: Mapping[str, Task] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return any((self.facts, self.objects, self.prompts, self.results, self.kept, self.journal, self.tasks))


@dataclass(frozen=True)
class SavedSession:
    """All that a session file holds; attributes as those of :class:`Changes`."""

    image: SavedImage
    mode: Mode
    facts: Mapping[str, Any]
    objects: Mapping[int, LabelledObject]
    prompts: tuple[FramePrompts, ...]
    results: tuple[FrameResult, ...]
    kept: Mapping[int, AnyArray]
    journal: tuple[Entry, ...] = ()
    tasks: Mapping[str, Task] = field(default_factory=dict)


@dataclass(frozen=True)
class SessionSummary:
    """What a session file is about: the images, facts, and on how many frames how many objects are."""

    image: SavedImage
    facts: Mapping[str, Any]
    n_objects: int
    n_frames: int

"""What a task file holds, as values: what was learned of objects on images that need not be at hand any more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from ..geometry.thumbnail import Thumbnail
from ..images.opened import LabelledObject
from ..prompts import Prompt

#: What images are: in shades of grey, or in colours.
ImageKind = Literal["grey", "colour"]
#: Tensors of a network by name, float32.
Tensors = Mapping[str, npt.NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class TaughtMemory:
    """One image that an object was shown or found on, as a memory bank had it.

    Attributes
    ----------
    image, shape
        What the image was called, and its ``(H, W)``.
    prompts
        What the user said about the object on it; they count through the memory alone.
    confidence, descriptor, pinned, tile
        As those of a :class:`~napari_medsam2.memory_entry.MemoryEntry`.
    tokens
        The network's memory.
    adaptation
        What the network learned from it, where its mask was drawn; ``None``: nothing.
    picture
        The image and the object on it, small.
    """

    image: str
    shape: tuple[int, int]
    prompts: tuple[Prompt, ...]
    confidence: float
    descriptor: npt.NDArray[np.float64]
    pinned: bool
    tile: int | None
    tokens: Tensors
    adaptation: Tensors | None
    picture: Thumbnail


@dataclass(frozen=True, eq=False)
class TaughtObject:
    """One object: its number, its name and colour, and its memories in the order in which they came."""

    number: int
    called: LabelledObject
    memories: tuple[TaughtMemory, ...]

    @property
    def templates(self) -> int:
        """How many of the memories say what to look for."""
        return sum(memory.pinned for memory in self.memories)


@dataclass(frozen=True)
class TaughtBy:
    """The model whose memories these are: its name, what it was loaded by, and a checksum of its weights."""

    name: str
    source: str
    checksum: str


@dataclass(frozen=True, eq=False)
class Task:
    """All that a task file holds.

    Attributes
    ----------
    name
        What the file is called, without its suffix.
    model
        Whose memories these are.
    kind
        What the images were.
    objects
        In the order of their numbers.
    limits, gamma
        The contrast, where one was chosen for all images: (low, high), each one number or three; else ``None``.
    bank
        The memory bank that they were gathered by.
    made_by
        The version of this package.
    digest
        Tells this task from others, and a damaged file from a whole one.
    """

    name: str
    model: TaughtBy
    kind: ImageKind
    objects: tuple[TaughtObject, ...]
    limits: tuple[tuple[float, ...], tuple[float, ...]] | None = None
    gamma: float = 1.0
    bank: str = "self-sorting"
    made_by: str = ""
    digest: str = ""

    @classmethod
    def named(cls, digest: str) -> Task:
        """What stands for a task of this digest that the other side has: it holds nothing."""
        return cls(name="", model=TaughtBy("", "", ""), kind="grey", objects=(), digest=digest)

    @property
    def words(self) -> str:
        """What it is, in a few words."""
        templates = sum(known.templates for known in self.objects)
        memories = sum(len(known.memories) for known in self.objects) - templates
        names = ", ".join(known.called.name or f"object {known.number}" for known in self.objects)
        beside = f" and {memories} memor{'y' if memories == 1 else 'ies'}" if memories else ""
        return f"{names}: {templates} template{'' if templates == 1 else 's'}{beside}, made with {self.model.name}"


@dataclass(frozen=True, eq=False)
class Taught:
    """What of a task an object of a session began with: the task, and the number that the object has in it."""

    task: Task
    number: int

    @property
    def told(self) -> TaughtObject:
        """What the task has of it."""
        return next(known for known in self.task.objects if known.number == self.number)


def by_task(taught: Mapping[int, Taught]) -> list[tuple[Task, dict[int, int]]]:
    """The tasks that objects go on from, each with the numbers that its objects have here, by those in the task."""
    found: dict[str, tuple[Task, dict[int, int]]] = {}
    for number, known in sorted(taught.items()):
        found.setdefault(known.task.digest, (known.task, {}))[1][known.number] = number
    return list(found.values())

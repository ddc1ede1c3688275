"""What a segmenter is asked about one object on one frame, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..geometry.window import Window
from ..memory_bank import MemoryBank
from ..memory_entry import MemoryEntry
from ..prompts import FramePrompts, PointPrompt, Prompt
from ..results import FrameResult
from ..types import Mask


@dataclass(frozen=True, eq=False)
class Neighbour:
    """The frame that the current one is tracked from.

    Attributes
    ----------
    frame
        Its index.
    mask
        Bool ``(H, W)``.
    probability
        Uint8 ``(H, W)``, 255 for certain; ``None`` where only the mask is known.
    window
        Where the object was looked for.
    prompted
        It has prompts of its own.
    """

    frame: int
    mask: Mask
    probability: npt.NDArray[np.uint8] | None
    window: Window
    prompted: bool


@dataclass(frozen=True, eq=False)
class FrameTask:
    """What to segment: one object on one frame.

    Attributes
    ----------
    prompts
        The object's prompts on this frame; empty for a frame that is to be predicted.
    bank
        Memory to pick up from; empty to segment from the prompts alone.
    reverse
        True if the run comes from higher frames.
    neighbour
        The frame that this one is tracked from, in a stack.
    correcting
        What the prompts correct: the object's mask on this frame from before them, where there is one.
    followed
        That mask was found from other frames' prompts.
    taken
        What other objects took of it; ``None`` where that is nothing.
    choosing
        Clicks that choose what the prompt means, where it is ambiguous, and say nothing else.
    """

    prompts: FramePrompts
    bank: MemoryBank
    reverse: bool = False
    neighbour: Neighbour | None = None
    correcting: Mask | None = None
    followed: bool = False
    taken: Mask | None = None
    choosing: tuple[PointPrompt, ...] = ()

    @property
    def frame(self) -> int:
        return self.prompts.frame

    @property
    def object_id(self) -> int:
        return self.prompts.object_id

    @property
    def corrects(self) -> bool:
        """True if there is something that the prompts correct."""
        return self.correcting is not None and bool(self.correcting.any())

    def with_prompts(self, *more: Prompt) -> FrameTask:
        """The same with some more prompts."""
        return replace(self, prompts=self.prompts.plus(*more))

    def without_prompts(self) -> FrameTask:
        """The same frame, to be predicted."""
        return replace(self, prompts=FramePrompts(self.object_id, self.frame))


@dataclass(frozen=True, eq=False)
class Segmented:
    """The outcome of a task.

    Attributes
    ----------
    result
        For the user.
    entry
        For the memory bank; ``None`` if there is nothing to remember.
    probability
        Uint8 ``(H, W)``, 255 for certain; 0 outside the window. ``None`` of giant frames.
    recalled
        How many memories were picked up.
    descriptor
        Image descriptor of the frame, ``(D,)`` of unit length.
    """

    result: FrameResult
    entry: MemoryEntry | None
    probability: npt.NDArray[np.uint8] | None
    recalled: int
    descriptor: npt.NDArray[np.floating[Any]] | None = None

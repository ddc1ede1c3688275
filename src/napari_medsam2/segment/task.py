"""What a segmenter is asked about one object on one frame, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..geometry.window import Window
from ..memory_bank import MemoryBank, MemoryEntry
from ..prompts import Prompt
from ..results import FrameResult
from ..types import Mask, Mode
from .tiles import TileOptions
from .windows import RegionOptions


@dataclass(frozen=True)
class SegmentOptions:
    """What can be tuned about segmenting a frame.

    Attributes
    ----------
    region
        Options of the region of interest in stacks; ``None``: whole frames, as far as ``tiles`` say.
    closer
        Options of a closer look at the part of a whole frame where the object was found; ``None`` takes none.
    tiles
        When a whole frame is looked at in tiles, or in a stack in a window around the object; ``None``: never.
    mode
        In a stack (neighbours in time or space) positions in memory count.
    remember_absent
        Remember frames without the object too, as SAM 2 does.
    neighbour
        Show the network the neighbouring frame's mask (stacks only; networks without a use for it ignore it).
    adapt
        Let the network learn from masks that the user drew; only the bundled network can, others take no notice.
    """

    region: RegionOptions | None = None
    closer: RegionOptions | None = None
    tiles: TileOptions | None = None
    mode: Mode = "stack"
    remember_absent: bool = False
    neighbour: bool = True
    adapt: bool = False


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
class Task:
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
    seen
        What the prompts correct: the object's mask on this frame from before them, where there is one.
    taken
        What other objects took of it; ``None`` where that is nothing.
    """

    frame: int
    object_id: int
    prompts: tuple[Prompt, ...]
    bank: MemoryBank
    reverse: bool = False
    neighbour: Neighbour | None = None
    seen: Mask | None = None
    taken: Mask | None = None


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
        Uint8 ``(H, W)``, 255 for certain; 0 outside the window.
    recalled
        How many memories were picked up.
    """

    result: FrameResult
    entry: MemoryEntry | None
    probability: npt.NDArray[np.uint8]
    recalled: int

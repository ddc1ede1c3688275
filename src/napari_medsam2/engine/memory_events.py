"""Events about what is remembered, and about what the model sees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..geometry.thumbnail import Thumbnail
from ..memory_bank import MemoryBank

if TYPE_CHECKING:
    from ..session.comparison import Comparison
    from ..session.model_view import ModelView
    from ..session.taught import Task


@dataclass(frozen=True, eq=False)
class BankTold:
    """What is remembered of the object that is watched, after something in it changed.

    Attributes
    ----------
    object_id
        Which.
    bank
        The bank without the network's memories; ``None``: nothing is known of the object.
    pictures
        Of the frames whose memory is new, by frame; those of others were told before.
    descriptors
        Image descriptors ``(D,)`` of the frames that were looked at since the last time.
    prompted
        Frames that stand on prompts of their own.
    waiting
        Frames that were accepted, and become templates with the next run that finds something.
    anew
        True if what was told before is void.
    """

    request: int
    generation: int
    object_id: int
    bank: MemoryBank | None
    pictures: Mapping[int, Thumbnail]
    descriptors: Mapping[int, npt.NDArray[np.float32]]
    prompted: frozenset[int]
    waiting: tuple[int, ...] = ()
    anew: bool = False


@dataclass(frozen=True, eq=False)
class ViewTold:
    """What the model sees of a frame."""

    request: int
    generation: int
    view: ModelView


@dataclass(frozen=True)
class BanksCompared:
    """A run with the other memory bank is over."""

    request: int
    generation: int
    comparison: Comparison


@dataclass(frozen=True, eq=False)
class TaskSaved:
    """A task file was written; ``task`` is what is in it."""

    request: int
    generation: int
    path: str
    task: Task

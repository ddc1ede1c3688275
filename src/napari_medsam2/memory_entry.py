"""One remembered frame of one object, and how it is picked up for another frame. Plain values, no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .geometry.thumbnail import Thumbnail


@dataclass(frozen=True, eq=False)
class Origin:
    """Where a memory was seen that is of no frame of this sequence.

    Attributes
    ----------
    task, image
        What the task file and the image in it were called.
    picture
        The image and the object on it, small; ``None`` if there is none.
    """

    task: str
    image: str
    picture: Thumbnail | None = None


@dataclass(frozen=True, eq=False)
class MemoryEntry:
    """One remembered frame of one object.

    Attributes
    ----------
    frame
        Index of the frame; a bank holds at most one entry a frame. Below 0 if it is of no frame of this sequence.
    confidence
        Predicted IoU times objectness, 0..1.
    descriptor
        Image descriptor, float ``(D,)`` of unit length.
    pinned
        True for a template, such as a prompted frame: no other frame takes its place.
    payload
        The network's memory; opaque here.
    tile
        Side in pixels of the tile that it was made of, where the frame was looked at in tiles.
    held
        Pinned by hand, without a prompt: it stays until it is unpinned or evicted, whatever becomes of its frame.
    origin
        Where it was seen, if not in this sequence.
    """

    frame: int
    confidence: float
    descriptor: npt.NDArray[np.floating[Any]]
    pinned: bool
    payload: Any = None
    tile: int | None = None
    held: bool = False
    origin: Origin | None = None

    @property
    def from_elsewhere(self) -> bool:
        """True if it was seen in another sequence."""
        return self.origin is not None


@dataclass(frozen=True, eq=False)
class Pick:
    """One entry as picked up for the current frame.

    Attributes
    ----------
    entry
        What is picked up.
    weight
        Share of attention relative to equal shares; all 1 is plain SAM 2 attention.
    slot
        SAM 2's temporal slot of an unprompted entry (1 nearest); ``None`` for pinned ones.
    offset
        Frames since the entry **in the direction of the run**: negative if it lies ahead.
    spatial
        False if only the object pointer is recalled.
    """

    entry: MemoryEntry
    weight: float = 1.0
    slot: int | None = None
    offset: int | None = None
    spatial: bool = True

"""What comes out: the mask of one object on one frame, with how sure the network is of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from .transforms import Window

#: Logit from which on a pixel is the object as clearly as can be told.
_CLEAR = 14.0


@dataclass(frozen=True, eq=False, init=False)
class FrameResult:
    """One object on one frame. Only the part of the mask that holds the object is kept in memory.

    Attributes
    ----------
    frame
        Index along the propagation axis.
    object_id
        Label of the object, 1 or more.
    mask
        Bool ``(H, W)``, made anew each time. What the user drew as a mask comes back pixel for pixel.
    shape
        ``(H, W)`` of the frame.
    confidence
        Predicted IoU times objectness, 0..1; 1 for a drawn mask, an empty one too.
    iou
        Predicted IoU with the truth, 0..1.
    objectness
        Probability that the object is on this frame, 0..1.
    prompted
        True if the object has a prompt on this frame.
    seconds
        What this frame cost; 0 where the network was not run.
    window
        The region of the frame that the network saw, or ``None`` where it was not run.
    drawn
        True if the mask is the user's.
    boxed
        True if a box says how far the object reaches, and no drawn mask.
    """

    frame: int
    object_id: int
    shape: tuple[int, int]
    confidence: float
    iou: float
    objectness: float
    prompted: bool
    seconds: float
    window: Window | None
    drawn: bool
    boxed: bool
    _part: tuple[slice, slice]
    _clearness: npt.NDArray[np.uint8]  # of each pixel of that part; 0 is not the object

    def __init__(
        self,
        frame: int,
        object_id: int,
        mask: npt.NDArray[np.bool_],
        confidence: float,
        iou: float,
        objectness: float,
        prompted: bool,
        seconds: float,
        window: Window | None = None,
        drawn: bool = False,
        logits: npt.NDArray[np.float32] | None = None,
        boxed: bool = False,
    ) -> None:
        """``logits`` ``(H, W)`` say how clearly a pixel is the object; ``None``: all of the mask, fully."""
        part = part_with_object(mask)
        values = {
            "frame": frame,
            "object_id": object_id,
            "shape": (int(mask.shape[0]), int(mask.shape[1])),
            "confidence": confidence,
            "iou": iou,
            "objectness": objectness,
            "prompted": prompted,
            "seconds": seconds,
            "window": window,
            "drawn": drawn,
            "boxed": boxed,
            "_part": part,
            "_clearness": _clearness(mask[part], None if logits is None else logits[part]),
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @property
    def mask(self) -> npt.NDArray[np.bool_]:
        mask = np.zeros(self.shape, bool)
        mask[self._part] = self._clearness > 0
        return mask

    def paint(self, labels: npt.NDArray[Any]) -> None:
        """Write the object's number into labels ``(H, W)``, wherever the object is."""
        labels[self._part][self._clearness > 0] = self.object_id

    def claim(self, labels: npt.NDArray[Any], claims: npt.NDArray[np.float32], rank: int) -> None:
        """Write the object's number into labels ``(H, W)`` where no other had a greater claim; ``claims`` are raised.

        A claim is a ``rank`` plus the confidence times how clearly the pixel is the object, which is less than 1.
        """
        mine = rank + (self.confidence / 256 * self._clearness).astype(np.float32)
        won = (self._clearness > 0) & (mine >= claims[self._part])
        labels[self._part][won] = self.object_id
        claims[self._part][won] = mine[won]

    def count(self, found: npt.NDArray[np.uint16]) -> None:
        """Add 1 to ``found`` ``(H, W)`` wherever the object is."""
        found[self._part] += self._clearness > 0

    def shared_with(self, found: npt.NDArray[np.uint16]) -> int:
        """Pixels of the object that others were counted on, too."""
        return int(np.count_nonzero((self._clearness > 0) & (found[self._part] > 1)))

    def seen_on(self, labels: npt.NDArray[Any]) -> int:
        """Pixels of labels ``(H, W)`` that have the object's number, of those where it was found."""
        return int(np.count_nonzero((self._clearness > 0) & (labels[self._part] == self.object_id)))

    @property
    def absent(self) -> bool:
        """True if the object was judged not to be on this frame."""
        return self._clearness.size == 0

    @property
    def area(self) -> int:
        """Pixels of the object."""
        return int(np.count_nonzero(self._clearness))

    @property
    def nbytes(self) -> int:
        """Bytes that the mask takes."""
        return self._clearness.nbytes


def shared_area(a: FrameResult, b: FrameResult) -> int:
    """Pixels that belong to both objects."""
    starts = [max(p.start, q.start) for p, q in zip(a._part, b._part, strict=True)]
    stops = [min(p.stop, q.stop) for p, q in zip(a._part, b._part, strict=True)]
    if any(stop <= start for start, stop in zip(starts, stops, strict=True)):
        return 0
    cutouts = []
    for one in (a, b):
        rows, columns = (
            slice(start - part.start, stop - part.start)
            for part, start, stop in zip(one._part, starts, stops, strict=True)
        )
        cutouts.append(one._clearness[rows, columns] > 0)
    return int(np.count_nonzero(cutouts[0] & cutouts[1]))


def _clearness(mask: npt.NDArray[np.bool_], logits: npt.NDArray[np.float32] | None) -> npt.NDArray[np.uint8]:
    """0 outside a mask, inside 1 for a logit of 0 or less up to 255."""
    if logits is None:
        return np.where(mask, np.uint8(255), np.uint8(0))
    return np.where(mask, 1 + np.rint(254 / _CLEAR * np.clip(logits, 0, _CLEAR)), 0).astype(np.uint8)


def part_with_object(mask: npt.NDArray[np.bool_]) -> tuple[slice, slice]:
    """Rows and columns of a mask ``(H, W)`` that hold the object; empty ones if it is nowhere."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return slice(0, 0), slice(0, 0)
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)

"""What comes out: the mask of one object on one frame, with how sure the network is of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from .transforms import Window


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
    _part: tuple[slice, slice]
    _cutout: npt.NDArray[np.bool_]

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
    ) -> None:
        part = _part_with_object(mask)
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
            "_part": part,
            "_cutout": np.array(mask[part], dtype=bool),
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @property
    def mask(self) -> npt.NDArray[np.bool_]:
        mask = np.zeros(self.shape, bool)
        mask[self._part] = self._cutout
        return mask

    def paint(self, labels: npt.NDArray[Any]) -> None:
        """Write the object's number into labels ``(H, W)``, wherever the object is."""
        labels[self._part][self._cutout] = self.object_id

    @property
    def absent(self) -> bool:
        """True if the object was judged not to be on this frame."""
        return self._cutout.size == 0

    @property
    def area(self) -> int:
        """Pixels of the object."""
        return int(np.count_nonzero(self._cutout))

    @property
    def nbytes(self) -> int:
        """Bytes that the mask takes."""
        return self._cutout.nbytes


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
        cutouts.append(one._cutout[rows, columns])
    return int(np.count_nonzero(cutouts[0] & cutouts[1]))


def _part_with_object(mask: npt.NDArray[np.bool_]) -> tuple[slice, slice]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return slice(0, 0), slice(0, 0)
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)

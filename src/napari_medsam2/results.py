"""What comes out: the mask of one object on one frame, with how sure the network is of it."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .geometry.compact_mask import CompactMask
from .types import AnyArray, Mask

if TYPE_CHECKING:
    from .geometry.window import Window


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
    pixels
        The mask as it is kept, with how clearly each pixel is the object.
    other
        On a frame whose one box or click can be read otherwise (part or whole, ring or disc): a click ``(y, x,
        positive)`` that chooses the second-best reading. ``None``: there is none.
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
    pixels: CompactMask
    other: tuple[int, int, bool] | None = None

    def __init__(
        self,
        frame: int,
        object_id: int,
        mask: Mask,
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
        values = {
            "frame": frame,
            "object_id": object_id,
            "confidence": confidence,
            "iou": iou,
            "objectness": objectness,
            "prompted": prompted,
            "seconds": seconds,
            "window": window,
            "drawn": drawn,
            "boxed": boxed,
        }
        self._set(CompactMask.of(mask, logits), values)

    def _set(self, pixels: CompactMask, values: Mapping[str, Any]) -> None:
        for name, value in {**values, "pixels": pixels, "shape": pixels.shape}.items():
            object.__setattr__(self, name, value)

    @classmethod
    def kept(cls, pixels: CompactMask, **values: Any) -> FrameResult:
        """A result of a mask as it is kept; ``values`` are all other attributes but ``shape``."""
        result = object.__new__(cls)
        result._set(pixels, values)
        return result

    @property
    def mask(self) -> Mask:
        return self.pixels.mask

    def but(self, **values: Any) -> FrameResult:
        """The same pixels, with other values of some attributes, such as another ``object_id``."""
        other = copy(self)
        for name, value in values.items():
            object.__setattr__(other, name, value)
        return other

    def paint(self, labels: AnyArray) -> None:
        """Write the object's number into labels ``(H, W)``, wherever the object is."""
        self.pixels.paint(labels, self.object_id)

    @property
    def absent(self) -> bool:
        """True if the object was judged not to be on this frame."""
        return self.pixels.empty

    @property
    def area(self) -> int:
        """Pixels of the object."""
        return self.pixels.area

    @property
    def nbytes(self) -> int:
        """Bytes that the mask takes."""
        return len(self.pixels.packed)

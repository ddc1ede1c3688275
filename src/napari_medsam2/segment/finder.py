"""What was found on a frame, and what finders have in common: they choose the windows that the network looks at."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from ..geometry.boxes import Box, box_of_mask
from ..geometry.overlap import iou
from ..geometry.window import Window, paste
from ..prompts import boxes_of, points_of
from ..types import Mask
from .corrections import clicked_away, refused, take_back, union_of
from .task import Task
from .tiles import windows_on
from .window_predictor import Look, Looker
from .windows import clicked_parts, inside_boxes


@dataclass(frozen=True, eq=False)
class Found:
    """What was found on a frame.

    ``logits`` float32 ``(H, W)`` in frame pixels, and the ``mask`` that is shown of them; ``apart`` is where both were
    taken back because it is not the object. The ``look`` is what is remembered of it. Where the frame was looked at in
    tiles, that has the side ``tile``, and ``whole`` is what is to be said of the frame as a whole.
    """

    look: Look
    logits: npt.NDArray[np.float32]
    mask: Mask
    apart: Mask | None
    whole: Look | None = None
    tile: int | None = None

    @property
    def seen(self) -> Look:
        """What is to be said of the frame."""
        return self.whole or self.look


class Finder(ABC):
    """Finds an object on a frame.

    Parameters
    ----------
    looker
        Runs the network.
    """

    def __init__(self, looker: Looker) -> None:
        self.looker = looker
        self.frames = looker.frames

    @abstractmethod
    def find(self, task: Task, drawn: Mask | None) -> Found:
        """Look for the task's object; ``drawn`` is its mask ``(H, W)`` where the user drew it."""

    def look(self, task: Task, window: Window) -> Found:
        """Look at one window."""
        look = self.looker.look(task, window)
        logits = paste(look.prediction.logits, window, self.frames.shape(task.frame))
        mask = np.asarray(logits > look.prediction.threshold)
        lower = look.prediction.threshold_in_boxes
        if lower is not None and boxes_of(task.prompts):
            mask |= (logits > lower) & inside_boxes(task.prompts, logits.shape)
        if task.prompts:
            apart = union_of(clicked_away(logits, mask, task.prompts), refused(task))
        else:
            apart = self._apart(task, mask)
        take_back(logits, mask, apart)
        return Found(look, logits, mask, apart)

    def clicked_box(self, task: Task, whole: Callable[[], Found]) -> Box | None:
        """Around what the first green click is on, on a frame that may be far larger than what the network sees of it.

        There, the look at all of it is followed by looks at windows around the click, each half as large as the one
        before, until two pixels of the network's input show one of the frame.

        Parameters
        ----------
        whole
            The look at the whole frame.

        Returns
        -------
        Box or None
            ``None`` where there is no such click, or nothing was found.
        """
        shape, size = self.frames.shape(task.frame), self.looker.size
        click = next((p for p in points_of(task.prompts) if p.positive), None)
        if click is None:
            return None
        halvings = int(np.log2(max(shape) / (0.5 * size))) if max(shape) >= 1.5 * size else 0
        place = [(click.y, click.x, click.y, click.x)]
        windows = [w for k in range(1, halvings + 1) for w in windows_on(place, shape, max(shape) >> k)]
        found = [whole(), *(self.look(task, window) for window in windows)]
        parts = [clicked_parts(one.mask, [click]) for one in found]
        return box_of_mask(parts[best_scale(parts, found) if windows else 0])

    def _apart(self, task: Task, mask: Mask) -> Mask | None:
        """What of a mask is not the object, on a frame without prompts; ``None`` where that is nothing."""
        return None


def without(found: Found, part: Mask) -> Found:
    """What was found, less a part ``(H, W)`` of the frame."""
    logits, mask = found.logits.copy(), found.mask.copy()
    take_back(logits, mask, part)
    return replace(found, logits=logits, mask=mask, apart=part if found.apart is None else found.apart | part)


def best_scale(masks: Sequence[Mask], found: Sequence[Found]) -> int:
    """Of looks from nearer and nearer, the one whose answer is sure and also seen from farther away; never the first.

    Parameters
    ----------
    masks
        What of each look's answer counts, ``(H, W)``.
    found
        The looks, the farthest first.
    """
    worth = [
        iou(farther, nearer) * one.look.prediction.confidence**0.5 * nearer.any()
        for (farther, nearer), one in zip(pairwise(masks), found[1:], strict=True)
    ]
    return 1 + int(np.argmax(worth))

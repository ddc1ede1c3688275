"""What was found on a frame, and what finders have in common: they choose the windows that the network is shown."""

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
from ..types import Mask
from .corrections import clicked_away, clicked_things, settle, settled, take_back, union_of
from .task import FrameTask
from .tiles import windows_on
from .window_predictor import WindowPrediction, WindowPredictor
from .windows import clicked_parts, inside_boxes


@dataclass(frozen=True, eq=False)
class Found:
    """What was found on a frame.

    Attributes
    ----------
    prediction
        The network's answer in the window that is remembered of the frame.
    logits
        Float32 ``(H, W)``, in frame pixels.
    mask
        Bool ``(H, W)``, what is shown of them.
    apart
        Bool ``(H, W)``, where both were taken back because it is not the object; ``None``: nowhere.
    whole
        The answers in several windows as one on the whole frame; ``None`` where there was one window.
    tile
        Side of the tiles that the frame was looked at in; ``None``: in none.
    settled
        Clicks that correct settled the mask: it is remembered as it is shown.
    readings
        What an ambiguous prompt may mean, bool ``(H, W)`` each, that which the answer was made of first; see
        :attr:`napari_medsam2.network.interface.Prediction.readings`.
    """

    prediction: WindowPrediction
    logits: npt.NDArray[np.float32]
    mask: Mask
    apart: Mask | None
    whole: WindowPrediction | None = None
    tile: int | None = None
    settled: bool = False
    readings: tuple[Mask, ...] = ()

    @property
    def summary(self) -> WindowPrediction:
        """What the result says of the frame: how sure the answer is, and where the object was looked for."""
        return self.whole or self.prediction


class Finder(ABC):
    """Finds an object on a frame.

    Parameters
    ----------
    predictor
        Runs the network.
    """

    def __init__(self, predictor: WindowPredictor) -> None:
        self.predictor = predictor

    @abstractmethod
    def find(self, task: FrameTask) -> Found:
        """Find the task's object."""

    def find_in(self, task: FrameTask, window: Window) -> Found:
        """Find it in one window."""
        prediction = self.predictor.predict(task, window)
        answer = prediction.answer
        logits = paste(answer.logits, window, self.predictor.shape(task.frame))
        mask = np.asarray(logits > answer.threshold)
        lower = answer.threshold_in_boxes
        if lower is not None and task.prompts.boxes:
            mask |= (logits > lower) & inside_boxes(task.prompts.boxes, logits.shape)
        done = settled(mask, task) if self.predictor.options.mode == "flow" else None
        if done is not None:
            settle(logits, mask, done)
            return Found(prediction, logits, mask, None, settled=True)
        if task.prompts:
            apart = union_of(clicked_away(logits, mask, task.prompts), clicked_things(task))
        else:
            apart = self._apart(task, mask)
        take_back(logits, mask, apart)
        readings = tuple(np.asarray(paste(one, window, logits.shape) > 0) for one in answer.readings)
        return Found(prediction, logits, mask, apart, readings=readings)

    def clicked_box(self, task: FrameTask, whole: Callable[[], Found]) -> Box | None:
        """The box around what the first positive click is on, also on a frame far larger than the network's input.

        On such a frame the answer on the whole is compared with those in windows around the click, each half as large
        as the one before, down to two pixels of the network's input for one of the frame.

        Parameters
        ----------
        whole
            What is found on the whole frame.

        Returns
        -------
        Box or None
            ``None`` where there is no such click, or nothing was found.
        """
        shape, size = self.predictor.shape(task.frame), self.predictor.size
        if not task.prompts.positive:
            return None
        click = task.prompts.positive[0]
        halvings = int(np.log2(max(shape) / (0.5 * size))) if max(shape) >= 1.5 * size else 0
        place = [(click.y, click.x, click.y, click.x)]
        windows = [w for k in range(1, halvings + 1) for w in windows_on(place, shape, max(shape) >> k)]
        found = [whole(), *(self.find_in(task, window) for window in windows)]
        parts = [clicked_parts(one.mask, [click]) for one in found]
        return box_of_mask(parts[best_scale(parts, found) if windows else 0])

    def _apart(self, task: FrameTask, mask: Mask) -> Mask | None:
        """The pixels of a mask ``(H, W)`` that are not the object, on a frame without prompts; ``None`` for none."""
        return None


def without(found: Found, part: Mask) -> Found:
    """The same with a part of the frame, bool ``(H, W)``, taken back."""
    logits, mask = found.logits.copy(), found.mask.copy()
    take_back(logits, mask, part)
    return replace(found, logits=logits, mask=mask, apart=part if found.apart is None else found.apart | part)


def best_scale(masks: Sequence[Mask], found: Sequence[Found]) -> int:
    """Which of windows that get smaller and smaller has an answer that is sure and is found in the larger one, too.

    The first has no larger one, so it is never chosen.

    Parameters
    ----------
    masks
        What of each answer counts, ``(H, W)``.
    found
        The answers, that in the largest window first.
    """
    worth = [
        iou(farther, nearer) * one.prediction.answer.confidence**0.5 * nearer.any()
        for (farther, nearer), one in zip(pairwise(masks), found[1:], strict=True)
    ]
    return 1 + int(np.argmax(worth))

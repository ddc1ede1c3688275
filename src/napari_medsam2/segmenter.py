"""One object on one frame: which windows are looked at, and the mask that comes of it. The session remembers."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch

from . import region
from .frames import ContrastLike, FrameSource
from .looks import DRAWN_LOGIT, Look, Looker
from .memory_bank import MemoryEntry
from .metrics import iou
from .models import Model
from .parts import parts_at
from .prompts import Prompt, drawn_mask, points_of, says_where
from .region import RegionOptions
from .results import FrameResult
from .task import Mask, Segmented, SegmentOptions, Task
from .transforms import Window, paste


@dataclass(frozen=True, eq=False)
class _Found:
    """What one look found.

    ``logits`` float32 ``(H, W)`` in frame pixels, and the ``mask`` that is shown of them; ``apart`` is where both were
    taken back because it is not the object.
    """

    look: Look
    logits: npt.NDArray[np.float32]
    mask: Mask
    apart: Mask | None


class FrameSegmenter:
    """Segments frames; holds caches, but no results.

    Parameters
    ----------
    model, frames, contrast, options, cache_bytes
        See :class:`.looks.Looker`.
    """

    def __init__(
        self,
        model: Model,
        frames: FrameSource,
        contrast: ContrastLike,
        options: SegmentOptions,
        cache_bytes: int,
    ) -> None:
        self.frames = frames
        self.options = options
        self.looker = Looker(model, frames, contrast, options, cache_bytes)

    @torch.inference_mode()
    def run(self, task: Task) -> Segmented:
        """Segment, and make the memory of it."""
        began = time.perf_counter()
        drawn = drawn_mask(task.prompts)
        erased = drawn is not None and not drawn.any()
        found = self._best_look(task, drawn)
        prediction = found.look.prediction
        probability = np.rint(255 / (1 + np.exp(-np.clip(found.logits, -32, 32)))).astype(np.uint8)
        if drawn is not None:
            mask, quality, objectness = drawn, 1.0, float(drawn.any())
            probability = np.where(drawn, np.uint8(255), np.uint8(0))
        else:
            mask, quality, objectness = found.mask, float(prediction.iou), float(prediction.objectness)
            if not says_where(task.prompts) and objectness < 0.5:
                mask = np.zeros_like(mask)
        entry = None
        if mask.any() or (says_where(task.prompts) and not erased) or self.options.remember_absent:
            entry = MemoryEntry(
                frame=task.frame,
                confidence=quality * objectness,
                descriptor=found.look.descriptor,
                pinned=bool(task.prompts),
                payload=self.looker.remember(found.look, drawn, found.apart, prompted=bool(task.prompts)),
            )
        result = FrameResult(
            frame=task.frame,
            object_id=task.object_id,
            mask=mask,
            confidence=1.0 if erased else quality * objectness,
            iou=quality,
            objectness=objectness,
            prompted=bool(task.prompts),
            seconds=time.perf_counter() - began,
            window=found.look.window,
        )
        return Segmented(result, entry, probability, found.look.recalled)

    # ---- where to look ---------------------------------------------------------------------------------------------

    def _best_look(self, task: Task, drawn: Mask | None) -> _Found:
        shape = self.frames.shape(task.frame)
        options = self.options.region
        if options is None:
            return self._closer_look(task, self._look(task, Window.whole(shape)), drawn)
        if not task.prompts or (drawn is not None and not drawn.any()):
            found = self._look(task, self._following_window(task, options))
        elif (box := region.extent_of_prompts(task.prompts, task.seen)) is not None:
            found = self._look(task, region.window_around(box, shape, options.scale, options))
        elif not says_where(task.prompts):
            found = self._look(task, self._following_window(task, options))
        else:
            found = self._first_look(task, options)
        if drawn is None and region.touches_border(found.mask, found.look.window, options):
            larger = region.grown(found.look.window, shape, options)
            if larger != found.look.window:
                found = self._look(task, larger)
        return found

    def _closer_look(self, task: Task, found: _Found, drawn: Mask | None) -> _Found:
        """Look again at the part of the frame where the object is, if that is much less than the whole frame.

        Unrelated images show an object at any size; seen from as near as it was remembered, it looks more alike.
        """
        options = self.options.closer
        mask = found.mask if drawn is None else drawn
        box = region.extent_of_prompts(task.prompts, mask) if mask.any() else None
        if options is None or box is None:
            return found
        shape = self.frames.shape(task.frame)
        window = region.window_around(box, shape, options.closer_scale, options)
        return self._look(task, window) if window.size_y < options.closer_share * max(shape) else found

    def _first_look(self, task: Task, options: RegionOptions) -> _Found:
        """After clicks alone: of windows of several sizes, one whose answer is sure and also seen from farther away.

        Where what was found is much smaller than its window, the look is a closer one.
        """
        shape = self.frames.shape(task.frame)
        looks = [self._look(task, window) for window in region.windows_around_clicks(task.prompts, shape, options)]
        if len(looks) < 3:
            return looks[0]
        worth = [
            iou(farther.mask, nearer.mask) * nearer.look.prediction.confidence**0.5 * nearer.mask.any()
            for farther, nearer in pairwise(looks[:-1])
        ]
        best = looks[1 + int(np.argmax(worth))]
        box = region.clicked_extent(best.mask, task.prompts)
        if box is None or best.look.window.size_y < options.click_limit * max(box[2] - box[0], box[3] - box[1]):
            return best
        return self._look(task, region.window_around(box, shape, options.click_scale, options))

    def _following_window(self, task: Task, options: RegionOptions) -> Window:
        shape = self.frames.shape(task.frame)
        if task.neighbour is None or task.neighbour.mask.shape != shape:
            return Window.whole(shape)
        box = region.box_of_mask(task.neighbour.mask) if task.neighbour.prompted else None
        if box is not None:  # the prompts may have asked for another size than the object turned out to have
            return region.window_around(box, shape, options.scale, options)
        return region.follow(task.neighbour.window, task.neighbour.mask, options)

    # ---- what a look found -----------------------------------------------------------------------------------------

    def _look(self, task: Task, window: Window) -> _Found:
        look = self.looker.look(task, window)
        logits = paste(look.prediction.logits, window, self.frames.shape(task.frame))
        mask = np.asarray(logits > look.prediction.threshold)
        apart = self._apart(task, mask) if not task.prompts else _clicked_away(logits, mask, task.prompts)
        if apart is not None:
            logits[apart] = -DRAWN_LOGIT
            mask[apart] = False
        return _Found(look, logits, mask, apart)

    def _apart(self, task: Task, mask: Mask) -> Mask | None:
        """Parts that do not carry on from the neighbouring slice; ``None`` where there are none or it is not asked."""
        if self.options.region is None or task.neighbour is None:
            return None
        if task.neighbour.mask.shape != mask.shape:
            return None
        apart = mask & ~region.connected(mask, task.neighbour.mask, self.options.region)
        return apart if apart.any() else None


def _clicked_away(logits: npt.NDArray[np.float32], mask: Mask, prompts: Sequence[Prompt]) -> Mask | None:
    """What red clicks take out of a mask ``(H, W)``: of the part that one is on, all that is no surer than its pixel.

    Other parts, and what is surer, stay as they were. ``None`` if no red click is on the mask.
    """
    unwanted = [(p.y, p.x) for p in points_of(prompts) if not p.positive]
    if not unwanted:
        return None
    places = np.rint(unwanted).astype(int).clip(0, np.array(mask.shape) - 1)
    away = [parts_at(mask, [(y, x)]) & (logits <= logits[y, x]) for y, x in places.tolist() if mask[y, x]]
    return np.logical_or.reduce(away) if away else None

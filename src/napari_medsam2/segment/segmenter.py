"""One object on one frame: the network's answer, or what the user drew, as a result and as a memory."""

from __future__ import annotations

import time

import numpy as np
import torch

from ..memory_bank import MemoryEntry
from ..prompts import boxes_of, drawn_mask, says_where
from ..results import FrameResult
from .close_up import CloseUpFinder
from .finder import Finder, without
from .following import RegionFinder
from .task import Segmented, Task
from .whole_frame import FrameFinder
from .window_predictor import Looker


class FrameSegmenter:
    """Segments frames; holds no results.

    Parameters
    ----------
    looker
        Runs the network, with the options that say where to look.
    """

    def __init__(self, looker: Looker) -> None:
        self.looker = looker
        self.options = options = looker.options
        self._finder: Finder
        if options.region is not None:
            self._finder = RegionFinder(looker, options.region)
        elif options.mode == "stack" and options.tiles is not None:
            self._finder = CloseUpFinder(looker, options.tiles)
        else:
            self._finder = FrameFinder(looker, options.closer, options.tiles)

    @torch.inference_mode()
    def run(self, task: Task) -> Segmented:
        """Segment, and make the memory of it."""
        began = time.perf_counter()
        drawn = drawn_mask(task.prompts)
        erased = drawn is not None and not drawn.any()
        found = self._finder.find(task, drawn)
        if task.taken is not None:
            found = without(found, task.taken)
        seen, prediction = found.seen, found.seen.prediction
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
                descriptor=seen.descriptor,
                pinned=bool(task.prompts),
                payload=self.looker.remember(found.look, drawn, found.apart, prompted=bool(task.prompts)),
                tile=found.tile,
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
            window=seen.window,
            drawn=drawn is not None,
            logits=None if drawn is not None else found.logits,
            boxed=drawn is None and bool(boxes_of(task.prompts)),
        )
        return Segmented(result, entry, probability, seen.recalled)

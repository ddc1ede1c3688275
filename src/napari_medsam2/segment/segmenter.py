"""One object on one frame: the network's answer, or what the user drew, as a result and as a memory."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import torch

from ..errors import SessionError
from ..memory_entry import MemoryEntry
from ..models.notices import Notice, Remedy
from ..models.shortage import is_of_main_memory, is_shortage
from ..prompts import FramePrompts, Prompt
from ..results import FrameResult
from .close_up import CloseUpFinder
from .finder import Finder, Found, without
from .following import FollowingFinder
from .options import Strategy
from .task import FrameTask, Segmented
from .whole_frame import SearchFinder, TileFinder, WholeFrameFinder
from .window_predictor import WindowPredictor


class FrameSegmenter:
    """Segments frames; holds no results.

    Parameters
    ----------
    predictor
        Runs the network, with the options that say where to look.
    """

    def __init__(self, predictor: WindowPredictor) -> None:
        self.predictor = predictor
        self._finder = make_finder(predictor)
        self._told_of_savings = False

    def run(self, task: FrameTask) -> Segmented:
        """Segment, and make the memory of it; where memory is short once more with smaller caches, then on the CPU.

        Raises
        ------
        SessionError
            If there is not enough main memory.
        """
        model, saved = self.predictor.model, False
        began_on = model.device
        while True:
            device = model.device
            try:
                done = self._segment(task)
            except (MemoryError, RuntimeError) as error:
                moved = model.has_left(device)  # another session that shares it made it leave meanwhile
                if not moved and not is_shortage(error):
                    raise
                if saved and not moved and (device.type == "cpu" or is_of_main_memory(error)):
                    raise SessionError(
                        f"there is not enough main memory to segment frame {task.frame}: close other programs, or "
                        "choose a smaller model"
                    ) from error
            else:
                if saved and device == began_on:
                    self._tell_of_savings(device)
                return done
            # Not in the except clause: until that ends, the error holds on to what took the memory.
            if saved and not moved:
                self.predictor.go_to_cpu()
            elif not moved:
                self.predictor.save_memory()
                saved = True

    @torch.inference_mode()
    def _segment(self, task: FrameTask) -> Segmented:
        began = time.perf_counter()
        prompts = task.prompts
        found = self._find(task)
        if task.taken is not None:
            found = without(found, task.taken)
        summary, drawn = found.summary, prompts.mask
        probability = np.rint(255 / (1 + np.exp(-np.clip(found.logits, -32, 32)))).astype(np.uint8)
        if drawn is not None:
            mask, quality, objectness = drawn, 1.0, float(drawn.any())
            probability = np.where(drawn, np.uint8(255), np.uint8(0))
        else:
            mask, quality, objectness = found.mask, float(summary.answer.iou), float(summary.answer.objectness)
            if not prompts.says_where and objectness < 0.5 and not found.settled:
                mask = np.zeros_like(mask)
        entry = None
        if mask.any() or prompts.shows_object or self.predictor.options.remember_absent:
            entry = self._remember(task, found, quality * objectness)
        result = FrameResult(
            frame=task.frame,
            object_id=task.object_id,
            mask=mask,
            confidence=1.0 if prompts.erases else quality * objectness,
            iou=quality,
            objectness=objectness,
            prompted=bool(prompts),
            seconds=time.perf_counter() - began,
            window=summary.window,
            drawn=drawn is not None,
            logits=None if drawn is not None else found.logits,
            boxed=drawn is None and bool(prompts.boxes),
        )
        return Segmented(result, entry, probability, summary.recalled, summary.descriptor)

    def _find(self, task: FrameTask) -> Found:
        """What is found; in a flow negative clicks correct what the other prompts of the frame give without them.

        There they would change what the others mean, and take away far more than they are on.
        """
        prompts = task.prompts
        unwanted = prompts.negative and prompts.says_where and prompts.mask is None and not task.corrects
        if self.predictor.options.mode == "stack" or not unwanted:
            return self._finder.find(task)
        shown: tuple[Prompt, ...] = (*prompts.boxes, *prompts.positive)
        meant = self._finder.find(replace(task, prompts=FramePrompts(task.object_id, task.frame, shown)))
        clicks = FramePrompts(task.object_id, task.frame, prompts.points)
        return self._finder.find(replace(task, prompts=clicks, correcting=meant.mask))

    def _remember(self, task: FrameTask, found: Found, confidence: float) -> MemoryEntry:
        # In a flow what clicks have changed of an answer is no template: one click seldom makes all of it right.
        before = task.correcting if task.followed and found.settled else None
        changed = before is not None and not np.array_equal(found.mask, before)
        prompted = bool(task.prompts) and not changed
        return MemoryEntry(
            frame=task.frame,
            confidence=confidence,
            descriptor=found.summary.descriptor,
            pinned=prompted,
            payload=self.predictor.remember(
                found.prediction,
                task.prompts.mask,
                found.apart,
                settled=found.mask if found.settled else None,
                prompted=prompted,
            ),
            tile=found.tile,
        )

    def _tell_of_savings(self, device: torch.device) -> None:
        if not self._told_of_savings:
            self._told_of_savings = True
            model = self.predictor.model
            model.on_notice(Notice(Remedy.KEEPS_LESS, model.name, str(device)))


def make_finder(predictor: WindowPredictor) -> Finder:
    """The finder of the strategy that the options name."""
    options = predictor.options
    match options.strategy:
        case Strategy.FOLLOW:
            return FollowingFinder(predictor, options.region)
        case Strategy.CLOSE_UP:
            return CloseUpFinder(predictor, options.tiles)
        case Strategy.SEARCH:
            return SearchFinder(predictor, options.region, options.tiles)
        case Strategy.TILES:
            return TileFinder(predictor, options.tiles)
        case Strategy.WHOLE_FRAME:
            return WholeFrameFinder(predictor)

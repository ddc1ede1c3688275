"""One object on one frame: the network's answer, or what the user drew, as a result and as a memory."""

from __future__ import annotations

import time

import numpy as np
import numpy.typing as npt
import torch

from ..errors import SessionError
from ..memory_entry import MemoryEntry
from ..models.notices import Notice, Remedy
from ..models.shortage import is_of_main_memory, is_shortage
from ..types import Mask
from .finder import Found, without
from .readings import find_as_meant
from .task import FrameTask, Segmented
from .views import View, closer_view, make_finder, result_of, view_of
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
        view = view_of(self.predictor, self._finder, task)
        found = self._find(view)
        closer = closer_view(view, self._finder, task, found)
        if closer is not None and (nearer := self._find(closer)).mask.any():
            view, found = closer, nearer
        if view.task.taken is not None:
            found = without(found, view.task.taken)
        prompts, answer = task.prompts, found.summary.answer
        quality, objectness, present = float(answer.iou), float(answer.objectness), bool(found.mask.any())
        if prompts.mask is not None:
            quality, present = 1.0, bool(prompts.mask.any())
            objectness = float(present)
        elif not prompts.says_where and objectness < 0.5 and not found.settled:
            present = False
        entry = None
        if present or prompts.shows_object or self.predictor.options.remember_absent:
            entry = _remember(view, found, quality * objectness)
        seconds = time.perf_counter() - began
        result = result_of(view, task, found, present=present, quality=quality, objectness=objectness, seconds=seconds)
        probability = _probability(found, prompts.mask) if view.canvas is None else None
        return Segmented(result, entry, probability, found.summary.recalled, found.summary.descriptor)

    def _find(self, view: View) -> Found:
        return find_as_meant(view.finder, view.task, self.predictor.options.mode)

    def _tell_of_savings(self, device: torch.device) -> None:
        if not self._told_of_savings:
            self._told_of_savings = True
            model = self.predictor.model
            model.on_notice(Notice(Remedy.KEEPS_LESS, model.name, str(device)))


def _remember(view: View, found: Found, confidence: float) -> MemoryEntry:
    task, predictor = view.task, view.predictor
    # In a flow what clicks have changed of an answer is no template: one click seldom makes all of it right.
    before = task.correcting if task.followed and found.settled else None
    changed = before is not None and not np.array_equal(found.mask, before)
    prompted = bool(task.prompts) and not changed
    return MemoryEntry(
        frame=task.frame,
        confidence=confidence,
        descriptor=found.summary.descriptor,
        pinned=prompted,
        payload=predictor.remember(
            found.prediction,
            task.prompts.mask,
            found.apart,
            settled=found.mask if found.settled else None,
            prompted=prompted,
        ),
        tile=found.tile if found.tile is None else found.tile * predictor.step,
    )


def _probability(found: Found, drawn: Mask | None) -> npt.NDArray[np.uint8]:
    """Uint8 ``(H, W)``, 255 for certain."""
    if drawn is not None:
        return np.where(drawn, np.uint8(255), np.uint8(0))
    return np.rint(255 / (1 + np.exp(-np.clip(found.logits, -32, 32)))).astype(np.uint8)

"""One object on one frame: which windows are looked at, and the mask that comes of it. The session remembers."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch

from . import region, tiles
from .frames import ContrastLike, FrameSource
from .looks import DRAWN_LOGIT, Look, Looker
from .memory_bank import MemoryEntry
from .metrics import iou
from .models import Model
from .network.interface import ImageFeatures, Recall
from .parts import parts_at
from .prompts import Prompt, drawn_mask, points_of, says_where
from .region import RegionOptions
from .results import FrameResult
from .task import Mask, Segmented, SegmentOptions, Task
from .transforms import Window, paste


@dataclass(frozen=True, eq=False)
class _Found:
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
        seen = found.whole or found.look
        prediction = seen.prediction
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
        )
        return Segmented(result, entry, probability, seen.recalled)

    # ---- where to look ---------------------------------------------------------------------------------------------

    def _best_look(self, task: Task, drawn: Mask | None) -> _Found:
        shape = self.frames.shape(task.frame)
        options = self.options.region
        if options is None:
            return self._flow_look(task, drawn)
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

    def _flow_look(self, task: Task, drawn: Mask | None) -> _Found:
        """Look for all of a kind of thing: at the whole frame or in tiles, and closely where all is in one place.

        Where that is so on a frame with prompts, tiles are left out on the others: they are for crowds, and what is
        alone is found as well at a look at the whole frame.
        """
        shape = self.frames.shape(task.frame)
        side = self._tile_side(task)
        if side is None:
            return self._closer_look(task, self._look(task, Window.whole(shape)), drawn, max(shape))
        tiled = self._tiled_look(task, side, drawn)
        found = self._closer_look(task, tiled, drawn, side)
        return found if found is not tiled and task.prompts else replace(found, tile=side)

    def _closer_look(self, task: Task, found: _Found, drawn: Mask | None, side: int) -> _Found:
        """Look again at the part of the frame where the object is, if that is much less than what was seen at once.

        Unrelated images show an object at any size; seen from as near as it was remembered, it looks more alike.
        """
        options = self.options.closer
        mask = found.mask if drawn is None else drawn
        box = region.extent_of_prompts(task.prompts, mask) if mask.any() else None
        if options is None or box is None:
            return found
        shape = self.frames.shape(task.frame)
        window = region.window_around(box, shape, options.closer_scale, options)
        return self._look(task, window) if window.size_y < options.closer_share * side else found

    def _tile_side(self, task: Task) -> int | None:
        """Side of the tiles in which a frame is looked at; ``None`` for one look at the whole frame.

        How large a thing is say the prompts; on other frames it was on those with prompts.
        """
        options, shape = self.options.tiles, self.frames.shape(task.frame)
        if options is None:
            return None
        length = tiles.length_of_things(task.prompts)
        if length is None and (pinned := [entry.tile for entry in task.bank.entries if entry.pinned]):
            sides = [side for side in pinned if side is not None]
            return tiles.usable_side(min(sides), shape) if sides else None
        if length is None:
            length = self._clicked_length(task)
        return None if length is None else tiles.tile_side(length, shape, self.looker.size, options)

    def _clicked_length(self, task: Task) -> float | None:
        """How long what was clicked is, in pixels; ``None`` where nothing was found.

        Of windows on the first click, each half as large as the one before, the one whose answer is sure and also seen
        from farther away.
        """
        shape, size = self.frames.shape(task.frame), self.looker.size
        click = next((p for p in points_of(task.prompts) if p.positive), None)
        if click is None or max(shape) < 1.5 * size:
            return None
        place = (click.y, click.x, click.y, click.x)
        halvings = int(np.log2(max(shape) / (0.5 * size)))
        windows = [w for k in range(1, halvings + 1) for w in tiles.windows_on([place], shape, max(shape) >> k)]
        found = [self._look(task, window) for window in (Window.whole(shape), *windows)]
        pixel = (min(max(round(click.y), 0), shape[0] - 1), min(max(round(click.x), 0), shape[1] - 1))
        parts = [parts_at(one.mask, [pixel]) for one in found]
        worth = [
            iou(farther, nearer) * one.look.prediction.confidence**0.5 * nearer.any()
            for (farther, nearer), one in zip(pairwise(parts), found[1:], strict=True)
        ]
        box = region.box_of_mask(parts[1 + int(np.argmax(worth))])
        return None if box is None else max(box[2] - box[0], box[3] - box[1])

    def _tiled_look(self, task: Task, side: int, drawn: Mask | None) -> _Found:
        """Look at all of a frame in tiles: first where prompts are, then with the memory of that everywhere.

        Of the looks one is remembered, that with most of the object in it.
        """
        assert self.options.tiles is not None
        shape = self.frames.shape(task.frame)
        features = self.looker.features(task.frame, Window.whole(shape))
        recalls = self.looker.recalls(task, features)
        windows = tiles.tile_windows(shape, side, self.options.tiles)
        if drawn is not None:
            look = self.looker.look(task, tiles.fullest(windows, drawn), recalls)
            logits = paste(look.prediction.logits, look.window, shape)
            return _Found(look, logits, drawn, None, replace(look, window=Window.whole(shape), features=features))
        prompted = []
        for window in tiles.windows_on(tiles.places_of(task.prompts), shape, side):
            look = self.looker.look(replace(task, prompts=tiles.inside(task.prompts, window)), window, recalls)
            prompted.append(look)
        own = [self.looker.remember(look, None, None, prompted=True) for look in prompted]
        recalls += [Recall(memory.to(self.looker.model.device), pinned=True) for memory in own]
        free = [self.looker.look(replace(task, prompts=()), window, recalls) for window in windows]
        answers = [(look.window, look.prediction.logits, look in prompted) for look in (*prompted, *free)]
        logits = tiles.blended(answers, shape)
        mask = logits > 0
        apart = _clicked_away(logits, mask, task.prompts)
        if apart is not None:
            logits[apart] = -DRAWN_LOGIT
            mask[apart] = False
        areas = {look: float((look.prediction.logits > 0).sum()) for look in (*prompted, *free)}
        return _Found(
            max(prompted or free, key=areas.__getitem__), logits, mask, apart, _summary(areas, features, shape)
        )

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


def _summary(areas: Mapping[Look, float], features: ImageFeatures, shape: tuple[int, int]) -> Look:
    """Looks at tiles as one at the whole frame: where more was found counts for more in how sure it is."""
    total = sum(areas.values())
    counting = {look: area for look, area in areas.items() if area or not total}
    share = [area / total if total else 1 / len(counting) for area in counting.values()]
    prediction = replace(
        next(iter(areas)).prediction,
        iou=sum(s * look.prediction.iou for s, look in zip(share, counting, strict=True)),
        objectness=max(look.prediction.objectness for look in counting),
    )
    return Look(Window.whole(shape), features, prediction, max(look.recalled for look in areas))


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

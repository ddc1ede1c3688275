"""One object on one frame: window, features, memory, mask. Holds caches and no results; the session remembers."""

from __future__ import annotations

import time
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from . import region
from .feature_cache import FeatureCache
from .frames import ContrastLike, FrameSource
from .memory_bank import MemoryEntry, Pick
from .metrics import iou
from .models import Model
from .network.interface import ImageFeatures, Memory, Prediction, PromptTensors, Recall
from .parts import parts_at
from .prompts import Prompt, boxes_of, masks_of, points_of, says_where
from .region import RegionOptions
from .results import FrameResult
from .shortage import give_back_unused
from .task import Mask, Segmented, SegmentOptions, Task
from .transforms import Window, crop, crop_mask, paste, to_window

#: Logit that a drawn mask is remembered with, inside; minus this outside.
_DRAWN_LOGIT = 10.0
#: Prepared frames that are kept: the current one and its neighbour, in either direction.
_IMAGES_KEPT = 4


@dataclass(frozen=True, eq=False)
class _Look:
    """One run of the network on one window.

    ``logits`` float32 ``(H, W)`` in frame pixels, and the ``mask`` that is shown of them; ``apart`` is where both were
    taken back because it is not the object.
    """

    window: Window
    features: ImageFeatures
    prediction: Prediction
    logits: npt.NDArray[np.float32]
    mask: Mask
    recalled: int
    apart: Mask | None


class FrameSegmenter:
    """Runs the network on frames, with the image features shared by all objects.

    Parameters
    ----------
    model
        Network, device.
    frames, contrast
        Where pixels come from, and how they become 0..1.
    options
        See :class:`SegmentOptions`.
    cache_bytes
        Budget for image features.
    """

    def __init__(
        self,
        model: Model,
        frames: FrameSource,
        contrast: ContrastLike,
        options: SegmentOptions,
        cache_bytes: int,
    ) -> None:
        self.model = model
        self.frames = frames
        self.contrast = contrast
        self.options = options
        self.cache = FeatureCache(cache_bytes)
        self._cache_bytes = cache_bytes
        network = model.network
        self._size = network.image_size if options.region is None else network.region_size or network.image_size
        self._images: dict[int, npt.NDArray[np.float32]] = {}
        self._memories: weakref.WeakSet[Memory] = weakref.WeakSet()  # all that banks and undo hold
        self._leaves_memories = False

    def drop_caches(self) -> None:
        """Give back what memory can be given back without a loss."""
        self.cache.clear()
        self._images.clear()
        give_back_unused(self.model.device)

    def save_memory(self) -> None:
        """Make do with less memory from now on.

        At most half as many image features are kept, and on an accelerator the memories of frames are left to the
        main memory; those that are picked up visit it for the moment.
        """
        self.cache.shrink()
        if self.model.device.type != "cpu":
            self._leaves_memories = True
            for memory in self._memories:
                memory.leave()
        self.drop_caches()

    def go_to_cpu(self) -> None:
        """Run the network on the CPU from now on; the features kept there may take the whole budget again."""
        self.model.go_to_cpu()
        self.cache.max_bytes = self._cache_bytes

    @torch.inference_mode()
    def run(self, task: Task) -> Segmented:
        """Segment, and make the memory of it."""
        began = time.perf_counter()
        drawn = _union(task.prompts)
        erased = drawn is not None and not drawn.any()
        look = self._best_look(task, drawn)
        prediction = look.prediction
        probability = np.rint(255 / (1 + np.exp(-np.clip(look.logits, -32, 32)))).astype(np.uint8)
        if drawn is not None:
            mask, quality, objectness = drawn, 1.0, float(drawn.any())
            probability = np.where(drawn, np.uint8(255), np.uint8(0))
        else:
            mask, quality, objectness = look.mask, float(prediction.iou), float(prediction.objectness)
            if not says_where(task.prompts) and objectness < 0.5:
                mask = np.zeros_like(mask)
        entry = None
        if mask.any() or (says_where(task.prompts) and not erased) or self.options.remember_absent:
            entry = MemoryEntry(
                frame=task.frame,
                confidence=quality * objectness,
                descriptor=_descriptor(look.features),
                pinned=bool(task.prompts),
                payload=self._remember(look, drawn, prompted=bool(task.prompts)),
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
            window=look.window,
        )
        return Segmented(result, entry, probability, look.recalled)

    def view(self, frame: int, window: Window) -> npt.NDArray[np.float32]:
        """What the network sees of a window of a frame: float32 ``(S, S, 3)`` in 0..1."""
        return np.asarray(crop(self._prepared(frame), window, self._size)[0].permute(1, 2, 0).numpy())

    # ---- where to look ---------------------------------------------------------------------------------------------

    def _best_look(self, task: Task, drawn: Mask | None) -> _Look:
        shape = self.frames.shape(task.frame)
        options = self.options.region
        if options is None:
            return self._closer_look(task, self._look(task, Window.whole(shape)), drawn)
        if not task.prompts or (drawn is not None and not drawn.any()):
            look = self._look(task, self._following_window(task, options))
        elif (box := region.extent_of_prompts(task.prompts, task.seen)) is not None:
            look = self._look(task, region.window_around(box, shape, options.scale, options))
        elif not says_where(task.prompts):
            look = self._look(task, self._following_window(task, options))
        else:
            look = self._first_look(task, options)
        if drawn is None and region.touches_border(look.mask, look.window, options):
            larger = region.grown(look.window, shape, options)
            if larger != look.window:
                look = self._look(task, larger)
        return look

    def _closer_look(self, task: Task, look: _Look, drawn: Mask | None) -> _Look:
        """Look again at the part of the frame where the object is, if that is much less than the whole frame.

        Unrelated images show an object at any size; seen from as near as it was remembered, it looks more alike.
        """
        options = self.options.closer
        found = look.mask if drawn is None else drawn
        box = region.extent_of_prompts(task.prompts, found) if found.any() else None
        if options is None or box is None:
            return look
        shape = self.frames.shape(task.frame)
        window = region.window_around(box, shape, options.closer_scale, options)
        return self._look(task, window) if window.size_y < options.closer_share * max(shape) else look

    def _first_look(self, task: Task, options: RegionOptions) -> _Look:
        """After clicks alone: of windows of several sizes, one whose answer is sure and also seen from farther away.

        Where what was found is much smaller than its window, the look is a closer one.
        """
        shape = self.frames.shape(task.frame)
        looks = [self._look(task, window) for window in region.windows_around_clicks(task.prompts, shape, options)]
        if len(looks) < 3:
            return looks[0]
        worth = [
            iou(farther.mask, look.mask) * look.prediction.confidence**0.5 * look.mask.any()
            for farther, look in pairwise(looks[:-1])
        ]
        best = looks[1 + int(np.argmax(worth))]
        box = region.clicked_extent(best.mask, task.prompts)
        if box is None or best.window.size_y < options.click_limit * max(box[2] - box[0], box[3] - box[1]):
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

    # ---- running the network ---------------------------------------------------------------------------------------

    def _look(self, task: Task, window: Window) -> _Look:
        features = self._features(task.frame, window, self._size)
        picks = task.bank.pick(task.frame, _descriptor(features), n_frames=len(self.frames), reverse=task.reverse)
        recalls = [self._recall(pick) for pick in picks]
        prediction = self._predict(task, window, features, self._size, recalls)
        detail = self.model.network.box_detail
        if detail > 1 and boxes_of(task.prompts) and not masks_of(task.prompts):
            finer = int(detail * self._size)
            closely = self._predict(task, window, self._features(task.frame, window, finer), finer, recalls)
            prediction = _mean(prediction, closely)
        logits = paste(prediction.logits, window, self.frames.shape(task.frame))
        mask = np.asarray(logits > prediction.threshold)
        apart = self._apart(task, mask) if not task.prompts else _clicked_away(logits, mask, task.prompts)
        if apart is not None:
            logits[apart] = -_DRAWN_LOGIT
            mask[apart] = False
        return _Look(window, features, prediction, logits, mask, len(picks), apart)

    def _predict(
        self, task: Task, window: Window, features: ImageFeatures, size: int, recalls: Sequence[Recall]
    ) -> Prediction:
        """Run the network on features of an input of this size."""
        shape = self.frames.shape(task.frame)
        previous, previous_image = self._previous(task, window, shape, size)
        return self.model.network.segment(
            features,
            self._prompt_tensors(task, window, shape, size) if task.prompts else None,
            recalls,
            ordered=self.options.ordered,
            previous=previous,
            previous_image=previous_image,
            n_frames=len(self.frames),
        )

    def _apart(self, task: Task, mask: Mask) -> Mask | None:
        """Parts that do not carry on from the neighbouring slice; ``None`` where there are none or it is not asked."""
        if self.options.region is None or task.neighbour is None:
            return None
        if task.neighbour.mask.shape != mask.shape:
            return None
        apart = mask & ~region.connected(mask, task.neighbour.mask, self.options.region)
        return apart if apart.any() else None

    def _features(self, frame: int, window: Window, size: int) -> ImageFeatures:
        encode = partial(self._encode, frame, window, size)
        return self.cache.get(frame, window, size, encode).to(self.model.device)

    def _encode(self, frame: int, window: Window, size: int) -> ImageFeatures:
        image = crop(self._prepared(frame), window, size)
        return self.model.network.encode_image(image.to(self.model.device))

    def _prepared(self, frame: int) -> npt.NDArray[np.float32]:
        """The frame in 0..1; the latest few are kept, because objects take their windows from them in turn."""
        image = self._images.pop(frame, None)
        if image is None:
            image = self.contrast.apply(self.frames[frame])
        self._images[frame] = image
        while len(self._images) > _IMAGES_KEPT:
            del self._images[next(iter(self._images))]
        return image

    def _recall(self, pick: Pick) -> Recall:
        ordered = self.options.ordered
        memory: Memory = pick.entry.payload
        return Recall(
            memory.to(self.model.device),
            weight=pick.weight,
            offset=pick.offset if ordered else None,
            pinned=pick.entry.pinned,
            slot=pick.slot if ordered else None,
            spatial=pick.spatial,
        )

    def _previous(
        self, task: Task, window: Window, shape: tuple[int, int], size: int
    ) -> tuple[Tensor | None, Tensor | None]:
        """Mask and image of the neighbouring frame in this window, for networks that have a use for them."""
        neighbour = task.neighbour
        asked = self.options.hint and self.model.network.sees_neighbour
        if neighbour is None or task.prompts or not asked or neighbour.mask.shape != shape:
            return None, None
        hint: npt.NDArray[Any] = neighbour.mask
        if neighbour.probability is not None:
            hint = neighbour.probability.astype(np.float32) / 255
        image = crop(self._prepared(neighbour.frame), window, size)
        device = self.model.device
        return crop_mask(hint, window, size).to(device), image.to(device)

    def _prompt_tensors(self, task: Task, window: Window, shape: tuple[int, int], size: int) -> PromptTensors:
        """Prompts in network pixels; clicks outside the window say nothing about what the network sees."""
        prompts, seen = task.prompts, task.seen
        height, width = shape
        points = [p for p in points_of(prompts) if region.contains(window, p.y, p.x)]
        boxes = [
            ((max(p.y0, -0.5), max(p.x0, -0.5)), (min(p.y1, height - 0.5), min(p.x1, width - 0.5)))
            for p in boxes_of(prompts)
        ]
        drawn = _union(prompts)
        xy = to_window(np.array([(p.y, p.x) for p in points], float).reshape(-1, 2), window, size)
        corners = to_window(np.array(boxes, float).reshape(-1, 2, 2), window, size)
        device = self.model.device
        return PromptTensors(
            points=torch.as_tensor(xy, dtype=torch.float32, device=device),
            point_labels=torch.tensor([int(p.positive) for p in points], dtype=torch.int64, device=device),
            boxes=torch.as_tensor(corners.reshape(-1, 4), dtype=torch.float32, device=device),
            mask=None if drawn is None else crop_mask(drawn, window, size).to(device),
            earlier=None if seen is None or not seen.any() else crop_mask(seen, window, size).to(device),
        )

    def _remember(self, look: _Look, drawn: Mask | None, *, prompted: bool) -> Memory:
        """Encode the memory from the window that was used."""
        if drawn is not None:
            inside = crop_mask(drawn, look.window, self._size).to(self.model.device)
            logits = (inside * 2 - 1) * _DRAWN_LOGIT
        else:
            size = (self._size, self._size)
            logits = F.interpolate(look.prediction.logits.float(), size, mode="bilinear", align_corners=False)
            if look.apart is not None:
                apart = crop_mask(look.apart, look.window, self._size).to(self.model.device)
                logits = torch.where(apart > 0.5, logits.clamp(max=-_DRAWN_LOGIT), logits)
        memory = self.model.network.encode_memory(look.features, look.prediction, logits, prompted=prompted)
        if self._leaves_memories:
            memory.leave()
        self._memories.add(memory)
        return memory


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


def _mean(first: Prediction, finer: Prediction) -> Prediction:
    """Two answers about one window as one, as fine as the second."""
    size = finer.logits.shape[-2:]
    logits = F.interpolate(first.logits.float(), size, mode="bilinear", align_corners=False) + finer.logits.float()
    quality, objectness = (first.iou + finer.iou) / 2, (first.objectness + finer.objectness) / 2
    return replace(first, logits=logits / 2, iou=quality, objectness=objectness)


def _descriptor(features: ImageFeatures) -> npt.NDArray[np.float64]:
    return np.asarray(features.descriptor.numpy(), np.float64)


def _union(prompts: Sequence[Prompt]) -> Mask | None:
    """The drawn mask, or ``None`` if nothing was drawn."""
    masks = masks_of(prompts)
    return np.logical_or.reduce([p.mask for p in masks]) if masks else None

"""The network at work on one window of one frame: image features, prompts, memory, and a memory of the answer.

Which windows those are is up to the finders (:mod:`.finder`), what becomes of the answers to :mod:`.segmenter`.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ..bounded_cache import BoundedCache
from ..geometry.canvas import Canvas, is_giant
from ..geometry.window import DRAWN_LOGIT, Window, crop, crop_mask
from ..images.contrast import ContrastLike, Estimate, PerFrameContrast
from ..images.contrast_words import remarks_on_flow, remarks_on_stack
from ..images.frames import FrameSource
from ..memory_entry import Pick
from ..models.device import Model
from ..models.shortage import give_back_unused
from ..network.interface import Adaptation, ImageFeatures, Memory, Prediction, Recall
from ..network.resample import resize
from ..types import Mask
from .adaptation import Adaptations, Drawn
from .options import SegmentOptions
from .prepared import prepared_on
from .prompt_tensors import prompt_tensors
from .scratch import FeatureCache
from .task import FrameTask

#: Prepared frames that are kept: the current one and its neighbour, in either direction.
_IMAGES_KEPT = 4


@dataclass(frozen=True, eq=False)
class WindowPrediction:
    """What the network makes of one window of a frame.

    Attributes
    ----------
    frame, window
        Where.
    features
        Of the image in the window.
    answer
        Mask logits of the window, and how sure they are.
    recalled
        How many memories were picked up.
    """

    frame: int
    window: Window
    features: ImageFeatures
    answer: Prediction
    recalled: int

    @property
    def descriptor(self) -> npt.NDArray[np.float64]:
        """Image descriptor, ``(D,)`` of unit length."""
        return descriptor_of(self.features)


def descriptor_of(features: ImageFeatures) -> npt.NDArray[np.float64]:
    """Image descriptor of features, ``(D,)`` of unit length."""
    return np.asarray(features.descriptor.numpy(), np.float64)


class WindowPredictor:
    """Runs the network on windows of frames, with the image features shared by all objects.

    Parameters
    ----------
    model
        Network, device.
    frames, contrast
        Where pixels come from, and how they become 0..1.
    options
        See :class:`.options.SegmentOptions`.
    cache_bytes, scratch_bytes
        Budgets for image features: of memory, and past it of the disk.
    """

    def __init__(
        self,
        model: Model,
        frames: FrameSource,
        contrast: ContrastLike,
        options: SegmentOptions,
        cache_bytes: int,
        scratch_bytes: int = 0,
    ) -> None:
        self.model = model
        self.frames = frames
        self.contrast = contrast
        self.options = options
        self.canvas: Canvas | None = None
        # An accelerator makes them anew in less time than they take to the disk and back.
        self.cache = FeatureCache(cache_bytes, scratch_bytes if model.device.type == "cpu" else 0)
        self._cache_bytes = cache_bytes
        self._estimates: dict[int, Estimate] = {}  # of images of a flow, where not all of their pixels count
        #: Side of the network's input, in pixels.
        self.size = options.strategy.input_size(model.network)
        self._images: BoundedCache[tuple[int, Canvas | None], npt.NDArray[np.float32]] = BoundedCache(
            _IMAGES_KEPT, size_of=lambda _: 1
        )
        self._memories: weakref.WeakSet[Memory] = weakref.WeakSet()  # all that banks and undo hold
        self._leaves_memories = False
        self._adaptations = Adaptations(model, self.size, mode=options.mode, however_many=bool(options.adapt))

    def on(self, canvas: Canvas) -> WindowPredictor:
        """The same, with frames seen on a canvas: windows, prompts and masks are in its coordinates."""
        (other := copy(self)).canvas = canvas
        return other

    def overview(self, frame: int) -> npt.NDArray[np.float32]:
        """The whole frame in 0..1, float32 ``(h, w, 3)``; a giant one coarsely."""
        shape = self.frames.shape(frame)
        return self.on(Canvas.whole(shape)).prepared(frame) if is_giant(shape) else self.prepared(frame)

    def shape(self, frame: int) -> tuple[int, int]:
        """``(H, W)`` of a frame as it is seen."""
        return self.frames.shape(frame) if self.canvas is None else self.canvas.shape

    @property
    def step(self) -> int:
        """Pixels of a frame that are seen as one, on each side."""
        return 1 if self.canvas is None else self.canvas.step

    @property
    def remarks(self) -> tuple[str, ...]:
        """What the contrast was estimated without, and images that show nothing, in sentences; of those seen so far."""
        if isinstance(self.contrast, Estimate):
            return remarks_on_stack(self.contrast, self.frames.name)
        return remarks_on_flow(dict(self._estimates), self.frames.name)

    # ---- memory of the machine -------------------------------------------------------------------------------------

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

    # ---- predicting ------------------------------------------------------------------------------------------------

    def predict(self, task: FrameTask, window: Window, recalls: Sequence[Recall] | None = None) -> WindowPrediction:
        """Run the network on a window.

        Parameters
        ----------
        recalls
            What is remembered; ``None`` for what the task's bank picks up for this window.
        """
        # In a flow positive clicks are outlined, in a stack those that correct.
        clicked = not task.corrects and task.prompts.positive if self.options.mode == "flow" else task.corrects
        asks = bool(task.prompts.boxes or clicked) and task.prompts.mask is None
        features = self._features(task.frame, window, self.size, prompted=asks)
        if recalls is None:
            recalls = self.recalls(task, features)
        answer = self._answer(task, window, features, self.size, recalls)
        detail = self.model.network.box_detail
        if detail > 1 and task.prompts.boxes and task.prompts.mask is None:
            finer = int(detail * self.size)
            # Without memory, which holds frames as they are seen at the usual size.
            closely = self._answer(task, window, self._features(task.frame, window, finer, prompted=asks), finer, ())
            answer = _mean(answer, closely)
        return WindowPrediction(task.frame, window, features, answer, len(recalls))

    def features(self, frame: int, window: Window) -> ImageFeatures:
        """Image features of a window, kept while there is room."""
        return self._features(frame, window, self.size, prompted=False)

    def recalls(self, task: FrameTask, features: ImageFeatures) -> list[Recall]:
        """The memories that the task's bank picks up for these image features."""
        descriptor = descriptor_of(features)
        picks = task.bank.pick(task.frame, descriptor, n_frames=len(self.frames), reverse=task.reverse)
        drawn = [] if task.prompts else self._adaptations.drawn_among(picks, task.frame, descriptor)
        return [self._recall(pick, adapted=pick in drawn) for pick in picks]

    def remember(
        self,
        prediction: WindowPrediction,
        drawn: Mask | None,
        apart: Mask | None,
        *,
        settled: Mask | None = None,
        prompted: bool,
    ) -> Memory:
        """Encode the memory of a window.

        Parameters
        ----------
        drawn
            The mask of the frame ``(H, W)``, where the user drew it.
        apart
            Where on the frame ``(H, W)`` the answer was taken back.
        settled
            The mask of the frame ``(H, W)``, where clicks that correct settled it.
        prompted
            The frame has a prompt.
        """
        known = settled if drawn is None else drawn
        if known is not None:
            inside = crop_mask(known, prediction.window, self.size).to(self.model.device)
            logits = (inside * 2 - 1) * DRAWN_LOGIT
        else:
            logits = resize(prediction.answer.logits.float(), (self.size, self.size))
            if apart is not None:
                outside = crop_mask(apart, prediction.window, self.size).to(self.model.device)
                logits = torch.where(outside > 0.5, logits.clamp(max=-DRAWN_LOGIT), logits)
        memory = self.model.network.encode_memory(prediction.features, prediction.answer, logits, prompted=prompted)
        if self._leaves_memories:
            memory.leave()
        self._memories.add(memory)
        if drawn is not None and drawn.any() and self.options.adapt is not False:
            self._adaptations.add(memory, Drawn(partial(self.prepared, prediction.frame), drawn, prediction.window))
        return memory

    def learned_from(self, memory: Memory) -> Adaptation | None:
        """What the network learned, or learns now, from a memory whose mask was drawn; ``None``: nothing."""
        return None if self.options.adapt is False else self._adaptations.learned_from(memory)

    def adopt(self, memory: Memory, adaptation: Adaptation | None) -> None:
        """Take a memory that was made elsewhere, and what was learned from it there."""
        self._memories.add(memory)
        if adaptation is not None and self.options.adapt is not False:
            self._adaptations.adopt(memory, adaptation)

    # ---- what the network is given ---------------------------------------------------------------------------------

    def _answer(
        self, task: FrameTask, window: Window, features: ImageFeatures, size: int, recalls: Sequence[Recall]
    ) -> Prediction:
        """Run the network on features of an input of this size."""
        shape = self.shape(task.frame)
        neighbour_mask, neighbour_image = self._neighbour(task, window, shape, size)
        return self.model.network.segment(
            features,
            prompt_tensors(task, window, shape, size, self.model.device) if task.prompts else None,
            recalls,
            mode=self.options.mode,
            neighbour_mask=neighbour_mask,
            neighbour_image=neighbour_image,
            n_frames=len(self.frames),
        )

    def _features(self, frame: int, window: Window, size: int, *, prompted: bool) -> ImageFeatures:
        fine = self.model.network.fine_size if prompted else None
        encode = partial(self._encode, frame, window, size, fine)
        return self.cache.get((frame, self.canvas, window, size, fine), encode).to(self.model.device)

    def _encode(self, frame: int, window: Window, size: int, fine_size: int | None) -> ImageFeatures:
        device, prepared = self.model.device, self.prepared(frame)
        image = crop(prepared, window, size).to(device)
        fine = None if fine_size is None else crop(prepared, window, fine_size).to(device)
        return self.model.network.encode_image(image, self.options.mode, fine=fine)

    def prepared(self, frame: int) -> npt.NDArray[np.float32]:
        """The frame in 0..1; the latest few are kept, because objects take their windows from them in turn."""
        return self._images.get((frame, self.canvas), partial(self._prepare, frame))

    def _prepare(self, frame: int) -> npt.NDArray[np.float32]:
        raw, contrast = self.frames[frame], self.contrast
        if isinstance(contrast, PerFrameContrast):
            contrast = contrast.estimate(raw)
            if contrast.left_out or contrast.alike:
                self._estimates[frame] = contrast
        return contrast.apply(raw) if self.canvas is None else prepared_on(self.canvas, raw, contrast)

    def _recall(self, pick: Pick, *, adapted: bool) -> Recall:
        stack = self.options.mode == "stack"
        memory: Memory = pick.entry.payload
        return Recall(
            memory.to(self.model.device),
            weight=pick.weight,
            offset=pick.offset if stack else None,
            pinned=pick.entry.pinned,
            slot=pick.slot if stack else None,
            spatial=pick.spatial,
            adaptation=self._adaptations.adaptation_to(memory) if adapted else None,
        )

    def _neighbour(
        self, task: FrameTask, window: Window, shape: tuple[int, int], size: int
    ) -> tuple[Tensor | None, Tensor | None]:
        """Mask and image of the neighbouring frame in this window, for networks that have a use for them."""
        neighbour = task.neighbour
        asked = self.options.show_neighbour and self.model.network.uses_neighbour
        if neighbour is None or task.prompts or not asked or neighbour.mask.shape != shape:
            return None, None
        shown: npt.NDArray[Any] = neighbour.mask
        if neighbour.probability is not None:
            shown = neighbour.probability.astype(np.float32) / 255
        image = crop(self.prepared(neighbour.frame), window, size)
        device = self.model.device
        return crop_mask(shown, window, size).to(device), image.to(device)


def _mean(first: Prediction, finer: Prediction) -> Prediction:
    """Two answers about one window as one, as fine as the second."""
    height, width = finer.logits.shape[-2:]
    logits = resize(first.logits.float(), (height, width)) + finer.logits.float()
    quality, objectness = (first.iou + finer.iou) / 2, (first.objectness + finer.objectness) / 2
    return replace(first, logits=logits / 2, iou=quality, objectness=objectness)

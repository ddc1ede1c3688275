"""What the session asks of a segmentation network, and the values that go in and out.

A network is stateless: memories are handed to it and handed back. Every tensor lives on the network's device;
``S`` is the side of the square network input. Pixel coordinates of the network input have the centre of the first
pixel at ``(0, 0)``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from ..types import Mode


@dataclass(frozen=True)
class ImageFeatures:
    """What the image encoder makes of one network input; shared by all objects on it.

    Attributes
    ----------
    levels
        Feature maps from high to low resolution, each float ``[1, C, H, W]``.
    descriptor
        Image descriptor for weighted pick-up, float32 ``[D]`` on the CPU, of unit length.
    """

    levels: tuple[Tensor, ...]
    descriptor: Tensor

    @property
    def nbytes(self) -> int:
        """Memory that it takes, in bytes."""
        return sum(level.nbytes for level in self.levels) + self.descriptor.nbytes

    def to(self, device: torch.device) -> ImageFeatures:
        """The same features on a device; those that move become float32, which every network takes."""
        if all(_is_on(level, device) for level in self.levels):
            return self
        return replace(self, levels=tuple(_moved(level, device) for level in self.levels))


@dataclass(frozen=True)
class PromptTensors:
    """The prompts of one object on one frame, in pixels of the network input.

    Attributes
    ----------
    points
        Clicks ``(x, y)``, float32 ``[N, 2]``; N may be 0.
    point_labels
        1 for positive, 0 for negative, int64 ``[N]``.
    boxes
        Outer edges ``(x0, y0, x1, y1)`` minus half a pixel as all coordinates here, float32 ``[M, 4]``; M may be 0.
        Several boxes mean their union.
    mask
        The drawn mask as float32 ``[1, 1, S, S]`` in 0..1, or ``None``. A mask is final: the prediction is the mask.
    correcting
        The mask that the clicks correct, which this frame had without them, float32 ``[1, 1, S, S]`` in 0..1, or
        ``None``.
    choosing
        Clicks that choose among the :attr:`Prediction.readings` of the prompt and say nothing else, as
        :func:`.readings.choose` takes them; ``None`` for none.
    """

    points: Tensor
    point_labels: Tensor
    boxes: Tensor
    mask: Tensor | None = None
    correcting: Tensor | None = None
    choosing: Tensor | None = None

    @property
    def is_one(self) -> bool:
        """True if there is one box, or one positive click, and nothing else: that may be ambiguous."""
        alone = self.mask is None and self.correcting is None and len(self.boxes) + len(self.points) == 1
        return alone and bool(self.point_labels.all())


@dataclass(frozen=True)
class Prediction:
    """The answer for one object on one network input.

    Attributes
    ----------
    logits
        Mask logits, float32 ``[1, 1, h, w]`` over the whole network input, at the network's own output resolution.
    iou
        Predicted IoU with the truth, 0..1, of the mask above 0.
    objectness
        Probability that the object is on this frame, 0..1.
    pointer
        Object pointer ``[1, C]``, or ``None`` for networks without one.
    conditioned
        Conditioned coarsest features ``[1, C, h, w]``, or ``None``; for memory encoders that want them.
    threshold
        Logit above which a pixel belongs to the mask that is shown.
    threshold_in_boxes
        The same inside of boxes, if it is another one there.
    readings
        What an ambiguous prompt may mean, mask logits ``[1, 1, h', w']`` of the thing that it is on: first what the
        answer was made of, then others; empty where the prompt is clear, or the network offers no others.
    """

    logits: Tensor
    iou: float
    objectness: float
    pointer: Tensor | None = None
    conditioned: Tensor | None = None
    threshold: float = 0.0
    threshold_in_boxes: float | None = None
    readings: tuple[Tensor, ...] = ()

    @property
    def confidence(self) -> float:
        """Predicted IoU times objectness, 0..1: what the self-sorting memory bank ranks by."""
        return self.iou * self.objectness


@dataclass(frozen=True, eq=False)
class Memory:
    """What the memory encoder makes of one segmented frame. Opaque outside its own network.

    Attributes
    ----------
    tokens
        Named tensors, each with leading axis 1 (spatial memory, its positions, object pointer, ...).
    """

    tokens: dict[str, Tensor]

    @property
    def nbytes(self) -> int:
        """Memory that it takes, in bytes."""
        return sum(t.nbytes for t in self.tokens.values())

    def to(self, device: torch.device) -> Memory:
        """The same memory on a device; what moves becomes float32, which every network takes."""
        if all(_is_on(token, device) for token in self.tokens.values()):
            return self
        return Memory({name: _moved(token, device) for name, token in self.tokens.items()})

    def leave(self) -> None:
        """Hold the same numbers on the CPU from now on, for all who share this memory: banks, and what undo keeps."""
        self.tokens.update(self.to(torch.device("cpu")).tokens)


@dataclass(frozen=True, eq=False)
class AdaptationSet:
    """What a network adapts to one object on: the frame whose mask the user drew, and views made from it.

    Attributes
    ----------
    image, mask
        The network input around the object, float32 ``[1, 3, S, S]`` in 0..1, and its mask ``[1, 1, S, S]`` in 0..1.
    views
        What another frame might show, float32 ``[N, 3, S, S]`` in 0..1.
    view_masks
        The object's masks on the views, float32 ``[N, 1, S, S]`` of 0 and 1; all 0 where it is gone.
    view_weights
        1 where a pixel of a view counts in the loss, else 0, float32 ``[N, 1, S, S]``.
    mode
        In a stack the views are like slices beside this one, in a flow like other images.
    """

    image: Tensor
    mask: Tensor
    views: Tensor
    view_masks: Tensor
    view_weights: Tensor
    mode: Mode

    def to(self, device: torch.device) -> AdaptationSet:
        """The same frame and views on a device."""
        return replace(
            self,
            image=self.image.to(device),
            mask=self.mask.to(device),
            views=self.views.to(device),
            view_masks=self.view_masks.to(device),
            view_weights=self.view_weights.to(device),
        )


@dataclass(frozen=True, eq=False)
class Adaptation:
    """What a network learned about one object: the parameters that replace its own, by name."""

    parameters: Mapping[str, Tensor]

    def to(self, device: torch.device) -> Adaptation:
        """The same parameters on a device; those that move become float32, which every network takes."""
        if all(_is_on(value, device) for value in self.parameters.values()):
            return self
        return Adaptation({name: _moved(value, device) for name, value in self.parameters.items()})

    @staticmethod
    def mean(several: Sequence[Adaptation]) -> Adaptation | None:
        """The mean of several adaptations of one network, parameter by parameter; ``None`` where there are none."""
        if len(several) < 2:
            return several[0] if several else None
        names = several[0].parameters
        return Adaptation({name: torch.stack([one.parameters[name] for one in several]).mean(0) for name in names})


@dataclass(frozen=True)
class Recall:
    """One memory as the bank picked it up for the current frame.

    Attributes
    ----------
    memory
        The memory itself.
    weight
        Share of attention, relative to equal shares: 1 for all is plain SAM 2 attention. The networks add
        ``log(weight)`` to the attention logits of this memory's tokens. Positive.
    offset
        Frames since this memory **in the direction of the run**, negative if it lies ahead; ``None`` where order means
        nothing (flow).
    pinned
        True for the memory of a prompted frame (SAM 2's "conditioning frame").
    slot
        SAM 2's temporal slot for an unprompted memory: 1 for the nearest, 2 for the next, ...; ``None`` if pinned or in
        a flow.
    spatial
        False if only the object pointer is recalled, not the spatial memory.
    adaptation
        What the network learned from this frame, where the user drew its mask; for frames without prompts.
    """

    memory: Memory
    weight: float = 1.0
    offset: int | None = None
    pinned: bool = False
    slot: int | None = None
    spatial: bool = True
    adaptation: Adaptation | None = None


class SegmentationNetwork(nn.Module, ABC):
    """A promptable network with memory: SAM 2 and its descendants, and the bundled model."""

    #: Side ``S`` of the network input, in pixels.
    image_size: int
    #: Side for windows around one object, where that may be smaller; ``None``: the same.
    region_size: int | None = None
    #: A frame with a box is also looked at this many times as finely, and the answers are averaged.
    box_detail: float = 1.0
    #: Whether a box around what was found after clicks makes that better, in a window.
    boxes_clicked: bool = False
    #: Side at which a frame with prompts is also shown to the image encoder; ``None``: it is not.
    fine_size: int | None = None
    #: In a flow, the confidence, 0..1, from which a self-sorting bank that has room takes an answer in.
    least_remembered: float = 0.5
    #: Whether the network has a use for the neighbouring slice: ``neighbour_mask`` and ``neighbour_image``.
    uses_neighbour: bool = False
    #: Whether the network learns from a mask that was drawn: see :meth:`adapt`.
    adapts: bool = False
    #: Run the session's methods in this precision where that is safe; ``None``: in that of the weights.
    autocast: torch.dtype | None = None

    @abstractmethod
    def encode_image(self, image: Tensor, mode: Mode = "stack", *, fine: Tensor | None = None) -> ImageFeatures:
        """Encode one network input, float32 ``[1, 3, S, S]`` in 0..1 (the network normalises it itself).

        Parameters
        ----------
        mode
            Of the sequence that it is from.
        fine
            The same at :attr:`fine_size` pixels a side, where the frame has prompts and the network asks for that.
        """

    @abstractmethod
    def segment(
        self,
        features: ImageFeatures,
        prompts: PromptTensors | None,
        recalls: Sequence[Recall],
        *,
        mode: Mode,
        neighbour_mask: Tensor | None = None,
        neighbour_image: Tensor | None = None,
        n_frames: int = 1,
    ) -> Prediction:
        """Segment one object.

        Parameters
        ----------
        features
            Of the current network input.
        prompts
            The object's prompts on this frame, or ``None``.
        recalls
            What the memory bank picked up; empty on the first prompted frame.
        mode
            A stack (neighbours in time or space) or a flow (unrelated images).
        neighbour_mask
            Mask probabilities of the neighbouring slice in this input's pixels, float32 ``[1, 1, S, S]``, or ``None``.
            Networks without a use for it ignore it.
        neighbour_image
            What the neighbouring slice looks like there, float32 ``[1, 3, S, S]`` in 0..1, or ``None``.
        n_frames
            Length of the sequence; SAM 2's pointer time code depends on it.
        """

    @abstractmethod
    def encode_memory(self, features: ImageFeatures, prediction: Prediction, mask: Tensor, *, prompted: bool) -> Memory:
        """Remember a segmented frame.

        Parameters
        ----------
        features, prediction
            Of that frame.
        mask
            The mask to remember as logits, float32 ``[1, 1, S, S]``.
        prompted
            True if the frame has a prompt (SAM 2 then remembers the binary mask).
        """

    def adapt(self, adaptation_set: AdaptationSet) -> Adaptation | None:
        """Adapt to one object, from a frame whose mask was drawn; ``None`` from networks that cannot.

        The network itself stays as it is: what was learned is given back to it with :attr:`Recall.adaptation`.
        """
        return None


def _is_on(tensor: Tensor, device: torch.device) -> bool:
    """Whether a tensor is on a device; one without a number is the current one of its kind, the only one in use."""
    return tensor.device.type == device.type and device.index in (None, tensor.device.index)


def _moved(tensor: Tensor, device: torch.device) -> Tensor:
    return tensor.to(device, torch.float32) if tensor.is_floating_point() else tensor.to(device)


def no_prompts(device: torch.device | str = "cpu") -> dict[str, Any]:
    """Empty tensors for :class:`PromptTensors`, for callers that fill in some of them."""
    return {
        "points": torch.zeros((0, 2), device=device),
        "point_labels": torch.zeros((0,), dtype=torch.int64, device=device),
        "boxes": torch.zeros((0, 4), device=device),
    }

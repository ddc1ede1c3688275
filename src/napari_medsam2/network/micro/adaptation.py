"""The bundled network adapted to one object: its decoder learns from a frame whose mask the user drew.

Adapting a network to the first mask of a video is the idea of OSVOS (Caelles et al. 2017, arXiv 1611.05198), making the
views for it from that one frame that of Lucid data dreaming (Khoreva et al. 2017, arXiv 1703.09554). What changes here
is little, and for this object alone: what the mask decoder does at its finest two resolutions, in a few small steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

from ...types import Mode
from ..interface import Adaptation, AdaptationSet
from ..losses import dice_loss
from ..resample import resize
from .decoder import CoarseAnswer, FineLayers, MaskDecoder
from .encoder import MicroFeatures

STEPS = 12


@dataclass(frozen=True)
class AdaptationSchedule:
    """How fast the decoder adapts: ``batch`` views a step, and Adam's learning ``rate``."""

    batch: int
    rate: float


SCHEDULES: Mapping[Mode, AdaptationSchedule] = {
    "stack": AdaptationSchedule(batch=8, rate=5e-5),
    "flow": AdaptationSchedule(batch=4, rate=2e-4),
}


def adapt_decoder(
    decoder: MaskDecoder, features: MicroFeatures, coarse: CoarseAnswer, adaptation_set: AdaptationSet
) -> Adaptation:
    """Adapt the finest layers of a decoder to one object, on views of its frame.

    With all of the decoder, what is learned depends far more on which views there happen to be.

    The encoder and the memory stay as they are, so features and memories made before stay valid.

    Parameters
    ----------
    decoder
        The network's own; it is not changed.
    features, coarse
        Of the views: image features, and the decoder's answer at strides 8 and 4 with the memory of the drawn frame,
        which in a stack is also the neighbouring slice.
    adaptation_set
        The views with their masks.
    """
    given = adaptation_set
    layers = fit_fine_layers(
        decoder, features, coarse, given.view_masks, given.view_weights, mode=given.mode, steps=STEPS
    )
    return Adaptation({name: value.detach() for name, value in layers.named_parameters()})


def fit_fine_layers(
    decoder: MaskDecoder,
    features: MicroFeatures,
    coarse: CoarseAnswer,
    masks: Tensor,
    weights: Tensor,
    *,
    mode: Mode,
    steps: int,
    on_step: Callable[[], None] = lambda: None,
) -> FineLayers:
    """Copies of a decoder's finest layers that make masks ``[N, 1, S, S]`` of features and coarse answers.

    Parameters
    ----------
    weights
        Of the masks' pixels, of their shape.
    mode
        How fast it learns, see :data:`SCHEDULES`.
    steps
        Of Adam; each on some of the ``N``.
    on_step
        Called after each step.
    """
    layers = FineLayers(decoder).requires_grad_()
    schedule = SCHEDULES[mode]
    optimiser = torch.optim.Adam(layers.parameters(), lr=schedule.rate)
    drawn = torch.Generator().manual_seed(0)
    for _ in range(steps):
        chosen = torch.randperm(len(masks), generator=drawn)[: schedule.batch].to(masks.device)
        logits, _ = decoder.fine(_chosen(features, chosen), _chosen(coarse, chosen), layers)
        loss = adaptation_loss(logits, masks[chosen], weights[chosen])
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(layers.parameters(), 1.0)
        optimiser.step()
        on_step()
    return layers


def adapted_layers(decoder: MaskDecoder, adaptation: Adaptation) -> FineLayers:
    """The finest layers of a decoder as they were adapted to an object; the decoder stays as it is."""
    layers = FineLayers(decoder).requires_grad_(False)
    layers.load_state_dict(adaptation.parameters)
    return layers


_Maps = TypeVar("_Maps", MicroFeatures, CoarseAnswer)


def _chosen(maps: _Maps, which: Tensor) -> _Maps:
    """The entries of a batch that ``which`` numbers."""
    return type(maps)(*(tensor[which] for tensor in vars(maps).values()))


def adaptation_loss(logits: Tensor, masks: Tensor, weights: Tensor) -> Tensor:
    """Cross-entropy where the weights are 1, plus the Dice loss of those views that have the object.

    Logits ``[B, 1, S/2, S/2]``; masks and weights ``[B, 1, S, S]`` in 0..1; the loss is a scalar.
    """
    height, width = masks.shape[-2:]
    logits = resize(logits, (height, width))
    entropy = F.binary_cross_entropy_with_logits(logits, masks, reduction="none") * weights
    return (entropy.mean((1, 2, 3)) + dice_loss(logits, masks)).mean()

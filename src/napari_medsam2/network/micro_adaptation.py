"""The bundled network adapted to one object: its decoder learns from a frame whose mask the user drew.

Adapting a network to the first mask of a video is the idea of OSVOS (Caelles et al. 2017, arXiv 1611.05198), making the
views for it from that one frame that of Lucid data dreaming (Khoreva et al. 2017, arXiv 1703.09554). What changes here
is little, and for this object alone: what the mask decoder does at its finest two resolutions, in a few small steps.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

from .interface import Adaptation, Lesson
from .micro_decoder import CoarseAnswer
from .micro_encoder import MicroFeatures
from .micro_memory import MicroMemory
from .prompt_maps import draw_previous_image, prompt_maps
from .resample import resize

if TYPE_CHECKING:
    from .micro import MicroNetwork

STEPS = 12
#: What learns of the decoder. With all of it, what is learned depends far more on which views there happen to be.
LEARNING = ("out4", "up2", "skip2", "out2")


@dataclass(frozen=True)
class Course:
    """How fast it learns: ``batch`` views a step, and Adam's learning ``rate``."""

    batch: int
    rate: float


STACK, FLOW = Course(batch=8, rate=5e-5), Course(batch=4, rate=2e-4)


def adapt_decoder(network: MicroNetwork, lesson: Lesson) -> Adaptation:
    """Learn to find an object on views of its frame, with the memory of that frame, in a stack as the slice beside it.

    The encoder and the memory stay as they are, so features and memories that are there stay valid.
    """
    decoder = copy.deepcopy(network.decoder).requires_grad_(False)
    learning = {name: value for name, value in decoder.named_parameters() if name.split(".")[0] in LEARNING}
    for value in learning.values():
        value.requires_grad_()
    course = STACK if lesson.ordered else FLOW
    optimiser = torch.optim.Adam(learning.values(), lr=course.rate)
    drawn = torch.Generator().manual_seed(0)
    features, coarse = _seen(network, lesson)
    for _ in range(STEPS):
        chosen = torch.randperm(len(lesson.views), generator=drawn)[: course.batch].to(lesson.views.device)
        logits, _ = decoder.fine(_chosen(features, chosen), _chosen(coarse, chosen))
        loss = _loss(logits, lesson.wanted[chosen], lesson.counts[chosen])
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learning.values(), 1.0)
        optimiser.step()
    return Adaptation({name: value.detach() for name, value in learning.items()})


@torch.no_grad()
def _seen(network: MicroNetwork, lesson: Lesson) -> tuple[MicroFeatures, CoarseAnswer]:
    """What does not change while it learns: the features of the views, and what the decoder makes of them first."""
    count = len(lesson.views)
    shown, _ = network.encode(lesson.image)
    features, _ = network.encode(lesson.views)
    own = network.memory.remember(shown, lesson.mask)
    memory = MicroMemory(*(tensor.expand(count, *tensor.shape[1:]) for tensor in own.tensors()))
    before, side, device = lesson.mask if lesson.ordered else None, shown.s2.shape[-1], lesson.mask.device
    maps = prompt_maps(None, before, ordered=lesson.ordered, side=side, device=device).expand(count, -1, -1, -1)
    if lesson.ordered:
        maps = draw_previous_image(maps, features.grey, shown.grey.expand(count, -1, -1, -1))
    score, read = network.read_memory(features, memory, maps.new_ones(count, 1), lesson.ordered)
    return features, network.decoder.coarse(features, maps, score, read)


_Maps = TypeVar("_Maps", MicroFeatures, CoarseAnswer)


def _chosen(maps: _Maps, which: Tensor) -> _Maps:
    """Some of a batch."""
    return type(maps)(*(tensor[which] for tensor in vars(maps).values()))


def _loss(logits: Tensor, wanted: Tensor, counts: Tensor) -> Tensor:
    """Cross-entropy, and the Dice of those views that have the object."""
    height, width = wanted.shape[-2:]
    logits = resize(logits, (height, width))
    entropy = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none") * counts
    return (entropy.mean((1, 2, 3)) + dice_loss(logits, wanted)).mean()


def dice_loss(logits: Tensor, target: Tensor) -> Tensor:
    """One minus the soft Dice of logits ``[B, 1, H, W]`` with a target in 0..1, ``[B]``; 0 where that is empty."""
    present = (target.sum((1, 2, 3)) > 0).float()
    return soft_dice_loss(logits.sigmoid(), target, 1.0) * present


def soft_dice_loss(shown: Tensor, target: Tensor, forgiven: float) -> Tensor:
    """One minus the Dice of probabilities ``[B, N, H, W]`` with a target, ``[B]``.

    ``forgiven`` pixels of overlap come for nothing.
    """
    overlap = (shown * target).sum((1, 2, 3))
    total = shown.sum((1, 2, 3)) + target.sum((1, 2, 3))
    return 1 - (2 * overlap + forgiven) / (total + forgiven)

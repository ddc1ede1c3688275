"""How far an answer is to be believed: does what was found on this image find the template again?

The regression is fitted on the answer and asked about the template, whose mask is known (the idea of RevSAM2, Wang et
al. 2024, arXiv 2409.04298, with one regression in place of the whole network).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from .blocks import pooled, soft_dice
from .encoder import MicroFeatures
from .memory import MemoryReader

#: Under which a memory keeps the features and the mask of its frame, if that is a template.
MATCH, MASK = "template_match", "template_mask"


def as_template(features: MicroFeatures, mask: Tensor) -> dict[str, Tensor]:
    """What is kept of a frame with a known mask ``[1, 1, S, S]`` in 0..1, to check answers by."""
    return {MATCH: features.match, MASK: pooled(mask, features.match)}


def found_again(
    reader: MemoryReader, features: MicroFeatures, probability: Tensor, memories: Sequence[Mapping[str, Tensor]]
) -> float | None:
    """Soft Dice, 0..1, of the templates' masks and what an answer finds on them; their mean, ``None`` without any.

    Parameters
    ----------
    reader
        Fits the regression.
    features, probability
        Of the current frame, and its answer ``[1, 1, S, S]`` in 0..1.
    memories
        Tokens of what was recalled.
    """
    templates = [(tokens[MATCH], tokens[MASK]) for tokens in memories if MASK in tokens]
    if not templates:
        return None
    match, mask = (torch.cat(tensors) for tensors in zip(*templates, strict=True))
    found = (4.0 * reader.own_score(match, features.match, probability)).sigmoid()
    return float(soft_dice(found, mask).mean())

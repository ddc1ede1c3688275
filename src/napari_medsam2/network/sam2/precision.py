"""SAM 2 in bfloat16 on CPUs: its weights are held in it, where other devices convert them on each frame (autocast)."""

from __future__ import annotations

import torch
from torch import nn

from .network import Sam2


def into_bfloat16(network: Sam2) -> None:
    """Hold what does nearly all of the work in bfloat16: image encoder, memory attention and memory encoder.

    The decoder, prompts and pointers stay in float32, and so do normalisations.
    """
    for part in (network.image_encoder, network.memory_attention, network.memory_encoder):
        for layer in part.modules():
            if isinstance(layer, nn.Linear | nn.Conv2d):
                layer.to(torch.bfloat16)


def working_dtype(network: Sam2) -> torch.dtype:
    """What nearly all of the work is done in."""
    return network.autocast or network.memory_encoder.out_proj.weight.dtype

"""Resizing maps of tensors where every device can do it."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def resize(x: Tensor, size: tuple[int, int], mode: str = "bilinear", *, antialias: bool = False) -> Tensor:
    """Resize maps ``[B, C, H, W]`` to ``size``, with half-pixel centres; same device and dtype.

    Bicubic and antialiased resizing came to Apple's GPUs late (pytorch/pytorch#77764, #141287), so these go by the CPU
    there: the maps are small.
    """
    if tuple(x.shape[-2:]) == size:
        return x
    if x.device.type == "mps" and (antialias or mode == "bicubic"):
        return F.interpolate(x.cpu(), size=size, mode=mode, antialias=antialias).to(x.device)
    return F.interpolate(x, size=size, mode=mode, antialias=antialias)

"""The bundled network's image encoder, and what it is given: colours, grey values, local contrast."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .blocks import GlobalAttention, ResidualBlock, down, up


@dataclass(frozen=True)
class MicroFeatures:
    """Image features of a batch: ``s2``, ``s4``, ``s8`` maps, ``match`` ``[B, match_dim + 1, H/4, W/4]``, the grey
    values ``[B, 1, H/2, W/2]``; and of pretrained networks, without channels where unused, ``prior``
    ``[B, 2 * prior_dim + 1, H/4, W/4]`` for matching and ``embedding`` ``[B, C, h, w]`` for outlines."""

    s2: Tensor
    s4: Tensor
    s8: Tensor
    match: Tensor
    grey: Tensor
    prior: Tensor
    embedding: Tensor


def grey_of(image: Tensor) -> Tensor:
    """Grey values of images ``[B, 3, S, S]`` in 0..1 as the decoder sees them: ``[B, 1, S/2, S/2]``, about -2..2."""
    return F.avg_pool2d((image.mean(1, keepdim=True) - 0.5) / 0.25, 2)


def local_contrast(image: Tensor) -> Tensor:
    """Grey values relative to their surroundings, ``[B, 1, S, S]``: walls and edges, whatever the shading around them.

    Mean and spread are taken over about three sixteenths of the frame.
    """
    grey = image.mean(1, keepdim=True)
    block = max(image.shape[-1] // 16, 1)
    moments = F.avg_pool2d(torch.cat([grey, grey.square()], 1), block)
    moments = F.avg_pool2d(moments, 3, stride=1, padding=1, count_include_pad=False)
    mean, square = F.interpolate(moments, size=grey.shape[-2:], mode="bilinear", align_corners=False).split(1, 1)
    spread = (square - mean.square()).clamp(min=0).sqrt()
    scale = spread + 0.2 * spread.mean((2, 3), keepdim=True) + 0.01
    return torch.div(grey - mean, scale)


class Trunk(nn.Module):
    """Image encoder: strides 2 to 16 with global attention at the coarsest, then a feature pyramid back to stride 2."""

    def __init__(self, widths: tuple[int, int, int, int]) -> None:
        super().__init__()
        w2, w4, w8, w16 = widths
        self.stage2 = nn.Sequential(down(4, w2), ResidualBlock(w2))
        self.stage4 = nn.Sequential(down(w2, w4), ResidualBlock(w4), ResidualBlock(w4))
        self.stage8 = nn.Sequential(down(w4, w8), ResidualBlock(w8), ResidualBlock(w8))
        self.stage16 = nn.Sequential(
            down(w8, w16), ResidualBlock(w16), GlobalAttention(w16), ResidualBlock(w16), GlobalAttention(w16)
        )
        self.to8 = nn.Conv2d(w16, w8, 1)
        self.to4 = nn.Conv2d(w8, w4, 1)
        self.to2 = nn.Conv2d(w4, w2, 1)
        self.smooth8 = ResidualBlock(w8)
        self.smooth4 = ResidualBlock(w4)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features of images ``[B, 4, S, S]`` (colours and local contrast) at strides 2, 4 and 8, ``[B, C, S/2, S/2]``
        and so on."""
        x2 = self.stage2(image)
        x4 = self.stage4(x2)
        x8 = self.stage8(x4)
        x16 = self.stage16(x8)
        f8 = self.smooth8(x8 + up(self.to8(x16)))
        f4 = self.smooth4(x4 + up(self.to4(f8)))
        f2 = x2 + up(self.to2(f4))
        return f2, f4, f8

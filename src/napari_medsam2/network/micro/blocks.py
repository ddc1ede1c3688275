"""The layers that the bundled network is built of, and maps brought to other sizes."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def norm(channels: int) -> nn.GroupNorm:
    """Group normalisation of maps ``[B, C, H, W]``, eight channels a group."""
    return nn.GroupNorm(max(1, channels // 8), channels)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with a shortcut, on maps ``[B, C, H, W]``: conv-norm-act-conv-norm, add, act."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm1 = norm(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm2 = norm(channels)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norm1(self.conv1(x)))
        return F.relu(x + self.norm2(self.conv2(y)))


def down(inputs: int, outputs: int) -> nn.Sequential:
    """Maps ``[B, C, H, W]`` to half their sides."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False), norm(outputs), nn.ReLU())


class GlobalAttention(nn.Module):
    """One transformer block over all positions of a small map ``[B, C, H, W]``; it has no code of positions, which come
    from the convolutions around it."""

    def __init__(self, channels: int, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(channels)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)
        self.norm2 = nn.LayerNorm(channels)
        self.mlp = nn.Sequential(nn.Linear(channels, 2 * channels), nn.GELU(), nn.Linear(2 * channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        t = x.flatten(2).transpose(1, 2)
        q, k, v = self.qkv(self.norm1(t)).view(b, h * w, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        a = F.scaled_dot_product_attention(q, k, v)
        t = t + self.proj(a.transpose(1, 2).reshape(b, h * w, c))
        t = torch.add(t, self.mlp(self.norm2(t)))
        return t.transpose(1, 2).reshape(b, c, h, w)


def up(x: Tensor) -> Tensor:
    """Maps ``[B, C, H, W]`` to twice their sides, bilinear."""
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


def pooled(mask: Tensor, like: Tensor) -> Tensor:
    """A mask ``[B, 1, H, W]`` averaged down to the resolution of a feature map."""
    return F.adaptive_avg_pool2d(mask, (like.shape[-2], like.shape[-1]))


def soft_dice(a: Tensor, b: Tensor) -> Tensor:
    """Soft Dice of two masks ``[B, 1, H, W]``, ``[B, 1]``."""
    return 2 * (a * b).sum((2, 3)) / (a.square().sum((2, 3)) + b.square().sum((2, 3)) + 1.0)

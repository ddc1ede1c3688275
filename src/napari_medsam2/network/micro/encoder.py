"""What the bundled network is built of, and its image encoder."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...errors import ConfigError


@dataclass(frozen=True)
class MicroConfig:
    """Sizes of the network. Saved with the weights, so that a file says what it is.

    Attributes
    ----------
    image_size
        Side of the network input in pixels for whole frames; a multiple of 16. The network takes any such size.
    region_size
        The same for windows around one object.
    widths
        Channels at strides 2, 4, 8, 16.
    match_dim
        Dimensions of the pixel features that the ridge regression works on.
    heads, head_dim
        Of the cosine attention to memory.

    Raises
    ------
    ConfigError
        If a size is no positive number, or the input cannot be halved four times.
    """

    image_size: int = 256
    region_size: int = 128
    widths: tuple[int, int, int, int] = (24, 48, 80, 128)
    match_dim: int = 32
    heads: int = 4
    head_dim: int = 16

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            several = name == "widths"
            sizes = value if several and isinstance(value, tuple) else (value,)
            if not all(type(size) is int and size > 0 for size in sizes) or len(sizes) != (4 if several else 1):
                right = "four positive whole numbers" if several else "a positive whole number"
                raise ConfigError(f"{name} of the micro network must be {right}; got {value!r}")
        for name in ("image_size", "region_size"):
            if getattr(self, name) % 16:
                raise ConfigError(f"{name} of the micro network must be a multiple of 16; got {getattr(self, name)}")


@dataclass(frozen=True)
class MicroFeatures:
    """Image features of a batch: ``s2``, ``s4``, ``s8`` maps, ``match`` ``[B, match_dim + 1, H/4, W/4]``, and the grey
    values ``[B, 1, H/2, W/2]``."""

    s2: Tensor
    s4: Tensor
    s8: Tensor
    match: Tensor
    grey: Tensor


def pooled(mask: Tensor, like: Tensor) -> Tensor:
    """A mask ``[B, 1, H, W]`` averaged down to the resolution of a feature map."""
    return F.adaptive_avg_pool2d(mask, (like.shape[-2], like.shape[-1]))


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

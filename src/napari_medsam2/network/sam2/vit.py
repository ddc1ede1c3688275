"""EfficientTAM's image encoder (Xiong et al. 2024, arXiv 2411.18933): a plain ViT with a few global blocks.

The trunk is that of ViTDet (Li et al. 2022, arXiv 2203.16527): all blocks at stride 16, most of them in windows.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...errors import ConfigError
from .attention import MLP, ChannelNorm, attend
from .config import Sam2Config, VitConfig
from .position import stretch
from .windows import in_windows, with_cells_beyond


class _Attention(nn.Module):
    def __init__(self, dim: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads = heads
        self.window = window
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """``[B, H, W, dim]`` to the same shape."""
        out: Tensor = self.proj(in_windows(self.qkv(x), self.window, self._attend))
        return out

    def _attend(self, qkv: Tensor, missing: int) -> Tensor:
        """Windows ``[n, h, w, 3 * dim]``, which lack so many cells, to what their cells attend to."""
        q, k, v = qkv.chunk(3, dim=-1)
        height, width = q.shape[1:3]
        q, k, v = (y.flatten(1, 2).unflatten(-1, (self.heads, -1)).transpose(1, 2) for y in (q, k, v))
        k, v, bias = with_cells_beyond(k, v, self.qkv.bias, missing)
        attended: Tensor = attend(q, k, v, bias).transpose(1, 2).flatten(2).unflatten(1, (height, width))
        return attended


class _Block(nn.Module):
    """One transformer block. Window 0 is global."""

    def __init__(self, dim: int, heads: int, window: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = _Attention(dim, heads, window)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = MLP((dim, 4 * dim, dim), F.gelu)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        out: Tensor = x + self.mlp(self.norm2(x))
        return out


class _PatchEmbedding(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, dim, kernel_size=16, stride=16)

    def forward(self, images: Tensor) -> Tensor:
        images = images.to(self.proj.weight.dtype).contiguous(memory_format=torch.channels_last)
        patches: Tensor = self.proj(images)
        return patches.permute(0, 2, 3, 1)


class PlainVit(nn.Module):
    """The trunk: blocks of one width at stride 16."""

    def __init__(self, config: VitConfig) -> None:
        super().__init__()
        self.patch_embed = _PatchEmbedding(config.dim)
        # The first place is that of a class token from pretraining, which is not used.
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + config.position_side**2, config.dim))
        self.blocks = nn.ModuleList(
            _Block(config.dim, config.heads, 0 if i in config.global_blocks else config.window)
            for i in range(config.depth)
        )

    def forward(self, images: Tensor) -> Tensor:
        """``[B, 3, S, S]`` to one map ``[B, dim, S / 16, S / 16]``."""
        x = self.patch_embed(images)
        x = x + self.position(x.shape[1], x.shape[2]).to(x.dtype)
        for block in self.blocks:
            x = block(x)
        out: Tensor = x.permute(0, 3, 1, 2)
        return out

    def position(self, height: int, width: int) -> Tensor:
        """The position code stretched to a grid of patches, ``[1, H, W, dim]``; that of the class token is left out."""
        side = math.isqrt(self.pos_embed.shape[1] - 1)
        grid = self.pos_embed[:, 1:].unflatten(1, (side, side)).permute(0, 3, 1, 2)
        return stretch(grid, height, width)


class _Project(nn.Module):
    """To the channels of the other parts: 1x1 and 3x3 convolutions, each followed by a normalisation."""

    def __init__(self, channels: int, dim: int) -> None:
        super().__init__()
        self.conv_1x1 = nn.Conv2d(channels, dim, kernel_size=1, bias=False)
        self.norm_0 = ChannelNorm(dim)
        self.conv_3x3 = nn.Conv2d(dim, dim, kernel_size=3, padding=1, bias=False)
        self.norm_1 = ChannelNorm(dim)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.norm_1(self.conv_3x3(self.norm_0(self.conv_1x1(x))))
        return out


class _Neck(nn.Module):
    def __init__(self, channels: int, dim: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList([_Project(channels, dim)])

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.convs[0](x)
        return out


class PlainImageEncoder(nn.Module):
    """Trunk and neck.

    Raises
    ------
    ConfigError
        If the configuration is that of a Hiera trunk.
    """

    def __init__(self, config: Sam2Config) -> None:
        super().__init__()
        if config.vit is None:
            raise ConfigError("a plain image encoder needs the sizes of its ViT; this configuration is of a Hiera")
        self.trunk = PlainVit(config.vit)
        self.neck = _Neck(config.vit.dim, config.dim)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Normalised images ``[B, 3, S, S]`` to one map ``[B, dim, S / 16, S / 16]``; there are no finer ones."""
        return (self.neck(self.trunk(images)),)

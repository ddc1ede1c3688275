"""The image encoder: Hiera trunk (Ryali et al. 2023, as used in SAM 2) and feature pyramid neck (Lin et al. 2017)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..resample import resize
from .attention import MLP, attend
from .config import Sam2Config


def _pool(x: Tensor) -> Tensor:
    """Largest of each 2 x 2 neighbours, ``[B, H, W, C]`` to ``[B, H / 2, W / 2, C]``."""
    rows = torch.maximum(*x.unflatten(1, (-1, 2)).unbind(2))
    return torch.maximum(*rows.unflatten(2, (-1, 2)).unbind(3))


def to_windows(x: Tensor, side: int) -> Tensor:
    """``[B, H, W, C]`` to windows ``[B * n, side, side, C]``; zeros fill up below and to the right."""
    _, height, width, _ = x.shape
    below, right = -height % side, -width % side
    if below or right:
        x = F.pad(x, (0, 0, 0, right, 0, below))
    windows: Tensor = x.unflatten(2, (-1, side)).unflatten(1, (-1, side)).transpose(2, 3).flatten(0, 2)
    return windows


def from_windows(windows: Tensor, height: int, width: int) -> Tensor:
    """The inverse of :func:`to_windows` for a map of ``height`` by ``width``."""
    side = windows.shape[1]
    rows, columns = -(-height // side), -(-width // side)
    x: Tensor = windows.unflatten(0, (-1, rows, columns)).transpose(2, 3).flatten(3, 4).flatten(1, 2)
    return x[:, :height, :width]


class _WindowAttention(nn.Module):
    def __init__(self, dim: int, dim_out: int, heads: int, *, pooled: bool) -> None:
        super().__init__()
        self.heads = heads
        self.pooled = pooled
        self.qkv = nn.Linear(dim, 3 * dim_out)
        self.proj = nn.Linear(dim_out, dim_out)

    def forward(self, x: Tensor) -> Tensor:
        """``[B, H, W, dim]`` to ``[B, H, W, dim_out]``, half the height and width if pooled."""
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        if self.pooled:
            q = _pool(q)
        height, width = q.shape[1:3]
        q, k, v = (y.flatten(1, 2).unflatten(-1, (self.heads, -1)).transpose(1, 2) for y in (q, k, v))
        out: Tensor = self.proj(attend(q, k, v).transpose(1, 2).flatten(2)).unflatten(1, (height, width))
        return out


class _Block(nn.Module):
    """One transformer block; where the channels grow the map is pooled to half its size. Window 0 is global."""

    def __init__(self, dim: int, dim_out: int, heads: int, window: int) -> None:
        super().__init__()
        self.grows = dim != dim_out
        self.window = window
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = _WindowAttention(dim, dim_out, heads, pooled=self.grows)
        self.norm2 = nn.LayerNorm(dim_out, eps=1e-6)
        self.mlp = MLP((dim_out, 4 * dim_out, dim_out), F.gelu)
        if self.grows:
            self.proj = nn.Linear(dim, dim_out)

    def forward(self, x: Tensor) -> Tensor:
        normed = self.norm1(x)
        shortcut = _pool(self.proj(normed)) if self.grows else x
        if self.window:
            attended = from_windows(self.attn(to_windows(normed, self.window)), *shortcut.shape[1:3])
        else:
            attended = self.attn(normed)
        x = shortcut + attended
        out: Tensor = x + self.mlp(self.norm2(x))
        return out


class _PatchEmbedding(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, dim, kernel_size=7, stride=4, padding=3)

    def forward(self, images: Tensor) -> Tensor:
        patches: Tensor = self.proj(images)
        return patches.permute(0, 2, 3, 1)


class Hiera(nn.Module):
    """The trunk: four stages at strides 4, 8, 16 and 32."""

    def __init__(self, config: Sam2Config) -> None:
        super().__init__()
        dim, heads = config.embed_dim, config.heads
        side = config.windows[0]
        self.patch_embed = _PatchEmbedding(dim)
        self.pos_embed = nn.Parameter(torch.zeros(1, dim, *config.position_grid))
        self.pos_embed_window = nn.Parameter(torch.zeros(1, dim, side, side))
        self.blocks = nn.ModuleList()
        self.stage_ends: list[int] = []
        for stage, depth in enumerate(config.stages):
            for i in range(depth):
                grows = stage > 0 and i == 0
                # The block that enters a stage still sees the map, and so the windows, of the stage before.
                window = config.windows[stage - 1 if grows else stage]
                if len(self.blocks) in config.global_blocks:
                    window = 0
                if grows:
                    heads *= 2
                self.blocks.append(_Block(dim, 2 * dim if grows else dim, heads, window))
                if grows:
                    dim *= 2
            self.stage_ends.append(len(self.blocks) - 1)

    def forward(self, images: Tensor) -> list[Tensor]:
        """``[B, 3, S, S]`` to four maps ``[B, C, H, W]``, from high to low resolution."""
        x = self.patch_embed(images)
        x = x + self._position(x.shape[1], x.shape[2])
        stages = []
        for i, block in enumerate(self.blocks):
            x = block(x)
            if i in self.stage_ends:
                stages.append(x.permute(0, 3, 1, 2))
        return stages

    def _position(self, height: int, width: int) -> Tensor:
        coarse = resize(self.pos_embed, (height, width), "bicubic")
        side = self.pos_embed_window.shape[-1]
        fine = self.pos_embed_window.tile(1, 1, -(-height // side), -(-width // side))[..., :height, :width]
        return (coarse + fine).permute(0, 2, 3, 1)


class _Lateral(nn.Module):
    def __init__(self, channels: int, dim: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, dim, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(x)
        return out


class Neck(nn.Module):
    """All stages to the same channels; only the third takes up what the coarser fourth saw. The fourth is dropped."""

    def __init__(self, config: Sam2Config) -> None:
        super().__init__()
        channels = [config.embed_dim * 2**stage for stage in range(4)]
        self.convs = nn.ModuleList(_Lateral(c, config.dim) for c in reversed(channels))

    def forward(self, stages: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """The four maps of the trunk to three ``[B, dim, H, W]`` at strides 4, 8 and 16."""
        coarsest, third, second, first = (conv(x) for conv, x in zip(self.convs, reversed(stages), strict=True))
        return first, second, third + F.interpolate(coarsest, scale_factor=2.0, mode="nearest")


class ImageEncoder(nn.Module):
    """Trunk and neck."""

    def __init__(self, config: Sam2Config) -> None:
        super().__init__()
        self.trunk = Hiera(config)
        self.neck = Neck(config)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Normalised images ``[B, 3, S, S]`` to three ``[B, dim, H, W]`` at strides 4, 8 and 16."""
        levels: tuple[Tensor, ...] = self.neck(self.trunk(images))
        return levels

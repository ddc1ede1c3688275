"""The image encoder: Hiera trunk (Ryali et al. 2023, as used in SAM 2) and feature pyramid neck (Lin et al. 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import MLP, attend
from .config import Sam2Config
from .position import stretch
from .windows import in_windows, with_cells_beyond


def _pool(x: Tensor) -> Tensor:
    """Largest of each 2 x 2 neighbours, ``[B, H, W, C]`` to ``[B, H / 2, W / 2, C]``."""
    rows = torch.maximum(*x.unflatten(1, (-1, 2)).unbind(2))
    return torch.maximum(*rows.unflatten(2, (-1, 2)).unbind(3))


class _WindowAttention(nn.Module):
    def __init__(self, dim: int, dim_out: int, heads: int, window: int, *, pooled: bool) -> None:
        super().__init__()
        self.heads = heads
        self.window = window
        self.pooled = pooled
        self.qkv = nn.Linear(dim, 3 * dim_out)
        self.proj = nn.Linear(dim_out, dim_out)

    def forward(self, x: Tensor) -> Tensor:
        """``[B, H, W, dim]`` to ``[B, H, W, dim_out]``, half the height and width if pooled."""
        out: Tensor = self.proj(in_windows(self.qkv(x), self.window, self._attend))
        return out

    def _attend(self, qkv: Tensor, missing: int) -> Tensor:
        """Windows ``[n, h, w, 3 * dim_out]``, which lack so many cells, to what their cells attend to."""
        q, k, v = qkv.chunk(3, dim=-1)
        if self.pooled:
            q = _pool(q)
        height, width = q.shape[1:3]
        q, k, v = (y.flatten(1, 2).unflatten(-1, (self.heads, -1)).transpose(1, 2) for y in (q, k, v))
        k, v, bias = with_cells_beyond(k, v, self.qkv.bias, missing)
        attended: Tensor = attend(q, k, v, bias).transpose(1, 2).flatten(2).unflatten(1, (height, width))
        return attended


class _Block(nn.Module):
    """One transformer block; where the channels grow the map is pooled to half its size. Window 0 is global."""

    def __init__(self, dim: int, dim_out: int, heads: int, window: int) -> None:
        super().__init__()
        self.grows = dim != dim_out
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = _WindowAttention(dim, dim_out, heads, window, pooled=self.grows)
        self.norm2 = nn.LayerNorm(dim_out, eps=1e-6)
        self.mlp = MLP((dim_out, 4 * dim_out, dim_out), F.gelu)
        if self.grows:
            self.proj = nn.Linear(dim, dim_out)

    def forward(self, x: Tensor) -> Tensor:
        normed = self.norm1(x)
        shortcut = _pool(self.proj(normed)) if self.grows else x
        x = shortcut + self.attn(normed)
        out: Tensor = x + self.mlp(self.norm2(x))
        return out


class _PatchEmbedding(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, dim, kernel_size=7, stride=4, padding=3)

    def forward(self, images: Tensor) -> Tensor:
        images = images.to(self.proj.weight.dtype).contiguous(memory_format=torch.channels_last)
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
        x = x + self._position(x.shape[1], x.shape[2]).to(x.dtype)
        stages = []
        for i, block in enumerate(self.blocks):
            x = block(x)
            if i in self.stage_ends:
                stages.append(x.permute(0, 3, 1, 2))
        return stages

    def _position(self, height: int, width: int) -> Tensor:
        side = self.pos_embed_window.shape[-1]
        fine = self.pos_embed_window.tile(1, 1, -(-height // side), -(-width // side))[..., :height, :width]
        return stretch(self.pos_embed, height, width) + fine.permute(0, 2, 3, 1)


class _Lateral(nn.Module):
    def __init__(self, channels: int, dim: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, dim, kernel_size=1)

    def forward(self, x: Tensor, then: nn.Conv2d | None = None) -> Tensor:
        """``then`` is a 1x1 convolution that follows: two of them in a row are one, with far fewer channels between."""
        if then is None:
            out: Tensor = self.conv(x)
            return out
        last = then.get_parameter("weight").flatten(1)
        weight = last @ self.conv.weight.flatten(1).to(last.dtype)
        bias = then.get_parameter("bias") + last @ self.conv.get_parameter("bias").to(last.dtype)
        return F.conv2d(x, weight[..., None, None].to(x.dtype), bias.to(x.dtype))


class Neck(nn.Module):
    """All stages to the same channels; only the third takes up what the coarser fourth saw. The fourth is dropped."""

    def __init__(self, config: Sam2Config) -> None:
        super().__init__()
        channels = [config.embed_dim * 2**stage for stage in range(4)]
        self.convs = nn.ModuleList(_Lateral(c, config.dim) for c in reversed(channels))

    def forward(self, stages: Sequence[Tensor], then: tuple[nn.Conv2d, ...] = ()) -> tuple[Tensor, Tensor, Tensor]:
        """The four maps of the trunk to three at strides 4, 8 and 16.

        Parameters
        ----------
        stages
            Of the trunk.
        then
            1x1 convolutions that follow for the first two maps.

        Returns
        -------
        tuple of Tensor
            ``[B, dim, H, W]`` each, the first two with the channels of ``then``.
        """
        laterals = zip_longest(self.convs, reversed(stages), (None, None, *reversed(then)))
        coarsest, third, second, first = (lateral(x, following) for lateral, x, following in laterals)
        return first, second, third + F.interpolate(coarsest, scale_factor=2.0, mode="nearest")


class ImageEncoder(nn.Module):
    """Trunk and neck."""

    def __init__(self, config: Sam2Config) -> None:
        super().__init__()
        self.trunk = Hiera(config)
        self.neck = Neck(config)

    def forward(self, images: Tensor, then: tuple[nn.Conv2d, ...] = ()) -> tuple[Tensor, ...]:
        """Normalised images ``[B, 3, S, S]`` to three ``[B, dim, H, W]`` at strides 4, 8 and 16.

        ``then`` are 1x1 convolutions of the first two that follow.
        """
        levels: tuple[Tensor, ...] = self.neck(self.trunk(images), then)
        return levels

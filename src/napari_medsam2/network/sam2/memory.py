"""Memory: what becomes of a segmented frame, and how the current frame looks at what is remembered."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import ChannelNorm, Projections, attend
from .config import Sam2Config
from .position import rotated, rotations, sine_code


class _MaskDownsampler(nn.Module):
    """Mask to the resolution of the features: four steps of 2, four times the channels each."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 1
        for _ in range(4):
            layers += [
                nn.Conv2d(channels, 4 * channels, kernel_size=3, stride=2, padding=1),
                ChannelNorm(4 * channels),
                nn.GELU(),
            ]
            channels *= 4
        self.encoder = nn.Sequential(*layers, nn.Conv2d(channels, dim, kernel_size=1))

    def forward(self, mask: Tensor) -> Tensor:
        out: Tensor = self.encoder(mask)
        return out


class _FuserBlock(nn.Module):
    """A ConvNeXt block (Liu et al. 2022)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv2d(dim, dim, kernel_size=7, padding=3, groups=dim)
        self.norm = ChannelNorm(dim)
        self.pwconv1 = nn.Linear(dim, 4 * dim)
        self.pwconv2 = nn.Linear(4 * dim, dim)
        self.gamma = nn.Parameter(torch.full((dim,), 1e-6))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.dwconv(x)).permute(0, 2, 3, 1)
        y = self.gamma.to(y.dtype) * self.pwconv2(F.gelu(self.pwconv1(y)))
        out: Tensor = x + y.permute(0, 3, 1, 2)
        return out


class _Fuser(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(_FuserBlock(dim) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


class MemoryEncoder(nn.Module):
    """Image features and a mask to one spatial memory."""

    def __init__(self, config: Sam2Config) -> None:
        super().__init__()
        self.mask_downsampler = _MaskDownsampler(config.dim)
        self.pix_feat_proj = nn.Conv2d(config.dim, config.dim, kernel_size=1)
        self.fuser = _Fuser(config.dim)
        self.out_proj = nn.Conv2d(config.dim, config.memory_dim, kernel_size=1)

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """Features ``[B, C, H, W]`` and a scaled mask ``[B, 1, 16 H, 16 W]`` to ``[B, memory_dim, H, W]``."""
        dtype = self.out_proj.weight.dtype
        fused = self.fuser(self.pix_feat_proj(features.to(dtype)) + self.mask_downsampler(mask.to(dtype)))
        out: Tensor = self.out_proj(fused)
        return out


@dataclass(frozen=True)
class MemoryTokens:
    """Everything that is recalled for one frame, laid out for memory attention.

    Attributes
    ----------
    spatial, spatial_code
        N spatial memories of L cells and the code of their places: ``[B, N, L, M]``, and a shape that broadcasts to it.
    pointers, pointer_code
        Tokens of the object pointers and their time code: ``[B, P, M]``, and a shape that broadcasts to it.
    bias
        Added to the attention logits of all these tokens, ``[N * L + P]`` or ``[B, N * L + P]``, or ``None``.
    """

    spatial: Tensor
    spatial_code: Tensor
    pointers: Tensor
    pointer_code: Tensor
    bias: Tensor | None = None


class _Keys:
    """Memory tokens flattened once for all layers: spatial first, then pointers, ``[B, N * L + P, M]``.

    ``code`` turns each of them by its place, as :func:`rotations` of the frame's own cells; pointers have none.
    """

    def __init__(self, memory: MemoryTokens, code: Tensor) -> None:
        dtype, unturned = code.dtype, torch.stack((torch.ones_like(code[0, :1]), torch.zeros_like(code[0, :1])))
        turned = code.repeat(1, memory.spatial.shape[1], 1)
        self.code = torch.cat((turned, unturned.expand(-1, memory.pointers.shape[1], -1)), dim=1)
        self.bias = memory.bias
        coded = (memory.spatial + memory.spatial_code).flatten(1, 2), memory.pointers + memory.pointer_code
        self.values = torch.cat((memory.spatial.flatten(1, 2), memory.pointers), dim=1).to(dtype)
        self.keys = torch.cat(coded, dim=1).to(dtype)


class _SelfAttention(Projections):
    """Attention among the cells of the frame, one head, rotary code."""

    def __init__(self, dim: int) -> None:
        super().__init__(dim, dim, 1)

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        """``[B, L, C]`` to the same shape; ``code`` of :func:`rotations`."""
        q, k = rotated(self.q_proj, x, code), rotated(self.k_proj, x, code)
        attended = attend(q[:, None], k[:, None], self.v_proj(x)[:, None])[:, 0]
        out: Tensor = self.out_proj(attended)
        return out


class _MemoryCrossAttention(Projections):
    """Attention from the cells of the frame to memory, one head; pointers have no place and are not rotated."""

    def __init__(self, dim: int, memory_dim: int) -> None:
        super().__init__(dim, dim, 1, memory_dim)

    def forward(self, x: Tensor, memory: _Keys, code: Tensor) -> Tensor:
        """``[B, L, C]`` to the same shape."""
        q = rotated(self.q_proj, x, code)
        k = rotated(self.k_proj, memory.keys, memory.code)
        # Shares of attention add up to one, so the projection of values may wait until after the (narrower) sum.
        attended = attend(q[:, None], k[:, None], memory.values[:, None], memory.bias)[:, 0]
        out: Tensor = self.out_proj(self.v_proj(attended))
        return out


class _MemoryLayer(nn.Module):
    def __init__(self, dim: int, memory_dim: int, feedforward: int) -> None:
        super().__init__()
        self.self_attn = _SelfAttention(dim)
        self.cross_attn_image = _MemoryCrossAttention(dim, memory_dim)
        self.linear1 = nn.Linear(dim, feedforward)
        self.linear2 = nn.Linear(feedforward, dim)
        self.norm1 = nn.LayerNorm(dim)
        self.norm2 = nn.LayerNorm(dim)
        self.norm3 = nn.LayerNorm(dim)

    def forward(self, x: Tensor, memory: _Keys, code: Tensor) -> Tensor:
        x = x + self.self_attn(self.norm1(x), code)
        x = x + self.cross_attn_image(self.norm2(x), memory, code)
        out: Tensor = x + self.linear2(F.relu(self.linear1(self.norm3(x))))
        return out


class MemoryAttention(nn.Module):
    """The current frame's features, conditioned on what is remembered."""

    def __init__(self, config: Sam2Config) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            _MemoryLayer(config.dim, config.memory_dim, config.memory_feedforward) for _ in range(config.memory_layers)
        )
        self.norm = nn.LayerNorm(config.dim)

    def forward(self, features: Tensor, memory: MemoryTokens) -> Tensor:
        """Features ``[B, C, H, W]`` to the same shape."""
        _, channels, height, width = features.shape
        dtype = self.layers.get_parameter("0.linear1.weight").dtype
        features = features.to(dtype)
        x = features + 0.1 * sine_code(channels, height, width, features.device).to(dtype)
        x = x.flatten(2).transpose(1, 2)
        code = rotations(channels, height, width, features.device).to(dtype)
        keys = _Keys(memory, code)
        for layer in self.layers:
            x = layer(x, keys, code)
        out: Tensor = self.norm(x).transpose(1, 2).unflatten(2, (height, width))
        return out

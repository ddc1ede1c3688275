"""TinyViT (Wu et al. 2022, arXiv 2207.10666) as MobileSAM's image encoder, batch normalisation folded away.

All maps lie in memory with their channels last, so that neither convolutions nor attention have to rearrange them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..sam2.attention import ChannelNorm


@dataclass(frozen=True)
class TinyVitConfig:
    """The sizes of TinyViT-5M and of MobileSAM's neck.

    Attributes
    ----------
    dims, depths
        Channels and blocks of each of the four layers. The first is convolutional.
    heads, windows
        Heads, and window side in cells, of the other three.
    neck
        Channels of the embedding.
    """

    dims: tuple[int, int, int, int] = (64, 128, 160, 320)
    depths: tuple[int, int, int, int] = (2, 2, 6, 2)
    heads: tuple[int, int, int] = (4, 5, 10)
    windows: tuple[int, int, int] = (7, 14, 7)
    neck: int = 256


# Cells of the convolutional layer that are computed together: 4 MB of what is in between.
_CELLS_AT_ONCE = 1 << 12


def _depthwise(channels: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(channels, channels, 3, stride, 1, groups=channels)


class _Bottleneck(nn.Module):
    """1x1, depthwise 3x3 and 1x1 convolutions."""

    def __init__(self, inputs: int, inner: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, inner, 1)
        self.conv2 = _depthwise(inner, stride)
        self.conv3 = nn.Conv2d(inner, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv3(F.gelu(self.conv2(F.gelu(self.conv1(x)))))
        return out


class _ConvBlock(_Bottleneck):
    """The same with a shortcut, a strip of rows at a time: what is in between then stays in the processor's cache."""

    def __init__(self, dim: int) -> None:
        super().__init__(dim, 4 * dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        height = x.shape[2]
        rows = max(1, _CELLS_AT_ONCE // (len(x) * x.shape[3]))
        if rows >= height:
            return F.gelu(super().forward(x).add_(x))
        out = torch.empty_like(x)
        for top in range(0, height, rows):
            end = min(top + rows, height)
            above = max(top - 1, 0)  # the depthwise convolution sees one row more on either side
            inner = super().forward(x[:, :, above : end + 1])
            out[:, :, top:end] = inner[:, :, top - above : end - above]
        return F.gelu(out.add_(x))


@lru_cache(maxsize=16)
@torch.inference_mode(mode=False)
def _offsets(window: int, device: torch.device) -> Tensor:
    """How far any two cells of a window are apart, as one number for rows and columns: int64 ``[N * N]``."""
    place = torch.arange(window, device=device)
    apart = (place[:, None] - place).abs()
    return (window * apart[:, None, :, None] + apart[None, :, None, :]).flatten()


class _Attention(nn.Module):
    """Attention within windows, with a learned bias for each distance."""

    def __init__(self, dim: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads, self.window = heads, window
        self.norm = nn.LayerNorm(dim)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        self.attention_biases = nn.Parameter(torch.zeros(heads, window * window))

    def forward(self, x: Tensor) -> Tensor:
        """``[B, H, W, C]`` to the same shape."""
        height, width = x.shape[1:3]
        side = self.window
        qkv = self.qkv(self.norm(x))
        below, right = -height % side, -width % side
        if below or right:
            # The original pads with zeros before the normalisation, which makes its bias of them.
            padded = self.qkv(self.norm.bias).expand(len(x), height + below, width + right, -1).contiguous()
            padded[:, :height, :width] = qkv
            qkv = padded
        windows = qkv.unflatten(2, (-1, side)).unflatten(1, (-1, side)).transpose(2, 3)
        cells = windows.flatten(3, 4).flatten(0, 2).unflatten(-1, (self.heads, 3, -1))
        q, k, v = cells.permute(3, 0, 2, 1, 4)
        bias = self.attention_biases.index_select(1, _offsets(side, x.device)).view(1, self.heads, side**2, side**2)
        found = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        found = found.transpose(1, 2).flatten(2).view(*windows.shape[:-1], -1)
        out: Tensor = self.proj(found.transpose(2, 3).flatten(3, 4).flatten(1, 2)[:, :height, :width].contiguous())
        return out


class _Mlp(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.fc1 = nn.Linear(dim, 4 * dim)
        self.fc2 = nn.Linear(4 * dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc2(F.gelu(self.fc1(self.norm(x))))
        return out


class _Block(nn.Module):
    """Attention, a depthwise convolution, and an MLP."""

    def __init__(self, dim: int, heads: int, window: int) -> None:
        super().__init__()
        self.attn = _Attention(dim, heads, window)
        self.local_conv = _depthwise(dim)
        self.mlp = _Mlp(dim)

    def forward(self, x: Tensor) -> Tensor:
        """``[B, C, H, W]`` to the same shape."""
        cells = x.permute(0, 2, 3, 1)
        cells = self.attn(cells).add_(cells)
        cells = self.local_conv(cells.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        out: Tensor = self.mlp(cells).add_(cells).permute(0, 3, 1, 2)
        return out


class _Layer(nn.Module):
    """Blocks at one stride, and the way to the next layer."""

    def __init__(self, blocks: list[nn.Module], downsample: nn.Module | None) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*blocks)
        self.downsample = downsample

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """``[B, C, H, W]`` to the layer's own map, and what the next layer is given."""
        own: Tensor = self.blocks(x)
        return own, own if self.downsample is None else self.downsample(own)


class TinyVit(nn.Module):
    """The image encoder.

    Parameters
    ----------
    config
        Sizes.
    """

    def __init__(self, config: TinyVitConfig) -> None:
        super().__init__()
        dims = config.dims
        self.patch_embed = nn.Sequential(
            nn.Conv2d(3, dims[0] // 2, 3, 2, 1), nn.GELU(), nn.Conv2d(dims[0] // 2, dims[0], 3, 2, 1)
        )
        self.layers = nn.ModuleList()
        for i, (dim, depth) in enumerate(zip(dims, config.depths, strict=True)):
            made: list[nn.Module] = [
                _ConvBlock(dim) if i == 0 else _Block(dim, config.heads[i - 1], config.windows[i - 1])
                for _ in range(depth)
            ]
            # The last layer stays at stride 16: SAM's embedding is not coarser.
            following = _Bottleneck(dim, dims[i + 1], dims[i + 1], 2 if i < 2 else 1) if i < 3 else None
            self.layers.append(_Layer(made, following))
        self.neck = nn.Sequential(
            nn.Conv2d(dims[-1], config.neck, 1, bias=False),
            ChannelNorm(config.neck),
            nn.Conv2d(config.neck, config.neck, 3, padding=1, bias=False),
            ChannelNorm(config.neck),
        )

    def forward(self, image: Tensor) -> tuple[list[Tensor], Tensor]:
        """Encode normalised images.

        Parameters
        ----------
        image
            ``[B, 3, S, S]``, S a multiple of 64.

        Returns
        -------
        tuple of list of Tensor and Tensor
            The map after the last block of each layer, ``[B, C, H, W]`` at strides 4, 8, 16 and 16, and the neck's
            embedding ``[B, neck, S / 16, S / 16]``.
        """
        x = self.patch_embed(image.contiguous(memory_format=torch.channels_last))
        maps = []
        for layer in self.layers:
            own, x = layer(x)
            maps.append(own)
        return maps, self.neck(x)

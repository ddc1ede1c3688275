"""Codes that tell the network where things are: sines, random Fourier features and rotations. Cached where fixed."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def _frequencies(channels: int, device: torch.device) -> Tensor:
    """Periods that grow from 1 to 10,000, each twice (for a sine and a cosine): float32 ``[channels]``."""
    exponent = 2 * (torch.arange(channels, device=device, dtype=torch.float32) // 2) / channels
    return torch.pow(torch.tensor(10000.0, device=device), exponent)


# Made outside inference mode, so that a cached code may later take part in training.
@lru_cache(maxsize=16)
@torch.inference_mode(mode=False)
def sine_code(channels: int, height: int, width: int, device: torch.device) -> Tensor:
    """Sine code of a grid: rows in the first half of the channels, columns in the second; sines and cosines alternate.

    Returns
    -------
    Tensor
        Float32 ``[1, channels, height, width]``. Shared: never change it in place.
    """
    half = channels // 2
    period = _frequencies(half, device)

    def axis(n: int) -> Tensor:
        place = torch.arange(1, n + 1, device=device, dtype=torch.float32) / (n + 1e-6) * 2 * math.pi
        angle = place[:, None] / period
        return torch.stack((angle[:, 0::2].sin(), angle[:, 1::2].cos()), dim=2).flatten(1)

    rows = axis(height)[:, None, :].expand(height, width, half)
    columns = axis(width)[None, :, :].expand(height, width, half)
    return torch.cat((rows, columns), dim=-1).permute(2, 0, 1)[None].contiguous()


def time_code(distance: Tensor, channels: int) -> Tensor:
    """Sine code of relative distances in time, float32 ``[N]`` to ``[N, channels]``: sines first, then cosines."""
    angle = distance[:, None] / _frequencies(channels // 2, distance.device)
    return torch.cat((angle.sin(), angle.cos()), dim=-1)


@lru_cache(maxsize=16)
@torch.inference_mode(mode=False)
def rotations(channels: int, height: int, width: int, device: torch.device) -> Tensor:
    """Axial rotary code of a grid (RoPE in 2D): the first half of the channel pairs turns with x, the second with y.

    Returns
    -------
    Tensor
        Cosines and sines, float32 ``[2, height * width, channels / 2]``. Shared: never change it in place.
    """
    step = torch.arange(0, channels, 4, device=device, dtype=torch.float32)[: channels // 4] / channels
    speed = torch.pow(torch.tensor(10000.0, device=device), -step)
    x = torch.arange(width, device=device, dtype=torch.float32)[None, :, None] * speed
    y = torch.arange(height, device=device, dtype=torch.float32)[:, None, None] * speed
    shape = (height, width, len(speed))
    angle = torch.cat((x.expand(shape), y.expand(shape)), dim=-1).flatten(0, 1)
    return torch.stack((angle.cos(), angle.sin()))


def rotated(layer: nn.Linear, x: Tensor, code: Tensor) -> Tensor:
    """What a layer makes of ``x``, ``[..., L, C]``, with neighbouring channel pairs turned by :func:`rotations`.

    The first of each pair come first, then the second ones: what is compared with each other is in the same order, and
    pairs that lie in two blocks are turned several times as fast as neighbours.
    """
    order = torch.arange(layer.out_features, device=x.device).unflatten(0, (-1, 2)).t().flatten()
    a, b = F.linear(x, layer.weight[order], layer.bias[order]).chunk(2, dim=-1)
    cos, sin = code.to(a.dtype)
    return torch.cat((torch.addcmul(a * cos, b, sin, value=-1), torch.addcmul(a * sin, b, cos)), dim=-1)


@lru_cache(maxsize=16)
@torch.inference_mode(mode=False)
def stretching(n: int, size: int, device: torch.device) -> Tensor:
    """Weights that stretch an axis of ``n`` cells to ``size``, bicubic as by ``interpolate``: float32 ``[size, n]``."""
    one_each = torch.eye(n)[None, :, :, None].expand(1, n, n, n)
    stretched = F.interpolate(one_each, size=(size, n), mode="bicubic")
    return stretched[0, :, :, 0].t().contiguous().to(device)


def stretch(grid: Tensor, height: int, width: int) -> Tensor:
    """Resize a position code ``[1, C, h, w]`` to ``[1, height, width, C]``: along one axis, then the other."""
    if grid.shape[-2:] == (height, width):
        return grid.permute(0, 2, 3, 1)
    down = stretching(grid.shape[2], height, grid.device).to(grid.dtype)
    across = stretching(grid.shape[3], width, grid.device).to(grid.dtype)
    return torch.einsum("yh,bchw,xw->byxc", down, grid, across)


class FourierCode(nn.Module):
    """Random Fourier features of places in the image (Tancik et al. 2020), as SAM codes its prompts."""

    positional_encoding_gaussian_matrix: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("positional_encoding_gaussian_matrix", torch.randn(2, channels // 2))

    def forward(self, xy: Tensor) -> Tensor:
        """Places (x, y) in 0..1 ``[..., 2]`` to codes ``[..., channels]``."""
        angle = 2 * math.pi * ((2 * xy - 1) @ self.positional_encoding_gaussian_matrix)
        return torch.cat((angle.sin(), angle.cos()), dim=-1)

    def grid(self, size: int) -> Tensor:
        """Codes of the cell centres of a square grid, ``[1, channels, size, size]``."""
        matrix = self.positional_encoding_gaussian_matrix
        centre = (torch.arange(size, device=matrix.device, dtype=matrix.dtype) + 0.5) / size
        y, x = torch.meshgrid(centre, centre, indexing="ij")
        code: Tensor = self(torch.stack((x, y), dim=-1))
        return code.permute(2, 0, 1)[None]

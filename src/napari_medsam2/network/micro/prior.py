"""What photographs taught: frozen features of EfficientNet-Lite0, for telling alike from unlike on unrelated images.

The network is that of Tan and Le (2019, arXiv 1905.11946) in Google's "lite" variant without squeeze-and-excitation:
its first six stages, with batch normalisation folded into the convolutions. Each stage's map is scaled to unit length a
pixel and brought to stride 4; together they are projected to their principal components on photographs, each divided by
the fourth root of its variance.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

#: Of each stage: repeats, kernel, stride, expansion, input and output channels.
STAGES = (
    (1, 3, 1, 1, 32, 16),
    (2, 3, 2, 6, 16, 24),
    (2, 5, 2, 6, 24, 40),
    (3, 3, 2, 6, 40, 80),
    (3, 5, 1, 6, 80, 112),
    (4, 5, 2, 6, 112, 192),
)
#: Channels of all stages together.
CHANNELS = sum(stage[-1] for stage in STAGES)


def _same(x: Tensor, kernel: int, stride: int) -> Tensor:
    """Zeros around ``[B, C, H, W]`` as TensorFlow's padding "same": the odd one on the right and below."""
    margins = []
    for length in (x.shape[-1], x.shape[-2]):
        missing = max((-(-length // stride) - 1) * stride + kernel - length, 0)
        margins += [missing // 2, missing - missing // 2]
    return F.pad(x, margins) if any(margins) else x


class _Block(nn.Module):
    """An inverted residual: 1x1 up, depthwise, 1x1 down; with a shortcut where shapes allow."""

    def __init__(self, kernel: int, stride: int, expansion: int, inputs: int, outputs: int) -> None:
        super().__init__()
        inner = inputs * expansion
        self.kernel, self.stride = kernel, stride
        self.shortcut = stride == 1 and inputs == outputs
        self.expand = nn.Conv2d(inputs, inner, 1) if expansion > 1 else None
        self.depthwise = nn.Conv2d(inner, inner, kernel, stride, groups=inner)
        self.project = nn.Conv2d(inner, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu6(self.expand(x)) if self.expand is not None else x
        y = self.project(F.relu6(self.depthwise(_same(y, self.kernel, self.stride))))
        return torch.add(x, y) if self.shortcut else torch.as_tensor(y)


class PriorEncoder(nn.Module):
    """Frozen features of photographs.

    Parameters
    ----------
    components
        Principal components that are kept.
    """

    mean: Tensor
    directions: Tensor

    def __init__(self, components: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 3, 2)
        self.stages = nn.ModuleList()
        for repeats, kernel, stride, expansion, inputs, outputs in STAGES:
            blocks = [_Block(kernel, stride, expansion, inputs, outputs)]
            blocks += [_Block(kernel, 1, expansion, outputs, outputs) for _ in range(repeats - 1)]
            self.stages.append(nn.Sequential(*blocks))
        self.register_buffer("mean", torch.zeros(CHANNELS))
        self.register_buffer("directions", torch.zeros(components, CHANNELS))

    def stacked(self, image: Tensor) -> Tensor:
        """All stages of images ``[B, 3, S, S]`` in 0..1, ``[B, CHANNELS, S/4, S/4]``, unit length a stage and pixel."""
        x = F.relu6(self.stem(_same((image * 255 - 127) / 128, 3, 2)))
        side = (image.shape[-2] // 4, image.shape[-1] // 4)
        maps = []
        for stage in self.stages:
            x = stage(x)
            one = F.normalize(x, dim=1)
            if one.shape[-1] > side[1]:
                one = F.adaptive_avg_pool2d(one, side)
            elif one.shape[-1] < side[1]:
                one = F.interpolate(one, side, mode="bilinear", align_corners=False)
            maps.append(one)
        return torch.cat(maps, 1)

    @torch.no_grad()
    def forward(self, image: Tensor) -> Tensor:
        """Features of images ``[B, 3, S, S]`` in 0..1: ``[B, components, S/4, S/4]``, mean square 1 a pixel."""
        x = self.stacked(image).permute(0, 2, 3, 1) - self.mean
        x = (x @ self.directions.T).permute(0, 3, 1, 2)
        return x / x.square().mean(1, keepdim=True).add(1e-4).sqrt()

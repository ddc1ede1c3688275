"""EfficientNet-Lite0 (Tan and Le 2019, arXiv 1905.11946), Google's "lite" variant without squeeze-and-excitation.

Its first six stages, with batch normalisation folded into the convolutions.
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


class EfficientNetLite(nn.Module):
    """The stem and the six stages."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 3, 2)
        self.stages = nn.ModuleList()
        for repeats, kernel, stride, expansion, inputs, outputs in STAGES:
            blocks = [_Block(kernel, stride, expansion, inputs, outputs)]
            blocks += [_Block(kernel, 1, expansion, outputs, outputs) for _ in range(repeats - 1)]
            self.stages.append(nn.Sequential(*blocks))

    def forward(self, image: Tensor) -> list[Tensor]:
        """Images ``[B, 3, S, S]`` in 0..1 to the six stages' maps, at strides 2, 4, 8, 16, 16 and 32."""
        x = F.relu6(self.stem(_same((image * 255 - 127) / 128, 3, 2)))
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps

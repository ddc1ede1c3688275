"""What photographs taught: frozen features of EfficientNet-Lite0, for telling alike from unlike on unrelated images.

Each stage's map is scaled to unit length a pixel and brought to stride 4; together they are projected to their
principal components on photographs, each divided by the fourth root of its variance.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..pretrained.efficientnet import CHANNELS, EfficientNetLite


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
        self.network = EfficientNetLite()
        self.register_buffer("mean", torch.zeros(CHANNELS))
        self.register_buffer("directions", torch.zeros(components, CHANNELS))

    def stacked(self, image: Tensor) -> Tensor:
        """All stages of images ``[B, 3, S, S]`` in 0..1, ``[B, CHANNELS, S/4, S/4]``, unit length a stage and pixel."""
        side = (image.shape[-2] // 4, image.shape[-1] // 4)
        maps = []
        for x in self.network(image):
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

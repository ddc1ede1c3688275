"""What photographs taught: frozen features of two pretrained networks, for telling alike from unlike.

EfficientNet-Lite0, trained to name what is on photographs, knows kinds of things; the image encoder of MobileSAM,
trained to outline whatever is on them, knows where one thing ends. Each stage's map is scaled to unit length a pixel
and brought to stride 4; those of a network together are projected to their principal components on photographs, each
divided by the fourth root of its variance.
"""

from __future__ import annotations

from contextlib import nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..pretrained.efficientnet import CHANNELS as LITE_CHANNELS
from ..pretrained.efficientnet import EfficientNetLite
from ..pretrained.mobile_sam import MobileSam
from ..pretrained.tiny_vit import TinyVitConfig
from ..resample import resize

#: Side of MobileSAM's input. Made for 1024, it sees less at 256, and at 512 outlines as well and matches better.
SAM_SIZE = 512
#: The same where there are no prompts and nothing is outlined: that takes half the time, and is nearly as good.
SAM_SIZE_UNPROMPTED = 384
#: The same for the windows of stacks, where one thing fills most of what is seen.
SAM_SIZE_STACK = 384
SAM_CHANNELS = sum(TinyVitConfig().dims) + TinyVitConfig().neck


class Components(nn.Module):
    """Principal components of stacked features.

    Parameters
    ----------
    channels
        Of the features.
    kept
        Components that are kept.
    """

    mean: Tensor
    directions: Tensor

    def __init__(self, channels: int, kept: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("directions", torch.zeros(kept, channels))

    def forward(self, stacked: Tensor) -> Tensor:
        """Of features ``[B, channels, H, W]``: ``[B, kept, H, W]``, mean square 1 a pixel."""
        x = F.conv2d(stacked, self.directions[:, :, None, None], -self.directions @ self.mean)
        return x / x.square().mean(1, keepdim=True).add(1e-4).sqrt()


class PriorEncoder(nn.Module):
    """Frozen features of photographs, and MobileSAM for outlines.

    Parameters
    ----------
    components
        Principal components that are kept of each network.

    Attributes
    ----------
    autocast
        MobileSAM's encoder works in this precision in stacks; ``None``: in that of its weights, as in flows.
    """

    autocast: torch.dtype | None = None

    def __init__(self, components: int) -> None:
        super().__init__()
        self.lite = EfficientNetLite()
        self.sam = MobileSam()
        self.lite_components = Components(LITE_CHANNELS, components)
        self.sam_components = Components(SAM_CHANNELS, components)

    @torch.no_grad()
    def forward(self, image: Tensor, fine: Tensor | None) -> tuple[Tensor, Tensor]:
        """Of images ``[B, 3, S, S]`` in 0..1: features ``[B, 2 * components, S/4, S/4]`` and MobileSAM's embedding.

        ``fine`` is the same at any size, for MobileSAM to outline; ``None``: there are no prompts.
        """
        (lite, sam), embedding = self.stacked(image, fine)
        return torch.cat([self.lite_components(lite), self.sam_components(sam)], 1), embedding

    @torch.no_grad()
    def stacked(self, image: Tensor, fine: Tensor | None) -> tuple[tuple[Tensor, Tensor], Tensor]:
        """All stages of both networks, ``[B, C, S/4, S/4]``, unit length a stage and pixel, and the embedding."""
        side = image.shape[-1] // 4
        maps, embedding = self._seen(image, SAM_SIZE_UNPROMPTED) if fine is None else self._seen(fine, SAM_SIZE)
        return (stacked(self.lite(image), side), stacked([*maps, embedding], side)), embedding

    @torch.no_grad()
    def embedding(self, image: Tensor) -> Tensor:
        """MobileSAM's embedding of windows ``[B, 3, S, S]`` in 0..1, ``[B, 256, h, h]``, h a 16th of SAM_SIZE_STACK."""
        with nullcontext() if self.autocast is None else torch.autocast(image.device.type, dtype=self.autocast):
            return self._seen(image, SAM_SIZE_STACK)[1].float()

    def _seen(self, image: Tensor, size: int) -> tuple[list[Tensor], Tensor]:
        """MobileSAM's maps and embedding of images ``[B, 3, S, S]``, shown with ``size`` pixels a side."""
        return self.sam.encode(resize(image, (size, size), antialias=True))


def stacked(maps: list[Tensor], side: int) -> Tensor:
    """Maps ``[B, C, h, w]`` of all stages as one, ``[B, sum of C, side, side]``, unit length a stage and pixel."""
    return torch.cat([_resized(F.normalize(one, dim=1), side) for one in maps], 1)


def _resized(x: Tensor, side: int) -> Tensor:
    if x.shape[-1] > side:
        return F.adaptive_avg_pool2d(x, (side, side))
    return resize(x, (side, side))

"""Prompts as tokens and as a map (Kirillov et al. 2023, section 3 and appendix A)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..resample import resize
from .attention import ChannelNorm
from .config import Sam2Config
from .position import FourierCode

#: Label of a point that says nothing; 0 and 1 are clicks, 2 and 3 the corners of a box.
NOTHING = -1


class PromptEncoder(nn.Module):
    """Points and boxes to tokens, mask logits to a map that is added to the image features."""

    def __init__(self, config: Sam2Config) -> None:
        super().__init__()
        dim = config.dim
        self.image_size = config.image_size
        self.pe_layer = FourierCode(dim)
        self.point_embeddings = nn.ModuleList(nn.Embedding(1, dim) for _ in range(4))
        self.not_a_point_embed = nn.Embedding(1, dim)
        self.mask_downscaling = nn.Sequential(
            nn.Conv2d(1, 4, kernel_size=2, stride=2),
            ChannelNorm(4),
            nn.GELU(),
            nn.Conv2d(4, 16, kernel_size=2, stride=2),
            ChannelNorm(16),
            nn.GELU(),
            nn.Conv2d(16, dim, kernel_size=1),
        )
        self.no_mask_embed = nn.Embedding(1, dim)

    def forward(self, points: Tensor, labels: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Encode prompts.

        Parameters
        ----------
        points
            (x, y) in pixels of the network input, centre of the first pixel at (0, 0), ``[B, N, 2]``.
        labels
            1 positive, 0 negative, 2 and 3 the first and second corner of a box, -1 nothing: int64 ``[B, N]``.
        mask
            Mask logits ``[B, 1, S / 4, S / 4]``, or ``None``. Other sizes are resized.

        Returns
        -------
        tuple of Tensor
            Tokens ``[B, N + 1, dim]`` (one that says nothing always comes last) and a map, ``[B, dim, S / 16, S / 16]``
            or, without a mask, ``[1, dim, 1, 1]``.
        """
        labels = F.pad(labels, (0, 1), value=NOTHING)
        points = F.pad(points, (0, 0, 0, 1))
        code = self.pe_layer((points + 0.5) / self.image_size) * (labels != NOTHING)[..., None]
        kinds = torch.cat([kind.weight for kind in (self.not_a_point_embed, *self.point_embeddings)])
        tokens = code + kinds[labels + 1]
        if mask is None:
            return tokens, self.no_mask_embed.weight[..., None, None]
        quarter = (self.image_size // 4, self.image_size // 4)
        return tokens, self.mask_downscaling(resize(mask, quarter, antialias=True))

"""Prompts as tokens and as a map (Kirillov et al. 2023, section 3 and appendix A)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..interface import PromptTensors
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
        return self.tokens((points + 0.5) / self.image_size, labels), self.dense(mask, self.image_size // 4)

    def tokens(self, places: Tensor, labels: Tensor) -> Tensor:
        """One token ``[B, N, dim]`` for each place (x, y) in 0..1 ``[B, N, 2]`` with its label ``[B, N]``."""
        code = self.pe_layer(places) * (labels != NOTHING)[..., None]
        kinds = torch.cat([kind.weight for kind in (self.not_a_point_embed, *self.point_embeddings)])
        tokens: Tensor = code + kinds[labels + 1]
        return tokens

    def dense(self, mask: Tensor | None, side: int) -> Tensor:
        """Mask logits, resized to ``side``, to a map ``[B, dim, side / 4, side / 4]``; ``[1, dim, 1, 1]`` without."""
        if mask is None:
            return self.no_mask_embed.weight[..., None, None]
        out: Tensor = self.mask_downscaling(resize(mask, (side, side), antialias=True))
        return out


def prompt_tokens(prompts: PromptTensors | None, device: torch.device) -> list[tuple[Tensor, Tensor]]:
    """Points ``[1, N, 2]`` (x, y) and labels ``[1, N]`` for each run of the decoder, one a box.

    Each click goes with the box that it is in, or the nearest.
    """
    if prompts is None or not len(prompts.boxes):
        if prompts is None or not len(prompts.points):
            return [(torch.zeros((1, 1, 2), device=device), torch.full((1, 1), NOTHING, device=device))]
        return [(prompts.points[None], prompts.point_labels[None])]
    corners = prompts.boxes.unflatten(1, (2, 2))
    outside = torch.maximum(corners[:, None, 0] - prompts.points, prompts.points - corners[:, None, 1])
    distance = outside.clamp(min=0).norm(dim=-1)
    runs = []
    for box, away in zip(corners, distance, strict=True):
        near = away <= distance.amin(dim=0)
        labels = torch.cat((torch.tensor([2, 3], device=device), prompts.point_labels[near]))
        runs.append((torch.cat((box, prompts.points[near]))[None], labels[None]))
    return runs

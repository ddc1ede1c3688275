"""The bundled network's mask decoder, with the quality head, which says how good the mask is."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .blocks import GlobalAttention, ResidualBlock, down, norm, pooled, soft_dice, up
from .config import MicroConfig
from .encoder import MicroFeatures
from .prompt_maps import PROMPT_MAPS


@dataclass(frozen=True)
class CoarseAnswer:
    """What the decoder makes of a batch at strides 8 and 4, ``x8`` and ``x4``, and its prompts at stride 2, ``p2``."""

    x8: Tensor
    x4: Tensor
    p2: Tensor


class FineLayers(nn.Module):
    """What the decoder does at its finest two resolutions: the part of it that may be another one for an object.

    Parameters
    ----------
    decoder
        Whose layers these are; they are copied, so that nothing is shared with a network that others use.
    """

    def __init__(self, decoder: MaskDecoder) -> None:
        super().__init__()
        self.out4, self.up2 = copy.deepcopy(decoder.out4), copy.deepcopy(decoder.up2)
        self.skip2, self.out2 = copy.deepcopy(decoder.skip2), copy.deepcopy(decoder.out2)


class MaskDecoder(nn.Module):
    """Features, prompt maps and what memory says, to mask logits at stride 2, predicted IoU and objectness."""

    def __init__(self, config: MicroConfig) -> None:
        super().__init__()
        w2, w4, w8, _ = config.widths
        d4, d8 = w4 + 16, w8 + 16
        read = config.heads * (1 + config.head_dim)
        self.prompt2 = nn.Sequential(nn.Conv2d(len(PROMPT_MAPS), 16, 3, padding=1), nn.ReLU())
        self.prompt4 = nn.Sequential(nn.Conv2d(16, 16, 3, stride=2, padding=1), nn.ReLU())
        self.in4 = nn.Sequential(nn.Conv2d(w4 + 16 + 1, d4, 3, padding=1), norm(d4), nn.ReLU(), ResidualBlock(d4))
        self.down = down(d4, d8)
        self.in8 = nn.Sequential(nn.Conv2d(d8 + w8 + read, d8, 1), norm(d8), nn.ReLU(), ResidualBlock(d8))
        self.mix = nn.Sequential(GlobalAttention(d8), ResidualBlock(d8), GlobalAttention(d8))
        self.up4 = nn.Conv2d(d8, d4, 1)
        self.out4 = nn.Sequential(ResidualBlock(d4), ResidualBlock(d4))
        self.up2 = nn.Conv2d(d4, w2 + 8, 1)
        self.skip2 = nn.Conv2d(w2 + 16, w2 + 8, 3, padding=1)
        self.out2 = nn.Sequential(ResidualBlock(w2 + 8), nn.Conv2d(w2 + 8, 1, 1))
        self.heads = config.heads
        # The quality head; files of weights know it by this name.
        self.judge = nn.Sequential(nn.Linear(2 * d8 + d4 + 2 + 8, 64), nn.ReLU(), nn.Linear(64, 2))

    def forward(
        self, features: MicroFeatures, maps: Tensor, score: Tensor, read: Tensor, layers: FineLayers | None = None
    ) -> tuple[Tensor, Tensor]:
        """Segment frames of ``S`` pixels a side.

        Parameters
        ----------
        features
            Of the frames, with a batch axis ``B``.
        maps
            Prompts, the slice before and its image, ``[B, N, S/2, S/2]``; see :func:`.prompt_maps.prompt_maps`.
        score
            What the ridge regression says, ``[B, 1, S/4, S/4]``.
        read
            What attention carried from memory, ``[B, heads * (1 + D), S/8, S/8]``; of each head, first the mask.

        layers
            Those of an object, in place of the decoder's own.

        Returns
        -------
        tuple of Tensor
            Mask logits ``[B, 1, S/2, S/2]``; logits ``[B, 2]`` of the IoU and of the object being there.
        """
        coarse = self.coarse(features, maps, score, read)
        logits, y4 = self.fine(features, coarse, layers)
        carried = read.view(read.shape[0], self.heads, -1, *read.shape[-2:])[:, :, 0].mean(1, keepdim=True)
        return logits, self.judge(self._evidence(coarse.x8, y4, logits, score, carried, maps[:, 3:4]))

    def coarse(self, features: MicroFeatures, maps: Tensor, score: Tensor, read: Tensor) -> CoarseAnswer:
        """Bring everything together, at strides 8 and 4; arguments as for :meth:`forward`."""
        p2 = self.prompt2(maps)
        p4 = self.prompt4(p2)
        x4 = self.in4(torch.cat([features.s4, p4, score], 1))
        x8 = self.mix(self.in8(torch.cat([self.down(x4), features.s8, read], 1)))
        return CoarseAnswer(x8, x4, p2)

    def fine(
        self, features: MicroFeatures, coarse: CoarseAnswer, layers: FineLayers | None = None
    ) -> tuple[Tensor, Tensor]:
        """Mask logits ``[B, 1, S/2, S/2]``, and features ``[B, C, S/4, S/4]``; ``layers`` as for :meth:`forward`."""
        use = layers or self
        y4 = use.out4(coarse.x4 + up(self.up4(coarse.x8)))
        y2 = F.relu(up(use.up2(y4)) + use.skip2(torch.cat([features.s2, coarse.p2], 1)))
        return use.out2(y2), y4

    @staticmethod
    def _evidence(
        x8: Tensor, y4: Tensor, logits: Tensor, score: Tensor, carried: Tensor, neighbour_mask: Tensor
    ) -> Tensor:
        """Input of the quality head, ``[B, 2 * C8 + C4 + 10]``.

        The frame, the inside of the mask, how sure the mask is, and whether memory and the neighbouring slice agree.
        """
        prob = logits.sigmoid()
        p4, p8 = pooled(prob, y4), pooled(prob, x8)
        area = prob.mean((2, 3))
        agreement = [
            _inside(score, p4),
            _inside(score, 1 - p4),
            score.amax((2, 3)),
            soft_dice((4.0 * score).sigmoid(), p4),
            soft_dice(carried, p8),
            carried.amax((2, 3)),
            soft_dice(neighbour_mask, prob),
            (area + 0.003).log() - (neighbour_mask.mean((2, 3)) + 0.003).log(),
        ]
        frame = [x8.mean((2, 3)), _inside(x8, p8), _inside(y4, p4)]
        return torch.cat([*frame, _inside(1 - prob, prob), area.sqrt(), torch.cat(agreement, 1).clamp(-4.0, 4.0)], 1)


def _inside(values: Tensor, where: Tensor) -> Tensor:
    """Mean of values ``[B, C, H, W]`` inside a mask ``[B, 1, H, W]``, ``[B, C]``; towards 0 for a tiny mask."""
    return (values * where).sum((2, 3)) / (where.sum((2, 3)) + 1.0)

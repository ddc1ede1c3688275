"""The bundled network's memory: what is kept of a frame, and the two ways in which it is read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...types import Mode
from .blocks import pooled, up
from .config import MicroConfig
from .encoder import MicroFeatures

#: Of the regression on the pretrained features: what keeps it from following chance.
PRIOR_RIDGE = 0.01
#: How much what they say counts beside what the own features say.
PRIOR_SHARE = 0.8


@dataclass(frozen=True)
class MicroMemory:
    """Remembered frames of a batch, ``n`` entries each.

    ``gram [B, n, D, D]`` and ``corr [B, n, D]`` are the moments of the ridge regression, normalised by weight;
    ``keys [B, n, heads, N, head_dim]`` are of unit length, ``values [B, n, heads, N, 1 + head_dim]`` begin with the
    mask; both at stride 8 for stacks. ``coarse_keys`` and ``coarse_values`` are the same at stride 16, for flows.
    ``prior_gram [B, n, P, P]`` and ``prior_corr [B, n, P]`` are the moments of the pretrained features; empty without.
    """

    gram: Tensor
    corr: Tensor
    keys: Tensor
    values: Tensor
    coarse_keys: Tensor
    coarse_values: Tensor
    prior_gram: Tensor
    prior_corr: Tensor

    @staticmethod
    def of(tokens: Mapping[str, Tensor]) -> MicroMemory:
        """The entry among the tokens of a memory, which may hold more."""
        return MicroMemory(**{field.name: tokens[field.name] for field in fields(MicroMemory)})

    @staticmethod
    def cat(memories: Sequence[MicroMemory]) -> MicroMemory:
        """Join entries of the same batch."""
        return MicroMemory(*(torch.cat(tensors, 1) for tensors in zip(*(m.tensors() for m in memories), strict=True)))

    def tensors(self) -> tuple[Tensor, ...]:
        """All tensors, in the order of the fields."""
        return tuple(vars(self).values())


class MemoryReader(nn.Module):
    """Keys, values and moments of a remembered frame, and how the current frame reads them."""

    def __init__(self, config: MicroConfig) -> None:
        super().__init__()
        w8 = config.widths[2]
        self.heads, self.head_dim = config.heads, config.head_dim
        inner = config.heads * config.head_dim
        self.key = nn.Conv2d(w8, inner, 1)
        self.value = nn.Sequential(nn.Conv2d(w8 + 1, w8, 3, padding=1), nn.ReLU(), nn.Conv2d(w8, inner, 1))
        self.sharpness = nn.Parameter(torch.full((config.heads,), math.log(12.0)))
        # How much farther apart costs, per head, in stacks only: from "no matter" to "stay close".
        self.closeness = nn.Parameter(torch.linspace(0.0, 3.0, config.heads))
        self.log_ridge = nn.Parameter(torch.tensor(math.log(0.02)))

    def remember(self, features: MicroFeatures, mask: Tensor, known: Tensor | None = None) -> MicroMemory:
        """Remember a batch of frames with their masks, probabilities ``[B, 1, S, S]``; one entry each.

        Parameters
        ----------
        known
            How far the regression is to believe the mask, 0..1, of its shape; ``None``: everywhere.
        """
        b = mask.shape[0]
        y = pooled(mask, features.match).flatten(1)  # [B, P]
        share = torch.ones_like(y) if known is None else pooled(known, features.match).flatten(1)
        moments = [moment[:, None] for x in (features.match, features.prior) for moment in _moments(x, y, share)]
        mask8 = pooled(mask, features.s8)
        key = self.key(features.s8)
        value = self.value(torch.cat([features.s8, mask8], 1))
        tokens = []
        for factor in (1, 2):
            k, v, carried = (F.avg_pool2d(x, factor) if factor > 1 else x for x in (key, value, mask8))
            inside = carried.flatten(2).transpose(1, 2)[:, None].expand(b, self.heads, -1, 1)
            tokens += [F.normalize(self._split(k), dim=-1)[:, None], torch.cat([inside, self._split(v)], -1)[:, None]]
        return MicroMemory(*moments[:2], *tokens, *moments[2:])

    def _split(self, x: Tensor) -> Tensor:
        """``[B, heads * dim, H, W]`` to ``[B, heads, H * W, dim]``."""
        b = x.shape[0]
        return x.flatten(2).view(b, self.heads, self.head_dim, -1).transpose(2, 3)

    def ridge(self, features: MicroFeatures, memory: MicroMemory, weights: Tensor) -> Tensor:
        """Score of each pixel by the ridge regression over all entries, ``[B, 1, H/4, W/4]``, about -1..1.

        Where there are pretrained features, it is a mean of what they say and what the own ones say.
        """
        own = _ridge(features.match, memory.gram, memory.corr, weights, self.log_ridge.exp())
        if not features.prior.shape[1]:
            return own
        prior = _ridge(features.prior, memory.prior_gram, memory.prior_corr, weights, PRIOR_RIDGE)
        return (1 - PRIOR_SHARE) * own + PRIOR_SHARE * prior

    def own_score(self, match: Tensor, shown: Tensor, mask: Tensor) -> Tensor:
        """Score ``[B, 1, H, W]`` of matching features ``[B, D, H, W]`` by the regression on one frame alone.

        Parameters
        ----------
        shown, mask
            That frame's matching features ``[1, D, H, W]`` and its mask ``[1, 1, S, S]`` in 0..1.
        """
        y = pooled(mask, shown).flatten(1)
        gram, corr = _moments(shown, y, torch.ones_like(y))
        return _ridge(match, gram[:, None], corr[:, None], mask.new_ones(1, 1), self.log_ridge.exp())

    def attend(self, features: MicroFeatures, memory: MicroMemory, weights: Tensor, mode: Mode) -> Tensor:
        """Carry values to where the current frame looks alike, ``[B, heads * (1 + head_dim), H/8, W/8]``.

        What is added to a logit, ``log(weight) - price * distance**2``, is written as three more dimensions of queries
        and keys (up to a term that the softmax does not see): attention without a mask is several times faster.
        """
        b, _, h, w = features.s8.shape
        n = memory.keys.shape[1]
        key = self.key(features.s8)
        if mode == "stack":
            keys, values, shape = memory.keys, memory.values, (h, w)
            price = 8.0 * F.softplus(self.closeness)
        else:
            # Unrelated images are matched coarsely: there are more of them, and places mean nothing.
            keys, values, shape = memory.coarse_keys, memory.coarse_values, (h // 2, w // 2)
            price = torch.zeros_like(self.closeness)
            key = F.avg_pool2d(key, 2)
        query = F.normalize(self._split(key), dim=-1) * self.sharpness.exp()[None, :, None, None]
        to = _centres(shape, query.device)  # [tokens, 2]
        place = 2 * price[:, None, None] * to  # [heads, tokens, 2]
        extra = torch.cat([place, torch.ones_like(place[..., :1])], -1).expand(b, -1, -1, -1)
        query = torch.cat([query, extra.to(query.dtype)], -1)
        told = torch.where(weights > 0, weights.clamp(min=1e-9).log(), -60.0)[:, :, None, None]  # [B, n, 1, 1]
        bias = told - price[:, None] * to.square().sum(1)  # [B, n, heads, tokens]
        where = torch.cat([to.expand(b, n, self.heads, -1, -1), bias[..., None]], -1)
        keys = torch.cat([keys, where.to(keys.dtype)], -1).permute(0, 2, 1, 3, 4).flatten(2, 3)
        # As wide as the keys: the fast path asks for it.
        values = F.pad(values.permute(0, 2, 1, 3, 4).flatten(2, 3), (0, 2))
        read = F.scaled_dot_product_attention(query, keys, values, scale=1.0)[..., :-2]
        read = read.transpose(2, 3).reshape(b, -1, *shape)
        return read if mode == "stack" else up(read)


def _moments(features: Tensor, mask: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """Second moments ``[B, D, D]`` of features ``[B, D, H, W]``, and how they go with a mask ``[B, N]``: ``[B, D]``.

    Half of the weight is spread evenly over the pixels, the other half given to inside and outside alike; then each
    pixel counts as far as its mask is ``known``, ``[B, N]``.
    """
    x = features.flatten(2)
    within, without = mask * known, (1 - mask) * known
    inside, outside = within.sum(1, keepdim=True), without.sum(1, keepdim=True)
    balanced = 0.5 * within / inside.clamp(min=1.0) + 0.5 * without / outside.clamp(min=1.0)
    weight = 0.5 * balanced + 0.5 * known / known.sum(1, keepdim=True)
    xw = x * weight[:, None]
    return xw @ x.transpose(1, 2), (xw * (2 * mask - 1)[:, None]).sum(2)


def _ridge(features: Tensor, gram: Tensor, corr: Tensor, weights: Tensor, ridge: Tensor | float) -> Tensor:
    """Score ``[B, 1, H, W]`` of features ``[B, D, H, W]`` by the regression on the weighted moments of all entries."""
    share = weights / weights.sum(1, keepdim=True)
    gram = (gram * share[:, :, None, None]).sum(1)
    corr = (corr * share[:, :, None]).sum(1)
    eye = torch.eye(gram.shape[-1], device=gram.device, dtype=gram.dtype)
    system = gram + ridge * eye
    able = torch.device("cpu") if system.device.type == "mps" else system.device  # Apple's GPUs learned it late
    solution = torch.linalg.solve(system.to(able), corr.to(able)).to(system.device)
    return torch.einsum("bd,bdhw->bhw", solution, features)[:, None]


def _centres(shape: tuple[int, int], device: torch.device) -> Tensor:
    """Centres (y, x) of a grid's cells in frame sides, the frame's middle at 0, ``[H * W, 2]``."""
    y = (torch.arange(shape[0], device=device) + 0.5) / shape[0] - 0.5
    x = (torch.arange(shape[1], device=device) + 0.5) / shape[1] - 0.5
    return torch.stack(torch.meshgrid(y, x, indexing="ij"), -1).flatten(0, 1)

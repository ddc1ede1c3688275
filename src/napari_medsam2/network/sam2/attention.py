"""Attention over weighted keys, and the small layers that every part of the network shares."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Scores held at once on the CPU, 16 MB of them, however many keys there are.
_SCORES_A_BLOCK = 1 << 22


def attend(q: Tensor, k: Tensor, v: Tensor, key_bias: Tensor | None = None) -> Tensor:
    """Scaled dot-product attention whose keys may carry a bias.

    Adding ``log(w)`` to the logits of a key makes it count as ``w`` copies of itself; a constant bias changes nothing.

    Parameters
    ----------
    q, k, v
        Queries ``[B, heads, Q, D]``, keys ``[B, heads, K, D]`` and values ``[B, heads, K, E]``. E may differ from D.
    key_bias
        Added to the attention logits of each key, ``[K]`` or ``[B, K]``.

    Returns
    -------
    Tensor
        ``[B, heads, Q, E]``.
    """
    if key_bias is not None:
        key_bias = key_bias.to(q.dtype)
        key_bias = key_bias[None, None, None, :] if key_bias.ndim == 1 else key_bias[:, None, None, :]
    if v.shape[-1] == q.shape[-1] or q.device.type not in ("cpu", "mps"):
        return F.scaled_dot_product_attention(q, k, v, attn_mask=key_bias)
    # The CPU's fused kernel wants equal widths and would otherwise hold all Q x K scores at once; that of Apple's GPUs
    # was wrong for unequal ones before torch 2.12 (pytorch/pytorch#176767).
    keys = k.transpose(-1, -2) / math.sqrt(q.shape[-1])
    blocks = []
    for block in q.split(max(1, _SCORES_A_BLOCK // max(1, k.shape[-2])), dim=-2):
        scores = block @ keys
        if key_bias is not None:
            scores = scores + key_bias
        blocks.append(scores.softmax(-1) @ v)
    return torch.cat(blocks, dim=-2)


class Attention(nn.Module):
    """Multi-head attention with separate projections.

    Parameters
    ----------
    dim
        Channels of queries and of the result.
    inner
        Channels inside, shared by the heads.
    heads
        Number of heads.
    key_dim
        Channels of keys and values; ``dim`` if not given.
    """

    def __init__(self, dim: int, inner: int, heads: int, key_dim: int | None = None) -> None:
        super().__init__()
        self.heads = heads
        self.q_proj = nn.Linear(dim, inner)
        self.k_proj = nn.Linear(key_dim or dim, inner)
        self.v_proj = nn.Linear(key_dim or dim, inner)
        self.out_proj = nn.Linear(inner, dim)

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """``[B, Q, dim]``, ``[B, K, key_dim]``, ``[B, K, key_dim]`` to ``[B, Q, dim]``."""
        q, k, v = (self._split(x) for x in (self.q_proj(q), self.k_proj(k), self.v_proj(v)))
        out: Tensor = self.out_proj(attend(q, k, v).transpose(1, 2).flatten(2))
        return out

    def _split(self, x: Tensor) -> Tensor:
        heads: Tensor = x.unflatten(-1, (self.heads, -1)).transpose(1, 2)
        return heads


class MLP(nn.Module):
    """Linear layers of the given widths with an activation between them."""

    def __init__(self, widths: Sequence[int], activation: Callable[[Tensor], Tensor] = F.relu) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """``[..., widths[0]]`` to ``[..., widths[-1]]``."""
        for i, layer in enumerate(self.layers):
            x = layer(x if i == 0 else self.activation(x))
        return x


class ChannelNorm(nn.LayerNorm):
    """Layer normalisation over the channels of ``[B, C, H, W]``."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        """``[B, C, H, W]`` to the same shape."""
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)

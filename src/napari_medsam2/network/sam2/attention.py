"""Attention over weighted keys, and the small layers that every part of the network shares."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Scores that are held at once on the CPU, a few megabytes however many keys there are, and queries in a block of them.
_SCORES_A_BLOCK = 1 << 20
_QUERIES_A_BLOCK = 1024
# Sums of exponentials between these have lost nothing, whatever the scores were.
_LEAST_SUM, _LARGEST_SUM = 1e-30, 1e30


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
    if q.device.type not in ("cpu", "mps") or (v.shape[-1] == q.shape[-1] and not _is_slow_when_fused(q)):
        return F.scaled_dot_product_attention(q, k, v, attn_mask=key_bias)
    # The CPU's fused kernel wants equal widths and would otherwise hold all Q x K scores at once; that of Apple's GPUs
    # was wrong for unequal ones before torch 2.12 (pytorch/pytorch#176767).
    if key_bias is not None:
        key_bias = key_bias.expand(*q.shape[:2], 1, -1).flatten(0, 1)
    heads = q.shape[1]
    q, k, v = (x.flatten(0, 1) for x in (q, k, v))
    attended: Tensor = _attend_in_blocks(q / math.sqrt(q.shape[-1]), k, v, key_bias).unflatten(0, (-1, heads))
    return attended


def _is_slow_when_fused(x: Tensor) -> bool:
    """On CPUs the fused kernel multiplies in bfloat16 at a third of the speed of a matrix product."""
    return x.device.type == "cpu" and x.dtype == torch.bfloat16 and not torch.is_grad_enabled()


def _attend_in_blocks(q: Tensor, k: Tensor, v: Tensor, key_bias: Tensor | None) -> Tensor:
    """Attention of ``[N, Q, D]``, already scaled, with ``[N, K, D]`` and ``[N, K, E]``; bias ``[N, 1, K]``."""
    queries = min(q.shape[1], _QUERIES_A_BLOCK)
    keys = min(k.shape[1], _SCORES_A_BLOCK // queries)
    entries = max(1, _SCORES_A_BLOCK // max(1, queries * keys))
    biases = [None] * len(q) if key_bias is None else key_bias.split(entries)
    done = []
    for some_q, some_k, some_v, bias in zip(*(x.split(entries) for x in (q, k, v)), biases, strict=False):
        rows = [_attend_to_blocks(row, some_k, some_v, bias, keys) for row in some_q.split(queries, dim=1)]
        done.append(rows[0] if len(rows) == 1 else torch.cat(rows, dim=1))
    return done[0] if len(done) == 1 else torch.cat(done)


def _attend_to_blocks(q: Tensor, k: Tensor, v: Tensor, key_bias: Tensor | None, keys: int) -> Tensor:
    """The same for some queries, over blocks of so many keys.

    Exponentials are summed as they are: bfloat16 and float32 reach from e^-87 to e^88, and only sums beyond what that
    holds ask for the largest score of each query first, which takes half as long again.
    """
    added = total = torch.empty(0)
    for start in range(0, k.shape[1], keys):
        some = slice(start, start + keys)
        scores = q @ k[:, some].transpose(1, 2)
        if key_bias is not None:
            scores = scores + key_bias[..., some]
        shares = scores.exp() if torch.is_grad_enabled() else scores.exp_()
        found, seen = shares @ v[:, some], shares.sum(-1, keepdim=True).float()
        added, total = (added.float() + found, total + seen) if start else (found, seen)
    if bool(((total > _LEAST_SUM) & (total < _LARGEST_SUM)).all()):
        return (added / total.to(added.dtype)).to(v.dtype)
    rows = []
    for row in q.split(max(1, _SCORES_A_BLOCK // (len(k) * k.shape[1])), dim=1):
        scores = row @ k.transpose(1, 2)
        rows.append((scores if key_bias is None else scores + key_bias).softmax(-1) @ v)
    return torch.cat(rows, dim=1)


class Projections(nn.Module):
    """What every attention has: projections of queries, keys and values, and of the result.

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


class Attention(Projections):
    """Multi-head attention with separate projections."""

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

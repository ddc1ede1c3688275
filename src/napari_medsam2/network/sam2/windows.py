"""Attention within windows of a map, which may be too small for a whole number of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor


def in_windows(x: Tensor, side: int, attention: Callable[[Tensor, int], Tensor]) -> Tensor:
    """Attention of each cell of a map to those in its own window.

    The original fills a map up with zeros to a whole number of windows. What is computed there is thrown away, but the
    cells of the map attend to it, to each in the same way; so here windows at the border are smaller, and
    :func:`with_cells_beyond` makes up for it.

    Parameters
    ----------
    x
        ``[B, H, W, C]``.
    side
        Of a window, in cells; 0: one window holds the whole map.
    attention
        Of windows ``[B * n, h, w, C]`` that lack so many cells, to ``[B * n, h', w', C']``. Projections stay outside of
        it: one matrix product on the map is faster than one for each kind of window.
    """
    if not side:
        return attention(x, 0)
    bands = []
    for rows, height in _bands(x.shape[1], side):
        pieces = []
        for columns, width in _bands(x.shape[2], side):
            windows = x[:, rows, columns].unflatten(2, (-1, width)).unflatten(1, (-1, height)).transpose(2, 3)
            found = attention(windows.flatten(0, 2), side * side - height * width)
            pieces.append(found.unflatten(0, windows.shape[:3]).transpose(2, 3).flatten(3, 4).flatten(1, 2))
        bands.append(pieces[0] if len(pieces) == 1 else torch.cat(pieces, dim=2))
    return bands[0] if len(bands) == 1 else torch.cat(bands, dim=1)


def with_cells_beyond(k: Tensor, v: Tensor, bias: Tensor, missing: int) -> tuple[Tensor, Tensor, Tensor | None]:
    """Keys and values ``[B, heads, K, D]`` with one of the weight of all cells that lie beyond the map.

    Parameters
    ----------
    bias
        Of the layer that made queries, keys and values, ``[3 * heads * D]``: what it makes of a zero.
    missing
        How many cells lie beyond the map.

    Returns
    -------
    tuple
        Keys and values, and what is added to the logits of the keys, ``[K]``; ``None`` for nothing.
    """
    if not missing:
        return k, v, None
    _, *beyond = bias.unflatten(0, (3, k.shape[1], 1, -1)).to(k.dtype)
    k, v = (torch.cat((x, y.expand(len(x), -1, -1, -1)), dim=2) for x, y in zip((k, v), beyond, strict=True))
    return k, v, F.pad(torch.zeros(k.shape[2] - 1, device=k.device), (0, 1), value=math.log(missing))


def _bands(length: int, side: int) -> Iterator[tuple[slice, int]]:
    """Parts of an axis, and the side of the windows there: whole windows, then what is left for a smaller one."""
    whole = length - length % side
    if whole:
        yield slice(0, whole), side
    if whole < length:
        yield slice(whole, length), length - whole

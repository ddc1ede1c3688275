"""How much each memory counts for the current frame: those of images like it, and those that the user prompted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

#: In a flow, the least share that templates together have of what is heard, where answers are remembered too.
TEMPLATE_SHARE = 0.8


def likeness(a: npt.NDArray[np.floating[Any]], b: npt.NDArray[np.floating[Any]]) -> float:
    """Cosine similarity of two unit vectors; rounded, so that the order of summation shows in no comparison."""
    return round(float(np.dot(np.asarray(a, np.float64), np.asarray(b, np.float64))), 9)


def shares_by_likeness(
    descriptors: Sequence[npt.NDArray[np.floating[Any]]], current: npt.NDArray[np.floating[Any]], temperature: float
) -> npt.NDArray[np.float64]:
    """Softmax of the likeness to the current image, before it is divided by its sum; the most alike has 1."""
    logits = np.array([likeness(descriptor, current) for descriptor in descriptors]) / temperature
    shares: npt.NDArray[np.float64] = np.exp(logits - logits.max())
    return shares


def diversity(descriptors: Sequence[npt.NDArray[np.floating[Any]]]) -> list[float]:
    """How unlike the others each image is: 1 less its likeness to the one most like it, 1 where it is alone."""
    if len(descriptors) < 2:
        return [1.0] * len(descriptors)
    units = np.stack([np.asarray(descriptor, np.float64) for descriptor in descriptors])
    alike = units @ units.T
    np.fill_diagonal(alike, -1.0)
    return [float(1 - nearest) for nearest in alike.max(axis=1)]


def drawn_weights(shares: npt.NDArray[np.float64], seed: Sequence[int]) -> list[float]:
    """Draw as many memories as there are by their shares, with replacement: how often each was drawn."""
    count = len(shares)
    drawn = np.random.default_rng(seed).choice(count, size=count, p=shares / shares.sum())
    return [float(times) for times in np.bincount(drawn, minlength=count)]


def with_templates(weights: npt.NDArray[np.float64], templates: Sequence[bool], share: float) -> list[float]:
    """Give templates a share of their own: all the same, and at least this much of all weights together.

    Parameters
    ----------
    weights
        Of all memories, mean 1, ``(n,)``.
    templates
        Which of them are.
    share
        0 to 1; with 0 the weights stay as they are.

    Returns
    -------
    list of float
        Weights of mean 1.
    """
    pinned = np.array(templates, bool)
    if not share or not pinned.any():
        return [float(weight) for weight in weights]
    n, others = len(weights), weights[~pinned].sum()
    together = max(n - others, share * n if others else n)
    told = np.where(pinned, together / pinned.sum(), weights)
    if others:
        told[~pinned] *= (n - together) / others
    return [float(weight) for weight in told]

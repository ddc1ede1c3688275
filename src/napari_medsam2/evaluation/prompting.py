"""Prompts made from the ground truth: the first one, and the clicks that correct what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from ..errors import DatasetError
from ..geometry.boxes import box_of_mask
from ..geometry.parts import MAX_PARTS, depth, largest_error, largest_parts, most_interior
from ..images.datasets import Dataset
from ..prompts import BoxPrompt, MaskPrompt, PointPrompt, Prompt
from ..types import AnyArray, Mask
from .protocol import PromptKind, Protocol

#: Jitter: a box's edges move by up to this share of its sides.
BOX_JITTER = 0.1


def prompt_frame(dataset: Dataset, object_id: int, frame: int | None = None) -> int:
    """The frame to prompt: where the object is largest in a stack, the first that has it in a flow, or ``frame``."""
    if object_id not in dataset.objects:
        ids = ", ".join(str(known) for known in dataset.objects)
        raise DatasetError(f"{dataset.name} has no object {object_id} to score; it has {ids}")
    sizes = [int(np.count_nonzero(mask == object_id)) for mask in dataset.masks]
    if frame is None:
        return int(np.argmax(sizes)) if dataset.mode == "stack" else int(np.flatnonzero(sizes)[0])
    if not 0 <= frame < len(sizes):
        raise DatasetError(f"{dataset.name} has frames 0 to {len(sizes) - 1}; frame {frame} is not one of them")
    if not sizes[frame]:
        there = ", ".join(str(t) for t in np.flatnonzero(sizes))
        raise DatasetError(f"object {object_id} of {dataset.name} is not on frame {frame}; it is on {there}")
    return frame


def template_frames(dataset: Dataset, object_id: int, protocol: Protocol) -> tuple[int, ...]:
    """The frames to prompt, as the protocol says: the first ones of :func:`prompting_order`, or the one it names.

    Raises
    ------
    DatasetError
        If the object is not where it is to be prompted, or no frame that has it would be left to score.
    """
    first = prompt_frame(dataset, object_id, protocol.frame)
    if protocol.templates == 1 and not protocol.leave_out:
        return (first,)
    order = prompting_order(dataset, object_id)
    most = max(protocol.templates, protocol.leave_out)
    if most >= len(order):
        frames = "slices" if dataset.mode == "stack" else "images"
        raise DatasetError(
            f"object {object_id} of {dataset.name} is on {len(order)} {frames}: none is left to score beside {most}"
        )
    return (first,) if protocol.templates == 1 else tuple(order[: protocol.templates])


def prompting_order(dataset: Dataset, object_id: int) -> list[int]:
    """The frames that have an object, in the order in which several prompts are given.

    In a flow the order of the images. In a stack the slice where the object is largest comes first, then the one in
    the middle of the longest run of slices without a prompt: that is where a user finds the first one to have worn off.
    """
    there = frames_with(dataset, object_id)
    if dataset.mode == "flow":
        return there
    order = [there.index(prompt_frame(dataset, object_id))]
    while len(order) < len(there):
        edges = [-1, *sorted(order), len(there)]
        low, high = max(pairwise(edges), key=lambda run: run[1] - run[0])
        order.append((low + high) // 2)
    return [there[place] for place in order]


def frames_with(dataset: Dataset, object_id: int) -> list[int]:
    """The frames that have an object, in order."""
    return [t for t in range(len(dataset.frames)) if dataset.truth(t, object_id).any()]


def make_prompts(
    truth: Mask,
    kind: PromptKind,
    *,
    frame: int = 0,
    object_id: int = 1,
    seed: int = 0,
    parts: int = MAX_PARTS,
    loose: float = 0.0,
) -> list[Prompt]:
    """Prompt a mask ``(H, W)`` as a careful user would.

    One click at the most interior pixel, or one tight box, for each of its largest separate ``parts``; or the mask
    itself. With a ``seed`` other than 0, clicks move within the inner half of the part, and each edge of a box moves
    by up to a tenth of the box's side. A ``loose`` box is larger by that share of itself on each side, up to the edges
    of the frame.
    """
    if not truth.any():
        raise ValueError("a prompt needs a mask with at least one pixel")
    if kind == "mask":
        return [MaskPrompt(frame, truth, object_id)]
    rng = np.random.default_rng([seed, frame, object_id]) if seed else None
    prompts: list[Prompt] = []
    for part in largest_parts(truth, parts):
        if kind == "point":
            y, x = _interior_pixel(part, rng)
            prompts.append(PointPrompt(frame, y, x, True, object_id))
        else:
            prompts.append(BoxPrompt(frame, *_box_around(part, rng, loose), object_id))
    return prompts


def worst_click(dataset: Dataset, object_id: int, labels: Sequence[AnyArray]) -> PointPrompt | None:
    """A click in the middle of the largest error, on the frame where most pixels are wrong; ``None`` if none is.

    ``labels`` are the label images ``(H, W)`` of all frames, as the session shows them.
    """

    def wrong(frame: int) -> int:
        return int(np.count_nonzero((labels[frame] == object_id) ^ dataset.truth(frame, object_id)))

    worst = max(range(len(labels)), key=wrong)
    error = largest_error(dataset.truth(worst, object_id), labels[worst] == object_id)
    if error is None:
        return None
    part, missing = error
    y, x = most_interior(part)
    return PointPrompt(worst, float(y), float(x), missing, object_id)


def _interior_pixel(part: Mask, rng: np.random.Generator | None) -> tuple[float, float]:
    """The most interior pixel (y, x), or with ``rng`` one of those at least half as deep."""
    if rng is None:
        y, x = most_interior(part)
    else:
        deep = depth(part)
        inner = np.argwhere(deep >= deep.max() / 2)
        y, x = inner[rng.integers(len(inner))]
    return float(y), float(x)


def _box_around(part: Mask, rng: np.random.Generator | None, loose: float) -> tuple[float, float, float, float]:
    """Outer edges (y0, x0, y1, x1) around a part."""
    box = np.array(box_of_mask(part))
    sides = np.tile(box[2:] - box[:2], 2)
    box += loose * sides * [-1, -1, 1, 1]
    if rng is not None:
        box += rng.uniform(-BOX_JITTER, BOX_JITTER, 4) * sides
    height, width = part.shape
    box = np.clip(box, -0.5, np.array([height, width] * 2) - 0.5)
    y0, x0, y1, x1 = (float(edge) for edge in box)
    return y0, x0, y1, x1

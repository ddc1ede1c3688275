"""Prompts: what a user says about one object on one frame. Frozen values, no behaviour.

Coordinates are *data coordinates* of the image in napari's convention: the centre of the first pixel is
``(0, 0)``, pixel ``i`` covers ``[i - 0.5, i + 0.5]``. A frame is an index along the propagation axis.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import PromptError


def same_prompt(a: Prompt, b: Prompt) -> bool:
    """True if two prompts say the same."""
    if isinstance(a, MaskPrompt) and isinstance(b, MaskPrompt):
        return (a.frame, a.object_id) == (b.frame, b.object_id) and np.array_equal(a.mask, b.mask)
    return a is b or (type(a) is type(b) and a == b)


def _check_frame_and_object(frame: int, object_id: int) -> None:
    if isinstance(frame, bool) or not isinstance(frame, int | np.integer) or frame < 0:
        raise PromptError(f"a prompt's frame must be a whole number, 0 or more; got {frame!r}")
    if isinstance(object_id, bool) or not isinstance(object_id, int | np.integer) or object_id < 1:
        raise PromptError(f"an object's number must be 1 or more (0 is background); got {object_id!r}")


def _all_finite(values: Sequence[float]) -> bool:
    """False also for what is no number."""
    try:
        return bool(np.all(np.isfinite(np.array(values, np.float64))))
    except (TypeError, ValueError):
        return False


@dataclass(frozen=True)
class PointPrompt:
    """A click: "this pixel belongs to the object", or with ``positive=False`` "it does not".

    ``y`` and ``x`` are pixels in data coordinates, ``object_id`` the label that the object gets.
    """

    frame: int
    y: float
    x: float
    positive: bool = True
    object_id: int = 1

    def __post_init__(self) -> None:
        _check_frame_and_object(self.frame, self.object_id)
        if not _all_finite((self.y, self.x)):
            raise PromptError(f"a click needs finite coordinates; got y={self.y!r}, x={self.x!r}")


@dataclass(frozen=True)
class BoxPrompt:
    """A box around the object. Several boxes of one object on one frame mean their union.

    ``y0, x0, y1, x1`` are the outer edges in data coordinates: the box around the single pixel (3, 4) is
    ``(2.5, 3.5, 3.5, 4.5)``. Corners may come in any order; they are sorted.
    """

    frame: int
    y0: float
    x0: float
    y1: float
    x1: float
    object_id: int = 1

    def __post_init__(self) -> None:
        _check_frame_and_object(self.frame, self.object_id)
        corners = (self.y0, self.x0, self.y1, self.x1)
        if not _all_finite(corners):
            raise PromptError(f"a box needs finite corners; got {corners}")
        low_y, high_y = sorted((float(self.y0), float(self.y1)))
        low_x, high_x = sorted((float(self.x0), float(self.x1)))
        if high_y - low_y <= 0 or high_x - low_x <= 0:
            raise PromptError(f"a box must have an area; got {corners} (y0, x0, y1, x1)")
        for name, value in zip(("y0", "x0", "y1", "x1"), (low_y, low_x, high_y, high_x), strict=True):
            object.__setattr__(self, name, value)


@dataclass(frozen=True, eq=False)
class MaskPrompt:
    """A drawn mask, bool ``(H, W)`` of the whole frame. It is final on its frame, pixel for pixel.

    An empty one means that the object is not on this frame; it says nothing about where the object is, so it only
    counts beside a prompt on another frame.
    """

    frame: int
    mask: npt.NDArray[np.bool_]
    object_id: int = 1

    def __post_init__(self) -> None:
        _check_frame_and_object(self.frame, self.object_id)
        mask: npt.NDArray[Any] = np.asarray(self.mask)
        if mask.ndim != 2:
            raise PromptError(f"a mask must have two axes (y, x); got shape {mask.shape}")
        mask = np.array(mask != 0)
        mask.setflags(write=False)
        object.__setattr__(self, "mask", mask)


Prompt = PointPrompt | BoxPrompt | MaskPrompt


def points_of(prompts: Sequence[Prompt]) -> list[PointPrompt]:
    return [p for p in prompts if isinstance(p, PointPrompt)]


def boxes_of(prompts: Sequence[Prompt]) -> list[BoxPrompt]:
    return [p for p in prompts if isinstance(p, BoxPrompt)]


def masks_of(prompts: Sequence[Prompt]) -> list[MaskPrompt]:
    return [p for p in prompts if isinstance(p, MaskPrompt)]


def drawn_mask(prompts: Sequence[Prompt]) -> npt.NDArray[np.bool_] | None:
    """The mask that the user drew ``(H, W)``, or ``None`` if there is none."""
    masks = [p.mask for p in masks_of(prompts)]
    return np.logical_or.reduce(masks) if masks else None


def says_where(prompts: Sequence[Prompt]) -> bool:
    """True if prompts say where the object is: negative clicks alone do not, nor do none."""
    return any(not isinstance(prompt, PointPrompt) or prompt.positive for prompt in prompts)


def is_erased(prompts: Sequence[Prompt]) -> bool:
    """True if prompts of one object on one frame say that it is not there: what was drawn is empty."""
    masks = masks_of(prompts)
    return bool(masks) and not any(mask.mask.any() for mask in masks)


def grouped(prompts: Iterable[Prompt]) -> dict[tuple[int, int], tuple[Prompt, ...]]:
    """Prompts by ``(object_id, frame)``, in the order in which they come."""
    groups: dict[tuple[int, int], tuple[Prompt, ...]] = {}
    for prompt in prompts:
        key = (prompt.object_id, prompt.frame)
        groups[key] = (*groups.get(key, ()), prompt)
    return groups


def in_replay_order(prompts: Iterable[Prompt]) -> list[tuple[tuple[int, int], tuple[Prompt, ...]]]:
    """Groups of prompts by ``(object_id, frame)``, in an order in which a new session takes them.

    Frames that an object was erased from come last: a session takes "not here" only beside a "here".
    """
    return sorted(grouped(prompts).items(), key=lambda group: is_erased(group[1]))

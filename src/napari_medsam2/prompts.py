"""Prompts: what a user says about one object on one frame, as frozen values that know what they say.

Coordinates are *data coordinates* of the image in napari's convention: the centre of the first pixel is
``(0, 0)``, pixel ``i`` covers ``[i - 0.5, i + 0.5]``. A frame is an index along the propagation axis.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import PromptError
from .types import Mask


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
    counts beside a prompt on another frame. An ``accepted`` one was found, and the user said that it is right.
    """

    frame: int
    mask: Mask
    object_id: int = 1
    accepted: bool = False

    def __post_init__(self) -> None:
        _check_frame_and_object(self.frame, self.object_id)
        mask: npt.NDArray[Any] = np.asarray(self.mask)
        if mask.ndim != 2:
            raise PromptError(f"a mask must have two axes (y, x); got shape {mask.shape}")
        if mask.dtype.kind not in "buif":
            raise PromptError(f"a mask holds truth values or numbers; got {mask.dtype}")
        if mask.dtype.kind == "f" and np.isnan(mask).any():
            raise PromptError("a mask is drawn where it is not 0; this one has pixels that are no number (nan)")
        mask = np.array(mask != 0)
        mask.setflags(write=False)
        object.__setattr__(self, "mask", mask)


Prompt = PointPrompt | BoxPrompt | MaskPrompt


@dataclass(frozen=True, eq=False)
class FramePrompts:
    """All prompts of one object on one frame; there may be none.

    Attributes
    ----------
    object_id, frame
        Of all of them.
    given
        The prompts, in the order in which they came.
    """

    object_id: int
    frame: int
    given: tuple[Prompt, ...] = ()

    def __post_init__(self) -> None:
        for prompt in self.given:
            if (prompt.object_id, prompt.frame) != (self.object_id, self.frame):
                raise PromptError(
                    f"a prompt of object {prompt.object_id} on frame {prompt.frame} was given for object "
                    f"{self.object_id} on frame {self.frame}"
                )

    @classmethod
    def of(cls, first: Prompt, *more: Prompt) -> FramePrompts:
        """Prompts of one object on one frame; :class:`PromptError` if they are not."""
        return cls(first.object_id, first.frame, (first, *more))

    def __bool__(self) -> bool:
        return bool(self.given)

    def __len__(self) -> int:
        return len(self.given)

    def __iter__(self) -> Iterator[Prompt]:
        return iter(self.given)

    def plus(self, *more: Prompt) -> FramePrompts:
        """These prompts and some more."""
        return FramePrompts(self.object_id, self.frame, (*self.given, *more))

    def less(self, prompt: Prompt) -> FramePrompts:
        """These prompts without those that say the same as one."""
        left = tuple(p for p in self.given if not same_prompt(p, prompt))
        return FramePrompts(self.object_id, self.frame, left)

    def without_masks(self) -> FramePrompts:
        """These clicks and boxes."""
        return FramePrompts(self.object_id, self.frame, tuple(p for p in self.given if not isinstance(p, MaskPrompt)))

    def same_as(self, other: FramePrompts) -> bool:
        """True if both say the same, in the same order."""
        return len(self) == len(other) and all(map(same_prompt, self.given, other.given))

    @cached_property
    def points(self) -> tuple[PointPrompt, ...]:
        return tuple(p for p in self.given if isinstance(p, PointPrompt))

    @cached_property
    def positive(self) -> tuple[PointPrompt, ...]:
        """Clicks on the object."""
        return tuple(p for p in self.points if p.positive)

    @cached_property
    def negative(self) -> tuple[PointPrompt, ...]:
        """Clicks on what is not the object."""
        return tuple(p for p in self.points if not p.positive)

    @cached_property
    def boxes(self) -> tuple[BoxPrompt, ...]:
        return tuple(p for p in self.given if isinstance(p, BoxPrompt))

    @cached_property
    def mask(self) -> Mask | None:
        """What the user drew, bool ``(H, W)``: the union of all masks; ``None`` if there is none."""
        masks = [p.mask for p in self.given if isinstance(p, MaskPrompt)]
        return np.logical_or.reduce(masks) if masks else None

    @cached_property
    def accepted(self) -> bool:
        """True if the user said that what was found is right."""
        masks = [p for p in self.given if isinstance(p, MaskPrompt)]
        return bool(masks) and all(p.accepted for p in masks)

    @cached_property
    def says_where(self) -> bool:
        """True if they say where the object is: negative clicks alone do not, nor do none."""
        return len(self.negative) < len(self)

    @cached_property
    def erases(self) -> bool:
        """True if they say that the object is not on this frame: what was drawn is empty."""
        return self.mask is not None and not self.mask.any()

    @property
    def shows_object(self) -> bool:
        """True if they say that the object is on this frame, and where."""
        return self.says_where and not self.erases

    @property
    def only_clicks(self) -> bool:
        """True if there is neither a box nor a mask."""
        return len(self.points) == len(self)

    def check(self, shape: tuple[int, int]) -> None:
        """Check them against the frame, ``shape`` (H, W), and against each other.

        Raises
        ------
        PromptError
            In words, naming what was given and what would be right.
        """
        height, width = shape
        for prompt in self.given:
            if isinstance(prompt, PointPrompt):
                if not (-0.5 <= prompt.y <= height - 0.5 and -0.5 <= prompt.x <= width - 0.5):
                    raise PromptError(
                        f"the click at y={prompt.y:g}, x={prompt.x:g} is outside the image of {height} x {width} "
                        "pixels (height x width)"
                    )
            elif isinstance(prompt, BoxPrompt):
                if prompt.y1 <= -0.5 or prompt.x1 <= -0.5 or prompt.y0 >= height - 0.5 or prompt.x0 >= width - 0.5:
                    raise PromptError(
                        f"the box from ({prompt.y0:g}, {prompt.x0:g}) to ({prompt.y1:g}, {prompt.x1:g}) is outside "
                        f"the image of {height} x {width} pixels (height x width)"
                    )
            elif prompt.mask.shape != shape:
                raise PromptError(f"the mask must have the shape of its frame, {shape}; got {prompt.mask.shape}")
        said: dict[tuple[int, int], bool] = {}
        for point in self.points:
            pixel = (round(point.y), round(point.x))
            if said.setdefault(pixel, point.positive) != point.positive:
                raise PromptError(
                    f"a positive and a negative click contradict each other on pixel y={pixel[0]}, x={pixel[1]} of "
                    f"frame {point.frame}: remove one of them"
                )


def same_prompt(a: Prompt, b: Prompt) -> bool:
    """True if two prompts say the same."""
    if a is b:
        return True
    if isinstance(a, MaskPrompt) and isinstance(b, MaskPrompt):
        return (a.frame, a.object_id, a.accepted) == (b.frame, b.object_id, b.accepted) and np.array_equal(
            a.mask, b.mask
        )
    return type(a) is type(b) and a == b


def by_object_and_frame(prompts: Iterable[Prompt]) -> dict[tuple[int, int], FramePrompts]:
    """Prompts of any objects and frames, gathered by (object, frame), in the order of their first prompts."""
    groups: dict[tuple[int, int], list[Prompt]] = {}
    for prompt in prompts:
        groups.setdefault((prompt.object_id, prompt.frame), []).append(prompt)
    return {key: FramePrompts(*key, tuple(group)) for key, group in groups.items()}


def in_replay_order(prompts: Iterable[Prompt]) -> list[FramePrompts]:
    """Prompts by object and frame, in an order in which a new session takes them.

    Frames that an object was erased from come last: a session takes "not here" only beside a "here".
    """
    return sorted(by_object_and_frame(prompts).values(), key=lambda group: group.erases)

"""How near labels are to a reference: Dice, IoU and surface distance of each frame, and of all of them together."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..geometry.overlap import dice, iou, volumetric_dice, volumetric_iou
from ..types import AnyArray, Mask, Mode
from .metrics import hd95


@dataclass(frozen=True)
class Grid:
    """What frames are, and how large their pixels.

    Attributes
    ----------
    mode
        In a stack the frames are one volume, in a flow images of their own.
    spacing
        Distance of frames, height and width of a pixel; ``None`` counts pixels.
    unit
        Of these, as it is printed.
    """

    mode: Mode
    spacing: tuple[float, float, float] | None = None
    unit: str = "px"


@dataclass(frozen=True)
class FrameScore:
    """How near one object is to the reference on one frame.

    Attributes
    ----------
    frame
        Which one; ``None`` for all of them.
    dice, iou
        1 where the object is in neither.
    hd95
        95th percentile of the surface distance, in the unit of the grid: 0 where the object is in neither, infinite
        where it is in one of them alone.
    """

    frame: int | None
    dice: float
    iou: float
    hd95: float


@dataclass(frozen=True)
class ReferenceScores:
    """One object against one label of the reference.

    Attributes
    ----------
    object_id, label
        Which.
    frames
        Of each frame.
    total
        Of a stack as one volume; of a flow the means over its images, for the distance over those that have the object
        in both.
    unit
        Of the distances.
    """

    object_id: int
    label: int
    frames: tuple[FrameScore, ...]
    total: FrameScore
    unit: str


def matched(found: Sequence[AnyArray], reference: Sequence[AnyArray], objects: Collection[int]) -> dict[int, int]:
    """The label of a reference that stands for each object.

    The one with the same number, where there is one; else, of those that are no object's number, the one that shares
    most pixels with it. Objects that none stands for are left out.

    Parameters
    ----------
    found, reference
        Label images ``(H, W)`` of all frames.
    objects
        Numbers to find in ``found``.
    """
    there = {int(label) for labels in reference for label in np.unique(labels)} - {0}
    same = {number: number for number in objects if number in there}
    free = sorted(there - set(same))
    shared: dict[tuple[int, int], int] = {}
    if free:
        for labels, truth in zip(found, reference, strict=True):
            both = (labels != 0) & np.isin(truth, free)
            pairs, counts = np.unique(
                np.stack([labels[both], truth[both]]).astype(np.int64), axis=1, return_counts=True
            )
            for (number, label), count in zip(pairs.T.tolist(), counts.tolist(), strict=True):
                shared[number, label] = shared.get((number, label), 0) + count
    for (number, label), _ in sorted(shared.items(), key=lambda item: (-item[1], item[0])):
        if number in objects and number not in same and label not in same.values():
            same[number] = label
    return dict(sorted(same.items()))


def compare(
    found: Sequence[AnyArray],
    reference: Sequence[AnyArray],
    pairs: Sequence[tuple[int, int]],
    grid: Grid,
    *,
    on_frame: Callable[[int, int], object] = lambda done, total: None,
) -> list[ReferenceScores]:
    """Score objects against labels of a reference.

    Parameters
    ----------
    found, reference
        Label images ``(H, W)`` of all frames; each pair has one shape.
    pairs
        ``(object, label)``.
    grid
        What the frames are.
    on_frame
        Called with (frames done, frames in all); what it raises ends the work.
    """
    scores = []
    total = len(pairs) * len(found)
    for place, (number, label) in enumerate(pairs):
        masks: list[tuple[Mask, Mask]] = []
        frames = []
        for t, (labels, truth) in enumerate(zip(found, reference, strict=True)):
            masks.append((labels == number, truth == label))
            spacing = None if grid.spacing is None else grid.spacing[1:]
            frames.append(FrameScore(t, dice(*masks[-1]), iou(*masks[-1]), hd95(*masks[-1], spacing)))
            on_frame(place * len(found) + t + 1, total)
        scores.append(ReferenceScores(number, label, tuple(frames), _total(masks, frames, grid), grid.unit))
    return scores


def _total(masks: Sequence[tuple[Mask, Mask]], frames: Sequence[FrameScore], grid: Grid) -> FrameScore:
    if grid.mode == "stack" and len({one.shape for one, _ in masks}) == 1:
        volumes = [np.stack(side) for side in zip(*masks, strict=True)]
        distance = hd95(volumes[0], volumes[1], grid.spacing)
        return FrameScore(None, volumetric_dice(masks), volumetric_iou(masks), distance)
    both = [score.hd95 for score, (one, other) in zip(frames, masks, strict=True) if one.any() and other.any()]
    overlap, shared = (float(np.mean([getattr(score, name) for score in frames])) for name in ("dice", "iou"))
    return FrameScore(None, overlap, shared, float(np.mean(both)) if both else float("nan"))


def scores_as_csv(scores: Sequence[ReferenceScores], names: Sequence[str]) -> str:
    """A line for each object and frame, and one for all frames of an object; ``names`` are those of the frames."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("object", "label", "frame", "name", "dice", "iou", "hd95", "unit"))
    for one in scores:
        for score in (*one.frames, one.total):
            where: tuple[Any, ...] = ("all", "") if score.frame is None else (score.frame, names[score.frame])
            values = (f"{value:.6g}" for value in (score.dice, score.iou, score.hd95))
            writer.writerow((one.object_id, one.label, *where, *values, one.unit))
    return text.getvalue()

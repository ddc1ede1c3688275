"""Which frames to check next: those whose result is in doubt, worst first. Numbers in, an order out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from statistics import median

from ..results import FrameResult
from ..types import Mode


class Doubt(Enum):
    """Why a result may be wrong; the value is said of it."""

    MISSING = "not found, though it is on both sides"
    END = "found on one side only"
    JUMP = "a jump in size"
    UNSURE = "low confidence"
    FAR = "far from what you said is right"
    BORDER = "touches the border of the image"


@dataclass(frozen=True)
class Finding:
    """What a result says of itself.

    Attributes
    ----------
    frame, object_id
        What it is of.
    confidence
        0..1, see :class:`~napari_medsam2.results.FrameResult`.
    objectness
        Probability that the object is there, 0..1.
    area
        In pixels; 0 where it was not found.
    on_border
        Whether it touches the border of the frame.
    prompted
        Whether the user said what is there: such frames are not in doubt, and the others are compared with them.
    """

    frame: int
    object_id: int
    confidence: float
    objectness: float
    area: int
    on_border: bool
    prompted: bool

    @classmethod
    def of(cls, result: FrameResult, confidence: float | None = None) -> Finding:
        """What a result says; with another ``confidence`` where that is in the light of other objects."""
        height, width = result.shape
        rows, columns = result.pixels.part
        on_border = rows.start == 0 or columns.start == 0 or rows.stop == height or columns.stop == width
        return cls(
            result.frame,
            result.object_id,
            result.confidence if confidence is None else confidence,
            result.objectness,
            result.area,
            on_border and not result.absent,
            result.prompted,
        )


@dataclass(frozen=True)
class Suspect:
    """A frame that may be wrong.

    Attributes
    ----------
    frame
        Which one.
    object_id
        The object that is most in doubt there.
    score
        How much, 0..1.
    doubts
        Why, the weightiest first.
    """

    frame: int
    object_id: int
    score: float
    doubts: tuple[Doubt, ...]


#: How much each doubt counts, 0..1: round numbers, near to what was best on seven stacks and ten flows.
WEIGHTS: Mapping[Mode, Mapping[Doubt, float]] = {
    "stack": {
        Doubt.MISSING: 0.9,
        Doubt.END: 0.5,
        Doubt.JUMP: 0.4,
        Doubt.UNSURE: 0.8,
        Doubt.FAR: 0.8,
        Doubt.BORDER: 0.2,
    },
    "flow": {Doubt.JUMP: 0.1, Doubt.UNSURE: 1.0},
}
#: A size that doubles or halves from frame to frame is fully a jump; in a flow, one eight times the usual or an eighth.
_FULL_JUMP: Mapping[Mode, float] = {"stack": 1.0, "flow": 3.0}
#: A doubt of a lower degree than this is not told.
_TOLD = 0.3


def suspects(findings: Iterable[Finding], mode: Mode, weights: Mapping[Doubt, float] | None = None) -> list[Suspect]:
    """The frames without a prompt that were segmented, those first that are most likely wrong.

    Parameters
    ----------
    findings
        Of any objects and frames, in any order.
    mode
        Of the session: in a stack a frame is compared with those beside it, in a flow with all.
    weights
        How much each doubt counts, 0..1, in place of what suits the mode.

    Returns
    -------
    list of Suspect
        One for each frame; of several objects on it the one that is most in doubt counts, and frames that are in doubt
        alike come in order.
    """
    by_object: dict[int, list[Finding]] = {}
    for finding in sorted(findings, key=lambda finding: finding.frame):
        by_object.setdefault(finding.object_id, []).append(finding)
    worst: dict[int, Suspect] = {}
    for row in by_object.values():
        for suspect in _of_object(row, mode, weights or WEIGHTS[mode]):
            known = worst.get(suspect.frame)
            if known is None or suspect.score > known.score:
                worst[suspect.frame] = suspect
    return sorted(worst.values(), key=lambda suspect: (-suspect.score, suspect.frame))


def _of_object(row: Sequence[Finding], mode: Mode, weights: Mapping[Doubt, float]) -> Iterable[Suspect]:
    """Suspects of one object, whose findings come by frame."""
    safe = [finding.frame for finding in row if finding.prompted]
    at_home = any(finding.on_border for finding in row if finding.prompted)
    found = [place for place, finding in enumerate(row) if finding.area]
    usual = median([finding.area for finding in row if finding.area] or [1])
    for place, finding in enumerate(row):
        if finding.prompted:
            continue
        if mode == "stack":
            degrees = _beside(row, place, bool(found) and found[0] < place < found[-1])
            degrees[Doubt.FAR] = _distance(finding.frame, safe, row[-1].frame + 1) if finding.area else 0.0
            degrees[Doubt.BORDER] = float(finding.on_border and not at_home)
        else:
            degrees = {Doubt.JUMP: _jump(finding.area, usual, mode)}
        unsure = 1 - finding.confidence if finding.area else finding.objectness
        degrees[Doubt.UNSURE] = unsure if mode == "stack" or finding.area else 1.0  # each image is thought to show one
        shares = {doubt: weights[doubt] * degree for doubt, degree in degrees.items()}
        told = sorted((d for d, degree in degrees.items() if degree >= _TOLD), key=lambda d: -shares[d])
        score = 1 - math.prod(1 - share for share in shares.values())
        yield Suspect(finding.frame, finding.object_id, score, tuple(told))


def _beside(row: Sequence[Finding], place: int, between: bool) -> dict[Doubt, float]:
    """Doubts, 0..1, that the frames on both sides of one raise; ``between``: it was found before and after."""
    here = row[place]
    sides = [row[other] for other in (place - 1, place + 1) if 0 <= other < len(row)]
    there = [side.area for side in sides if side.area]
    if not here.area:
        return {Doubt.MISSING: float(between), Doubt.END: float(bool(there))}
    jump = min((_jump(here.area, area, "stack") for area in there), default=0.0)
    return {Doubt.JUMP: jump, Doubt.END: float(len(there) < len(sides))}


def _jump(area: float, usual: float, mode: Mode) -> float:
    """How far an area is from another one, 0..1."""
    return min(abs(math.log2(area / usual)) / _FULL_JUMP[mode], 1.0) if area and usual else 0.0


def _distance(frame: int, safe: Sequence[int], n_frames: int) -> float:
    """How far from the nearest frame that is safe, as a share of all."""
    return min((abs(frame - other) for other in safe), default=n_frames) / n_frames

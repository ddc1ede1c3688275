"""Frames of a flow where several objects have prompts: what each of them is there, less what the others are.

In a stack objects are told apart by where they are, in a flow by their looks alone. A box around a cytoplasm is one
around the cell; with a box around the nucleus beside it, it is clear what is to be looked for on other images.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ..geometry.boxes import box_of_mask
from ..geometry.compact_mask import part_with_object
from ..geometry.overlap import iou
from ..geometry.parts import most_interior
from ..prompts import BoxPrompt, FramePrompts, PointPrompt
from ..results import FrameResult
from ..segment.segmenter import FrameSegmenter
from ..segment.task import FrameTask, Segmented
from ..segment.windows import inside_boxes
from ..types import Mask
from .label_image import LEAST_SHARE_WITHIN_WHOLE, paint_labels
from .object_state import Kept
from .planning import Step
from .state import SessionState

#: Objects that touch may overlap by this share of their area without one taking from the other.
LARGEST_SHARE_OF_A_SEAM = 0.1
#: What is taken counts if at least this share of it lies in pieces of three by three pixels; two answers about one
#: thing differ in specks.
LEAST_SHARE_IN_PIECES = 0.6
#: What is this near to a positive click is the object, in terms of the square root of its area.
REACH_OF_A_CLICK = 0.1
#: Of a box around more than another object, at least this share is beside the box around that. Boxes around one thing,
#: one tight and one a tenth too large on each side, differ by 0.31.
LEAST_SHARE_BESIDE_OTHER_BOX = 0.4
#: A second answer is taken if it is this much like what was left of the first one, as an IoU.
LEAST_IOU_WITH_WHAT_WAS_LEFT = 0.5


class Rivals:
    """Tells what objects with prompts on one frame take of each other there.

    Parameters
    ----------
    state
        Prompts and results; its lock is held by whoever asks.
    """

    def __init__(self, state: SessionState) -> None:
        self._state = state
        self._latest: tuple[list[FrameResult], npt.NDArray[np.int32]] | None = None  # label image, and what is on it

    def steps(self, objects: Collection[int]) -> list[Step]:
        """The steps that ask again for these objects, once all their prompts have been answered."""
        crowds: dict[int, list[int]] = {}
        for object_id, known in sorted(self._state.objects.items()):
            for frame in known.prompted:
                if known.is_shown_on(frame):
                    crowds.setdefault(frame, []).append(object_id)
        return [
            Step(object_id, frame, heeds_rivals=True)
            for frame, crowd in sorted(crowds.items())
            for object_id in crowd
            if len(crowd) > 1 and object_id in objects and frame not in self._state.objects[object_id].corrections
        ]

    def taken(self, frame: int, object_id: int) -> Mask | None:
        """What other objects took of the answer to an object's prompts, bool ``(H, W)``.

        ``None`` if that is a seam at most, and if next to nothing would be left of it. What the user drew is final,
        what is around a positive click stays. A thing that was prompted twice, as two objects,
        stays with both.
        """
        known = self._state.objects[object_id]
        answer = first_answer(known.kept[frame])
        if answer.drawn:
            return None
        labels = self._label_image(frame)
        taken: Mask = answer.mask & (labels != object_id)
        for click in known.prompts[frame].positive:
            taken &= ~_around(click, REACH_OF_A_CLICK * answer.area**0.5, taken.shape)
        share = np.count_nonzero(taken) / max(answer.area, 1)
        if not LARGEST_SHARE_OF_A_SEAM < share < LEAST_SHARE_WITHIN_WHOLE:
            return None
        solid = _is_solid(taken) and _is_solid(answer.mask & ~taken)
        takers = np.unique(labels[taken]).tolist()
        return taken if solid or all(self._told_apart(frame, object_id, taker) for taker in takers) else None

    def _told_apart(self, frame: int, one: int, other: int) -> bool:
        """Whether the prompts of one of two objects ask for more than the other one is."""
        (prompts, answer), (others, found) = (
            (self._state.objects[k].prompts[frame], first_answer(self._state.objects[k].kept[frame]))
            for k in (one, other)
        )
        return asks_for_more(prompts, others, found) or asks_for_more(others, prompts, answer)

    def forget(self) -> None:
        """Give back what was kept from one question to the next."""
        self._latest = None

    def _label_image(self, frame: int) -> npt.NDArray[np.int32]:
        objects = sorted(self._state.objects.items())
        answers = [first_answer(o.kept[frame]) for _, o in objects if o.is_shown_on(frame) and o.up_to_date(frame)]
        if self._latest is None or self._latest[0] != answers:  # a result is equal to itself alone
            self._latest = answers, paint_labels(self._state.frames.shape(frame), np.int32, answers).labels
        return self._latest[1]


def asks_for_more(prompts: FramePrompts, others: FramePrompts, answer: FrameResult) -> bool:
    """Whether prompts ask for more than another object is: a click beside it does, or a box around much more.

    Parameters
    ----------
    prompts
        Of the one object, on one frame. What was drawn asks for nothing: it is final.
    others, answer
        Prompts and first answer of the other one. Boxes are compared with its boxes, where it has any: people draw all
        of them tightly, or none.
    """
    box = box_of_mask(answer.mask)
    if box is None:
        return False
    near = REACH_OF_A_CLICK * answer.area**0.5
    if any(not (_around(click, near, answer.shape) & answer.mask).any() for click in prompts.positive):
        return True
    boxed = inside_boxes(prompts.boxes, answer.shape)
    also = inside_boxes(others.boxes or [BoxPrompt(answer.frame, *box)], answer.shape)
    return bool(np.count_nonzero(boxed & ~also) > LEAST_SHARE_BESIDE_OTHER_BOX * np.count_nonzero(boxed))


def first_answer(kept: Kept) -> FrameResult:
    """The answer to the prompts of a frame, before other objects were heeded."""
    return kept.first or kept.result


def answer_beside_rivals(
    segmenter: FrameSegmenter, task: FrameTask, first: FrameResult, taken: Mask | None
) -> Segmented:
    """Ask for an object again, knowing what others ``taken`` of the ``first`` answer, ``(H, W)``.

    As a user would: the answer is to be corrected, after clicks by one that says where it is wrong. If the second
    answer is about something else, it is the first one less what was taken.
    """
    if taken is None:
        return segmenter.run(task)
    left = first.mask & ~taken
    prompts = task.prompts
    if prompts.points:
        rows, columns = part_with_object(taken)
        y, x = most_interior(taken[rows, columns])
        away = PointPrompt(task.frame, float(rows.start + y), float(columns.start + x), False, task.object_id)
        prompts = prompts.plus(away)
    done = segmenter.run(replace(task, prompts=prompts, correcting=left, taken=taken))
    if iou(done.result.mask, left) < LEAST_IOU_WITH_WHAT_WAS_LEFT:
        done = segmenter.run(replace(task, taken=taken))
    return done


def fingerprint(taken: Mask | None) -> bytes | None:
    """Tells masks apart, and takes no memory."""
    return None if taken is None else hashlib.blake2b(np.packbits(taken).tobytes(), digest_size=16).digest()


def _around(click: PointPrompt, radius: float, shape: tuple[int, ...]) -> Mask:
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return np.asarray((rows - click.y) ** 2 + (columns - click.x) ** 2 <= max(radius, 1) ** 2)


def _is_solid(mask: Mask) -> bool:
    """Whether most of a mask lies in pieces of three by three pixels at least."""
    pieces = ndimage.binary_opening(mask, np.ones((3, 3), bool))
    return bool(np.count_nonzero(pieces) >= LEAST_SHARE_IN_PIECES * np.count_nonzero(mask))

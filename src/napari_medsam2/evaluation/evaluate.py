"""Measure a model: an object is prompted from the truth of one frame, or of several, and the others are scored.

In a stack the score is the volumetric Dice over all frames without a prompt, so that spilling past the end of the
object counts. In a flow it is the mean over the images without a prompt; where the object is absent from an image, an
empty prediction scores 1 and any other 0. Where clicks correct the worst frames, those frames count as they are then.

The objects of a dataset are segmented in one session, and what is scored is its label image: what a user would save.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..images.datasets import Dataset
from ..memory_bank import bank_for
from ..session.review import Finding
from .prompting import make_prompts, template_frames, worst_click
from .protocol import Protocol
from .review import Checked, check
from .scores import Prompted, Row, score_object

if TYPE_CHECKING:
    from ..models.device import Model
    from ..results import FrameResult
    from ..session.label_image import LabelImage
    from ..session.session import Session


def evaluate(
    model: Model, dataset: Dataset, protocol: Protocol, *, progress: Callable[[int, int], None] | None = None
) -> Iterator[Row]:
    """Score the objects of a dataset.

    Parameters
    ----------
    progress
        Called with (frames done, frames in all) of the dataset.

    Raises
    ------
    DatasetError
        Before anything runs, if an object is not in the dataset or not on the frames asked for.
    """
    from ..session.options import SessionOptions
    from ..session.session import Session

    ids = list(dataset.objects) if protocol.objects is None else list(protocol.objects)
    templates = {object_id: template_frames(dataset, object_id, protocol) for object_id in ids}
    bank = bank_for(protocol.bank, dataset.mode)
    options = SessionOptions(undo_depth=0, adapt=protocol.adapt)
    session = Session(model, dataset.frames, mode=dataset.mode, bank=bank, passes=protocol.passes, options=options)
    n_frames, dtype = len(dataset.frames), np.min_scalar_type(max(ids, default=0))
    done: set[tuple[int, int]] = set()
    for group in [[object_id] for object_id in ids] if protocol.alone else [ids]:
        session.reset()
        for object_id in group:
            for frame in templates[object_id]:
                _add_prompts(session, dataset, protocol, object_id, frame)
        began = time.perf_counter()
        for result in _propagate(session, dataset, group, dtype, protocol.corrections):
            done.add((result.frame, result.object_id))
            if progress is not None:
                progress(len(done), len(ids) * n_frames)
        seconds = (time.perf_counter() - began) / (n_frames * len(group))
        shown = [session.label_image(t, dtype) for t in range(n_frames)]
        for object_id in group:
            prompted = Prompted(
                templates[object_id],
                tuple(sorted({p.frame for p in session.prompts if p.object_id == object_id} - {*templates[object_id]})),
            )
            row = score_object(dataset, protocol, object_id, prompted, shown, seconds, bank=bank, model=model.name)
            yield replace(row, checked=_checked(session, row, shown))


def _checked(session: Session, row: Row, shown: Sequence[LabelImage]) -> Checked:
    """Whether the frames of an object that are most in doubt are the worst ones; those with a prompt are not."""
    found = [session.result(t, row.object) for t in range(len(shown))]
    findings = [Finding.of(r, shown[r.frame].confidences[row.object]) for r in found if r is not None]
    prompted = {*row.templates, *row.corrected}
    return check(findings, {t: dice for t, dice in enumerate(row.frame_dice) if t not in prompted}, session.mode)


def _add_prompts(session: Session, dataset: Dataset, protocol: Protocol, object_id: int, frame: int) -> None:
    """Prompt an object on one frame, from its truth there."""
    for prompt in make_prompts(
        dataset.truth(frame, object_id),
        protocol.prompt,
        frame=frame,
        object_id=object_id,
        seed=protocol.seed,
        parts=protocol.parts,
        loose=protocol.loose,
    ):
        session.add(prompt)


def _propagate(
    session: Session, dataset: Dataset, object_ids: Sequence[int], dtype: npt.DTypeLike, corrections: int
) -> Iterator[FrameResult]:
    """Segment all frames; at the end each object is corrected by a click, as often as ``corrections`` says.

    A click makes the frames that it can change come again, so that the same propagation goes on.
    """
    for result in session.propagate(objects=object_ids):
        yield result
        if corrections and not session.steps_left:
            corrections -= 1
            labels = [session.labels(t, dtype) for t in range(len(dataset.frames))]
            for object_id in object_ids:
                if (correction := worst_click(dataset, object_id, labels)) is not None:
                    session.add(correction)

"""Measure a model: one prompt per object made from the truth of one frame, the other frames scored.

In a stack the score is the volumetric Dice over all frames without a prompt, so that spilling past the end of the
object counts. In a flow it is the mean over the images without a prompt; where the object is absent from an image, an
empty prediction scores 1 and any other 0. Where clicks correct the worst frames, those frames count as they are then.

The objects of a dataset are segmented in one session, and what is scored is its label image: what a user would save.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from .datasets import Dataset, DatasetError
from .memory_bank import BankName, bank_for
from .metrics import (
    dice,
    expected_calibration_error,
    hd95,
    iou,
    pearson_correlation,
    volumetric_dice,
    volumetric_iou,
)
from .parts import MAX_PARTS, Mask, depth, largest_error, largest_parts, most_interior
from .prompts import BoxPrompt, MaskPrompt, PointPrompt, Prompt
from .region import box_of_mask

if TYPE_CHECKING:
    from .models import Model
    from .overlap import Shown

PromptKind = Literal["point", "box", "mask"]

#: Jitter: a box's edges move by up to this share of its sides.
BOX_JITTER = 0.1
#: What is averaged over objects, datasets and kinds of datasets.
SCORES = (
    "dice",
    "dice_prompted",
    "iou",
    "hd95",
    "confidence_dice_correlation",
    "calibration_error",
    "seconds_per_frame",
)


@dataclass(frozen=True)
class Row:
    """Scores of one object of one dataset; what cannot be computed is NaN.

    Attributes
    ----------
    dataset, object, mode, prompt, bank, model
        What was measured. ``object`` is the id.
    frame
        The prompted frame.
    frames
        How many frames were scored: all others.
    dice, iou
        Of those frames: volumetric in a stack, mean over images in a flow.
    dice_prompted
        Of the prompted frame.
    hd95
        95th percentile of the surface distance. Stack: in 3D, from the surface on frames without a prompt. Flow: mean
        over the images where truth and prediction are both there. Infinite if nothing was found.
    hd95_unit
        "mm" if the dataset gives the size of its voxels, else "px".
    confidence_dice_correlation
        Pearson's, between confidence (:meth:`napari_medsam2.session.Session.confidences`) and Dice of frames, where
        truth or prediction is there.
    calibration_error
        Expected calibration error of the confidence against the true IoU, on the same frames.
    seconds_per_frame
        Wall time of the whole run, prompted frame included, over the number of frames and of objects in the session.
    """

    dataset: str
    object: int
    mode: str
    prompt: str
    bank: str
    model: str
    frame: int
    frames: int
    dice: float
    dice_prompted: float
    iou: float
    hd95: float
    hd95_unit: str
    confidence_dice_correlation: float
    calibration_error: float
    seconds_per_frame: float

    def as_json(self) -> dict[str, Any]:
        """For a JSON file: numbers that JSON does not know (NaN, infinite) become ``None``."""
        return {key: _json_number(value) for key, value in asdict(self).items()}


@dataclass(frozen=True)
class Plan:
    """What to measure.

    Attributes
    ----------
    prompt
        What is drawn on the prompted frame.
    bank
        Memory bank policy; "auto" is "fifo" in stacks and "self-sorting" in flows.
    frame
        The prompted frame; ``None`` takes the one where the object is largest in a stack, and the first one that has
        it in a flow.
    seed
        Moves clicks and boxes a little at random; 0 does not.
    loose
        How far each side of a box is outside the object, as a share of the box; 0 is a tight one.
    objects
        Ids to measure; ``None`` measures all.
    passes
        Passes over a flow.
    corrections
        Clicks after the first of them, each in the middle of the largest error of the frame where most is wrong; what
        they change is segmented again before the next.
    parts
        How many of the separate parts of an object get a click or a box, the largest first. With 1, a crowd in a flow
        is prompted as a user does who shows one thing of the kind.
    adapt
        Let the network learn from a mask as a prompt; see :class:`napari_medsam2.session.SessionOptions`.
    alone
        A session for each object, which knows of no other.
    """

    prompt: PromptKind = "box"
    bank: BankName = "auto"
    frame: int | None = None
    seed: int = 0
    loose: float = 0.0
    objects: tuple[int, ...] | None = None
    passes: int = 1
    corrections: int = 0
    parts: int = MAX_PARTS
    adapt: bool = True
    alone: bool = False


def evaluate(
    model: Model, dataset: Dataset, plan: Plan, *, progress: Callable[[int, int], None] | None = None
) -> Iterator[Row]:
    """Score the objects of a dataset.

    Parameters
    ----------
    progress
        Called with (frames done, frames in all) of the dataset.

    Raises
    ------
    DatasetError
        Before anything runs, if an object is not in the dataset or not on the frame asked for.
    """
    from .session import Session, SessionOptions

    ids = list(dataset.objects) if plan.objects is None else list(plan.objects)
    starts = {object_id: prompt_frame(dataset, object_id, plan.frame) for object_id in ids}
    bank = bank_for(plan.bank, dataset.mode)
    options = SessionOptions(undo_depth=0, adapt=plan.adapt)
    session = Session(model, dataset.frames, mode=dataset.mode, bank=bank, passes=plan.passes, options=options)
    n_frames, dtype = len(dataset.frames), np.min_scalar_type(max(ids, default=0))
    done: set[tuple[int, int]] = set()
    for group in [[object_id] for object_id in ids] if plan.alone else [ids]:
        session.reset()
        for object_id in group:
            start = starts[object_id]
            truth = dataset.truth(start, object_id)
            for prompt in make_prompts(
                truth,
                plan.prompt,
                frame=start,
                object_id=object_id,
                seed=plan.seed,
                parts=plan.parts,
                loose=plan.loose,
            ):
                session.add(prompt)
        corrections = plan.corrections
        began = time.perf_counter()
        for result in session.propagate(objects=group):
            done.add((result.frame, result.object_id))
            if progress is not None:
                progress(len(done), len(ids) * n_frames)
            if corrections and not session.steps_left:
                corrections -= 1
                labels = [session.labels(t, dtype) for t in range(n_frames)]
                for object_id in group:
                    if (correction := worst_click(dataset, object_id, labels)) is not None:
                        session.add(correction)
        seconds = (time.perf_counter() - began) / (n_frames * len(group))
        shown = [session.shown(t, dtype) for t in range(n_frames)]
        for object_id in group:
            yield _score(dataset, plan, object_id, starts[object_id], shown, seconds, bank=bank, model=model.name)


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


def worst_click(dataset: Dataset, object_id: int, labels: Sequence[npt.NDArray[Any]]) -> PointPrompt | None:
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


def _score(
    dataset: Dataset,
    plan: Plan,
    object_id: int,
    start: int,
    shown: Sequence[Shown],
    seconds: float,
    *,
    bank: str,
    model: str,
) -> Row:
    n_frames = len(dataset.frames)
    others = [t for t in range(n_frames) if t != start]
    truths = {t: dataset.truth(t, object_id) for t in range(n_frames)}
    masks: dict[int, Mask] = {t: shown[t].labels == object_id for t in range(n_frames)}
    dices = {t: dice(masks[t], truths[t]) for t in others}
    ious = {t: iou(masks[t], truths[t]) for t in others}
    if dataset.mode == "stack":
        overlap = volumetric_dice((masks[t], truths[t]) for t in others) if others else float("nan")
        shared = volumetric_iou((masks[t], truths[t]) for t in others) if others else float("nan")
    else:
        overlap, shared = _mean(list(dices.values())), _mean(list(ious.values()))
    there = [t for t in others if masks[t].any() or truths[t].any()]
    confidence = [shown[t].confidences.get(object_id, 0.0) for t in there]
    return Row(
        dataset=dataset.name,
        object=object_id,
        mode=dataset.mode,
        prompt=plan.prompt,
        bank=bank,
        model=model,
        frame=start,
        frames=len(others),
        dice=overlap,
        dice_prompted=dice(masks[start], truths[start]),
        iou=shared,
        hd95=_surface_distance(dataset, masks, truths, others),
        hd95_unit="mm" if dataset.spacing else "px",
        confidence_dice_correlation=pearson_correlation(confidence, [dices[t] for t in there]),
        calibration_error=expected_calibration_error(confidence, [ious[t] for t in there]),
        seconds_per_frame=seconds,
    )


def _surface_distance(dataset: Dataset, masks: dict[int, Mask], truths: dict[int, Mask], others: list[int]) -> float:
    same_size = len({mask.shape for mask in truths.values()}) == 1
    if dataset.mode == "stack" and same_size:
        counted = np.isin(np.arange(len(masks)), others)[:, None, None]
        predicted, true = (np.stack([source[t] for t in sorted(source)]) for source in (masks, truths))
        if not any(masks[t].any() for t in others) and any(truths[t].any() for t in others):
            return float("inf")
        return hd95(predicted, true, spacing=dataset.spacing, counted=counted)
    spacing = dataset.spacing[1:] if dataset.spacing else None
    both = [t for t in others if masks[t].any() and truths[t].any()]
    return _mean([hd95(masks[t], truths[t], spacing=spacing) for t in both])


def means(rows: Sequence[Row]) -> dict[str, Any]:
    """Mean scores: of each dataset over its objects, and of all stacks and all flows over datasets.

    Returns
    -------
    dict
        ``{"datasets": {name: scores}, "stack": scores, "flow": scores}``; what is NaN or infinite is left out of a
        mean, and a mean of nothing is NaN.
    """
    names = list(dict.fromkeys(row.dataset for row in rows))
    modes = {row.dataset: row.mode for row in rows}
    datasets = {name: _mean_scores([asdict(row) for row in rows if row.dataset == name]) for name in names}
    kinds = {
        mode: _mean_scores([datasets[name] for name in names if modes[name] == mode]) for mode in ("stack", "flow")
    }
    return {"datasets": datasets, **{mode: scores for mode, scores in kinds.items() if mode in modes.values()}}


def _mean_scores(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    return {score: _mean([row[score] for row in rows]) for score in SCORES}


def _mean(values: Sequence[float]) -> float:
    finite = [value for value in values if np.isfinite(value)]
    return float(np.mean(finite)) if finite else float("nan")


def _json_number(value: Any) -> Any:
    return None if isinstance(value, float) and not np.isfinite(value) else value


def as_json(rows: Sequence[Row]) -> dict[str, Any]:
    """``{"rows": [...], "means": {...}}``, ready for :func:`json.dump`."""

    def plain(value: Any) -> Any:
        return {key: plain(item) for key, item in value.items()} if isinstance(value, dict) else _json_number(value)

    return {"rows": [row.as_json() for row in rows], "means": plain(means(rows))}

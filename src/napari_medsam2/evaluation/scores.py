"""Rows of scores, and their means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..geometry.overlap import dice, iou, volumetric_dice, volumetric_iou
from ..images.datasets import Dataset
from ..types import Mask
from .metrics import expected_calibration_error, hd95, pearson_correlation
from .prompting import prompting_order
from .protocol import Protocol
from .review import Checked, as_plain

if TYPE_CHECKING:
    from ..session.label_image import LabelImage


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
        The prompted frame, of several the first.
    templates
        All frames that were prompted at the start.
    corrected
        Those that got clicks later.
    frames
        How many frames were scored: all that are neither templates nor left out.
    dice, iou
        Of those frames: volumetric in a stack, mean over images in a flow.
    dice_prompted
        Of the templates, the mean.
    hd95
        95th percentile of the surface distance. Stack: in 3D, from the surface on frames without a prompt. Flow: mean
        over the images where truth and prediction are both there. Infinite if nothing was found.
    hd95_unit
        "mm" if the dataset gives the size of its voxels, else "px".
    confidence_dice_correlation
        Pearson's, between confidence (:meth:`napari_medsam2.Session.confidences`) and Dice of frames, where truth
        or prediction is there.
    calibration_error
        Expected calibration error of the confidence against the true IoU, on the same frames.
    seconds_per_frame
        Wall time of the whole run, prompted frame included, over the number of frames and of objects in the session.
    frame_dice
        Dice of each frame of the dataset, templates included; 1 where neither truth nor prediction is there.
    checked
        Whether "next to check" leads to the worst of the frames without a prompt.
    """

    dataset: str
    object: int
    mode: str
    prompt: str
    bank: str
    model: str
    frame: int
    templates: tuple[int, ...]
    corrected: tuple[int, ...]
    frames: int
    dice: float
    dice_prompted: float
    iou: float
    hd95: float
    hd95_unit: str
    confidence_dice_correlation: float
    calibration_error: float
    seconds_per_frame: float
    frame_dice: tuple[float, ...]
    checked: Checked = field(default_factory=Checked)

    def as_json(self) -> dict[str, Any]:
        """For a JSON file: numbers that JSON does not know (NaN, infinite) become ``None``."""
        return {key: _json_number(value) for key, value in asdict(self).items()}


@dataclass(frozen=True)
class Prompted:
    """The frames that were prompted: ``templates`` at the start, ``corrected`` later."""

    templates: tuple[int, ...]
    corrected: tuple[int, ...] = ()


def score_object(
    dataset: Dataset,
    protocol: Protocol,
    object_id: int,
    prompted: Prompted,
    shown: Sequence[LabelImage],
    seconds: float,
    *,
    bank: str,
    model: str,
) -> Row:
    """Compare what a session shows with the truth of one object.

    Parameters
    ----------
    prompted
        Templates are scored apart.
    shown
        Labels and confidences of all frames.
    seconds
        Wall time for a frame and an object.
    bank, model
        What segmented them.
    """
    n_frames = len(dataset.frames)
    apart = {*prompted.templates, *prompting_order(dataset, object_id)[: protocol.leave_out]}
    others = [t for t in range(n_frames) if t not in apart]
    truths = {t: dataset.truth(t, object_id) for t in range(n_frames)}
    masks: dict[int, Mask] = {t: shown[t].labels == object_id for t in range(n_frames)}
    dices = [dice(masks[t], truths[t]) for t in range(n_frames)]
    ious = {t: iou(masks[t], truths[t]) for t in others}
    if dataset.mode == "stack":
        overlap = volumetric_dice((masks[t], truths[t]) for t in others) if others else float("nan")
        shared = volumetric_iou((masks[t], truths[t]) for t in others) if others else float("nan")
    else:
        overlap, shared = _mean([dices[t] for t in others]), _mean(list(ious.values()))
    there = [t for t in others if masks[t].any() or truths[t].any()]
    confidence = [shown[t].confidences.get(object_id, 0.0) for t in there]
    return Row(
        dataset=dataset.name,
        object=object_id,
        mode=dataset.mode,
        prompt=protocol.prompt,
        bank=bank,
        model=model,
        frame=prompted.templates[0],
        templates=prompted.templates,
        corrected=prompted.corrected,
        frames=len(others),
        dice=overlap,
        dice_prompted=_mean([dices[t] for t in prompted.templates]),
        iou=shared,
        hd95=_surface_distance(dataset, masks, truths, others),
        hd95_unit="mm" if dataset.spacing else "px",
        confidence_dice_correlation=pearson_correlation(confidence, [dices[t] for t in there]),
        calibration_error=expected_calibration_error(confidence, [ious[t] for t in there]),
        seconds_per_frame=seconds,
        frame_dice=tuple(dices),
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


def worst(rows: Sequence[Row], summary: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The dataset with the lowest mean Dice: ``{"stack": {"dataset": name, "dice": ...}, "flow": ...}``.

    A kind of which no dataset has a score is left out. ``summary`` is what :func:`means` says of the rows.
    """
    datasets = summary["datasets"]
    found: dict[str, dict[str, Any]] = {}
    for name, mode in {row.dataset: row.mode for row in rows}.items():
        score = datasets[name]["dice"]
        if np.isfinite(score) and (mode not in found or score < found[mode]["dice"]):
            found[mode] = {"dataset": name, "dice": score}
    return found


def _mean_scores(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    return {score: _mean([row[score] for row in rows]) for score in SCORES}


def _mean(values: Sequence[float]) -> float:
    finite = [value for value in values if np.isfinite(value)]
    return float(np.mean(finite)) if finite else float("nan")


def _json_number(value: Any) -> Any:
    return None if isinstance(value, float) and not np.isfinite(value) else value


def as_json(rows: Sequence[Row]) -> dict[str, Any]:
    """``{"rows": [...], "means": {...}, "worst": {...}}``, ready for :func:`json.dump`."""

    def plain(value: Any) -> Any:
        return {key: plain(item) for key, item in value.items()} if isinstance(value, dict) else _json_number(value)

    summary = means(rows)
    return {
        "rows": [row.as_json() for row in rows],
        "means": plain(summary),
        "worst": worst(rows, summary),
        "next_to_check": next_to_check(rows),
    }


def next_to_check(rows: Sequence[Row]) -> dict[str, Any]:
    """Whether "next to check" leads to the worst frames; see :func:`.review.as_plain`."""
    return as_plain([(row.dataset, row.mode, row.checked) for row in rows])

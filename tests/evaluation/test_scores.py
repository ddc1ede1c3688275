"""Means of scores, and what of them goes into a JSON file."""

from __future__ import annotations

import json
import math

import pytest

from napari_medsam2.evaluation.scores import Row, as_json, means, worst


def row(dataset: str, mode: str, **scores: float) -> Row:
    values = {
        "dice": 1.0, "dice_prompted": 1.0, "iou": 1.0, "hd95": 0.0, "confidence_dice_correlation": 0.0,
        "calibration_error": 0.0, "seconds_per_frame": 0.1, **scores,
    }  # fmt: skip
    return Row(dataset, 1, mode, "box", "fifo", "m", 0, (0,), (), 5, hd95_unit="px", frame_dice=(1.0,) * 6, **values)


def test_means_are_over_datasets_for_stacks_and_flows_apart() -> None:
    rows = [row("a", "stack", dice=0.0), row("a", "stack", dice=1.0), row("b", "stack", dice=0.9), row("c", "flow")]
    summary = means(rows)
    assert summary["datasets"]["a"]["dice"] == 0.5
    assert summary["stack"]["dice"] == pytest.approx(0.7)
    assert summary["flow"]["dice"] == 1
    assert "flow" not in means(rows[:3])


def test_the_worst_is_the_dataset_with_the_lowest_mean_of_its_kind() -> None:
    rows = [row("a", "stack", dice=0.1), row("a", "stack", dice=0.9), row("b", "stack", dice=0.4)]
    rows += [row("c", "flow", dice=math.nan), row("d", "flow", dice=0.7)]
    assert worst(rows, means(rows)) == {"stack": {"dataset": "b", "dice": 0.4}, "flow": {"dataset": "d", "dice": 0.7}}
    assert worst(rows[3:4], means(rows[3:4])) == {}
    assert as_json(rows)["worst"] == worst(rows, means(rows))


def test_json_has_the_fixed_names_and_no_numbers_that_json_lacks() -> None:
    found = as_json([row("a", "stack", hd95=math.inf, confidence_dice_correlation=math.nan)])
    text = json.dumps(found, allow_nan=False)
    names = {
        "dataset", "object", "mode", "prompt", "bank", "model", "frames", "dice", "iou", "hd95",
        "confidence_dice_correlation", "seconds_per_frame", "dice_prompted", "frame_dice", "templates", "corrected",
    }  # fmt: skip
    assert names <= set(json.loads(text)["rows"][0])
    assert found["rows"][0]["hd95"] is None
    assert found["means"]["stack"]["hd95"] is None

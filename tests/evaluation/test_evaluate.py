"""What ``evaluate`` prompts, and what it scores."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import blob_model, disc, moving_disc

from napari_medsam2.errors import DatasetError
from napari_medsam2.evaluation.evaluate import evaluate
from napari_medsam2.evaluation.prompting import make_prompts, prompt_frame, worst_click
from napari_medsam2.evaluation.protocol import Protocol
from napari_medsam2.evaluation.scores import Row, as_json, means
from napari_medsam2.geometry.parts import largest_parts
from napari_medsam2.images.conversion import as_frames
from napari_medsam2.images.datasets import Dataset, read_dataset
from napari_medsam2.prompts import BoxPrompt, MaskPrompt, PointPrompt


def save(folder: Path, name: str, notes: dict[str, Any] | None, **arrays: np.ndarray) -> Path:
    np.savez_compressed(folder / f"{name}.npz", **arrays)
    if notes is not None:
        (folder / f"{name}.json").write_text(json.dumps(notes))
    return folder / f"{name}.npz"


def stack(*, ends_after: int | None = None, spacing: tuple[float, float, float] | None = None) -> Dataset:
    images, masks = moving_disc(8, ends_after=ends_after)
    return Dataset("discs", "stack", as_frames(images), masks.astype(np.uint8), {1: "disc"}, spacing)


def flow() -> Dataset:
    """Red discs here and there; on the fourth image there is none."""
    masks = np.stack([disc((48, 48), 12 + 4 * t, 34 - 4 * t, 7) for t in range(6)])
    masks[3] = False
    images = np.where(masks[..., None], (230, 60, 50), (20, 22, 24)).astype(np.uint8)
    return Dataset("coins", "flow", as_frames(images), masks.astype(np.uint8), {1: "coin"})


# ---- reading


def test_a_dataset_with_one_size(tmp_path: Path) -> None:
    masks = np.zeros((3, 8, 9), np.uint8)
    masks[1, 2:4, 2:4] = 1
    masks[2, 5, 5] = 7
    path = save(
        tmp_path,
        "ct",
        {"kind": "stack", "voxel_size_zyx": [3, 1, 1], "objects": {"1": "liver"}},
        images=np.zeros((3, 8, 9), np.uint8),
        masks=masks,
        instances=masks,
    )
    dataset = read_dataset(path)
    assert (dataset.name, dataset.mode, dataset.spacing, dict(dataset.objects)) == (
        "ct", "stack", (3, 1, 1), {1: "liver"}
    )  # fmt: skip
    assert len(dataset.frames) == 3
    assert dataset.truth(1, 1).sum() == 4
    assert read_dataset(path, mode="flow").mode == "flow"


def test_a_dataset_with_differing_sizes_and_without_notes(tmp_path: Path) -> None:
    arrays = {}
    for t, size in enumerate([(8, 9), (6, 7)]):
        arrays[f"image_{t:03d}"] = np.zeros((*size, 3), np.uint8)
        arrays[f"mask_{t:03d}"] = np.full(size, 2 + t, np.uint8)
    path = save(tmp_path, "cells", None, **arrays)
    dataset = read_dataset(path, mode="flow")
    assert [dataset.frames.shape(t) for t in range(2)] == [(8, 9), (6, 7)]
    assert dict(dataset.objects) == {2: "object 2", 3: "object 3"}
    with pytest.raises(DatasetError, match="give --mode"):
        read_dataset(path)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"pictures": np.zeros((2, 4, 4))}, "neither an array images nor image_000.*it has pictures"),
        ({"images": np.zeros((2, 4, 4))}, "neither an array masks"),
        ({"images": np.zeros((2, 4, 4)), "masks": np.zeros((3, 4, 4))}, "2 images and 3 masks"),
        ({"images": np.zeros((2, 4, 4)), "masks": np.zeros((2, 4, 5))}, "image 0 has shape"),
        ({"images": np.zeros((4, 4)), "masks": np.zeros((2, 4, 5))}, r"\(T, H, W\)"),
        (
            {f"{name}_{t}": np.zeros((4, 4)) for name, numbers in (("image", "01"), ("mask", "12")) for t in numbers},
            "number 0, but not both",
        ),
    ],
)
def test_what_is_no_dataset_is_refused_in_words(tmp_path: Path, arrays: dict[str, Any], words: str) -> None:
    with pytest.raises(DatasetError, match=words):
        read_dataset(save(tmp_path, "bad", {"kind": "stack"}, **arrays))


@pytest.mark.parametrize(
    ("notes", "words"),
    [
        ({"voxel_size_zyx": [1, 1]}, "three lengths"),
        ({"voxel_size_zyx": 2.0}, "three lengths"),
        ({"clean_ids": 1}, "a list of ids"),
        ({"objects": ["liver"]}, "gives each id a name"),
        ({"objects": {"liver": 1}}, "gives each id a name"),
    ],
)
def test_notes_of_a_wrong_form_are_named(tmp_path: Path, notes: dict[str, Any], words: str) -> None:
    arrays = {"images": np.zeros((2, 4, 4)), "masks": np.ones((2, 4, 4), int)}
    with pytest.raises(DatasetError, match=rf"in noted\.json.*{words}"):
        read_dataset(save(tmp_path, "noted", {"kind": "stack", **notes}, **arrays))


def test_numbered_arrays_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    arrays = {f"{name}_{t}": np.full((4, 4), t, np.uint8) for t in range(12) for name in ("image", "mask")}
    dataset = read_dataset(save(tmp_path, "many", {"kind": "flow"}, **arrays, image_scale=np.ones(1)))
    assert [int(dataset.frames[t][0, 0]) for t in range(12)] == list(range(12))
    assert [int(mask[0, 0]) for mask in dataset.masks] == list(range(12))


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no file"):
        read_dataset(tmp_path / "none.npz")
    (tmp_path / "bad.npz").write_bytes(b"PK not really")
    with pytest.raises(DatasetError, match=r"bad\.npz"):
        read_dataset(tmp_path / "bad.npz")
    path = save(tmp_path, "ok", None, images=np.zeros((2, 4, 4)), masks=np.ones((2, 4, 4)))
    (tmp_path / "ok.json").write_text("{not json")
    with pytest.raises(DatasetError, match=r"ok\.json"):
        read_dataset(path)
    (tmp_path / "ok.json").write_text('{"kind": "film"}')
    with pytest.raises(DatasetError, match="got 'film'"):
        read_dataset(path)


# ---- prompting


def test_the_largest_slice_of_a_stack_and_the_first_image_of_a_flow_are_prompted() -> None:
    masks = np.zeros((4, 8, 8), np.uint8)
    masks[1, :2, :2] = 1
    masks[2, :4, :4] = 1
    for mode, frame in (("stack", 2), ("flow", 1)):
        dataset = Dataset("d", mode, as_frames(masks), masks, {1: "x"})
        assert prompt_frame(dataset, 1) == frame
        assert prompt_frame(dataset, 1, frame=1) == 1
    with pytest.raises(DatasetError, match="not on frame 3; it is on 1, 2"):
        prompt_frame(dataset, 1, frame=3)
    with pytest.raises(DatasetError, match="frames 0 to 3"):
        prompt_frame(dataset, 1, frame=4)
    with pytest.raises(DatasetError, match="no object 2 to score; it has 1"):
        prompt_frame(dataset, 2)


def test_a_click_lies_as_deep_inside_as_possible_and_a_box_fits_exactly() -> None:
    mask = np.zeros((20, 30), bool)
    mask[3:8, 10:15] = True
    mask[5, 15:28] = True  # a thin tail
    assert make_prompts(mask, "point", frame=4, object_id=2) == [PointPrompt(4, 5, 12, True, 2)]
    assert make_prompts(mask, "box", frame=4, object_id=2) == [BoxPrompt(4, 2.5, 9.5, 7.5, 27.5, 2)]
    (drawn,) = make_prompts(mask, "mask")
    assert isinstance(drawn, MaskPrompt)
    np.testing.assert_array_equal(drawn.mask, mask)


def test_a_click_keeps_away_from_the_border_of_the_image() -> None:
    mask = np.zeros((20, 20), bool)
    mask[:9, :9] = True
    assert make_prompts(mask, "point") == [PointPrompt(0, 4, 4)]


def test_each_of_the_ten_largest_parts_gets_a_prompt() -> None:
    mask = np.zeros((40, 80), bool)
    for i in range(13):
        mask[5 : 6 + i, 6 * i : 6 * i + 3] = True
    parts = largest_parts(mask)
    assert [int(part.sum()) for part in parts] == [3 * n for n in range(13, 3, -1)]
    assert len(make_prompts(mask, "box")) == 10
    for prompt in make_prompts(mask, "point"):
        assert isinstance(prompt, PointPrompt)
        assert mask[int(prompt.y), int(prompt.x)]


def test_parts_that_touch_at_a_corner_are_one() -> None:
    assert len(largest_parts(np.eye(4, dtype=bool))) == 1
    assert len(largest_parts(np.eye(4, dtype=bool), corners=False)) == 4


def test_a_loose_box_is_larger_on_every_side_and_stays_on_the_frame() -> None:
    for x, x0 in ((20, 8.6), (10, -0.5)):
        (prompt,) = make_prompts(disc((40, 40), 20, x, 9), "box", loose=0.1)
        assert isinstance(prompt, BoxPrompt)
        np.testing.assert_allclose([prompt.y0, prompt.x0, prompt.y1, prompt.x1], [8.6, x0, 31.4, x + 11.4])


@pytest.mark.parametrize("kind", ["point", "box"])
def test_a_seed_moves_the_prompts_a_little_and_always_the_same(kind: Any) -> None:
    mask = disc((40, 40), 20, 20, 9)
    still, moved = make_prompts(mask, kind), make_prompts(mask, kind, seed=3)
    assert moved == make_prompts(mask, kind, seed=3)
    assert moved != still
    assert moved != make_prompts(mask, kind, seed=4)
    (prompt,) = moved
    if isinstance(prompt, PointPrompt):
        assert mask[int(prompt.y), int(prompt.x)]
    elif isinstance(prompt, BoxPrompt):
        np.testing.assert_allclose([prompt.y0, prompt.x0, prompt.y1, prompt.x1], [10.5, 10.5, 29.5, 29.5], atol=1.9)


# ---- scoring


def test_a_stack_that_is_found_scores_one() -> None:
    seen: list[tuple[int, int]] = []
    (row,) = evaluate(blob_model(), stack(), Protocol(), progress=lambda *step: seen.append(step))
    assert (row.dataset, row.object, row.mode, row.prompt, row.bank, row.model) == (
        "discs", 1, "stack", "box", "fifo", "blobs"
    )  # fmt: skip
    assert row.frames == 7
    assert row.dice > 0.97
    assert row.dice_prompted > 0.97
    assert row.hd95 <= 1
    assert row.hd95_unit == "px"
    assert row.seconds_per_frame > 0
    assert seen[-1] == (8, 8)


def test_what_was_drawn_is_reported_apart_and_not_counted() -> None:
    (row,) = evaluate(blob_model(), stack(), Protocol(prompt="mask", frame=3))
    assert (row.frame, row.frames, row.dice_prompted) == (3, 7, 1)


def test_spilling_past_the_end_of_the_object_counts_in_a_stack() -> None:
    images, masks = moving_disc(8)
    masks[4:] = False  # the network goes on where the object has ended
    dataset = Dataset("spill", "stack", as_frames(images), masks.astype(np.uint8), {1: "disc"})
    (row,) = evaluate(blob_model(), dataset, Protocol(frame=0))
    assert row.dice == pytest.approx(2 * 3 / (3 + 7), abs=0.03)


def test_an_image_without_the_object_scores_one_if_nothing_is_found_there() -> None:
    (row,) = evaluate(blob_model(), flow(), Protocol())
    assert (row.mode, row.bank, row.frame, row.frames) == ("flow", "self-sorting", 0, 5)
    assert row.dice > 0.95
    dataset = flow()
    dataset.masks[2] = 0  # here the network finds a coin that the truth does not have
    (row,) = evaluate(blob_model(), dataset, Protocol(bank="fifo"))
    assert row.bank == "fifo"
    assert row.dice == pytest.approx(4 / 5, abs=0.03)


def test_surface_distance_is_in_millimetres_where_the_voxels_have_a_size() -> None:
    (row,) = evaluate(blob_model(), stack(spacing=(2.0, 0.5, 0.5)), Protocol())
    assert row.hd95_unit == "mm"
    assert row.hd95 <= 0.5


def test_every_object_is_scored() -> None:
    masks = np.zeros((4, 64, 64), np.uint8)
    masks[:, 10:22, 10:22] = 1
    masks[:, 40:52, 40:52] = 2
    dataset = Dataset("two", "stack", as_frames(np.where(masks, 204, 25).astype(np.uint8)), masks, {1: "a", 2: "b"})
    rows = list(evaluate(blob_model(), dataset, Protocol()))
    assert [row.object for row in rows] == [1, 2]
    assert all(row.dice > 0.95 for row in rows)
    assert [row.object for row in evaluate(blob_model(), dataset, Protocol(objects=(2,)))] == [2]


@pytest.mark.parametrize(("alone", "scores"), [(False, [1.0, 1.0]), (True, [1.0, 2 / 3])])
def test_what_is_scored_is_what_a_user_would_save(alone: bool, scores: list[float]) -> None:
    nucleus, cell = disc((64, 64), 20, 20, 8), disc((64, 64), 20, 44, 8)
    masks = np.stack([2 * nucleus + cell] * 4).astype(np.uint8)
    dataset = Dataset("two", "stack", as_frames(np.where(masks, 204, 25).astype(np.uint8)), masks, {1: "a", 2: "b"})
    whole = Protocol(prompt="box", alone=alone)
    network = blob_model()
    segment = network.network.segment

    def both_for_the_left(features: Any, prompts: Any, recalls: Any, **options: Any) -> Any:
        """The left object's box is answered with both things, and both are less clear than one alone."""
        if prompts is not None and float(prompts.boxes[0, 0]) < 20:
            boxes = prompts.boxes.clone()
            boxes[0, 2] = 60
            prompts = replace(prompts, boxes=boxes)
        answer = segment(features, prompts, recalls, **options)
        return replace(answer, logits=answer.logits * 0.5) if (answer.logits > 0).sum() > 300 else answer

    network.network.segment = both_for_the_left  # type: ignore[method-assign]
    rows = list(evaluate(network, dataset, whole))
    assert [row.dice for row in rows] == pytest.approx(scores, abs=0.03)
    assert [row.dice_prompted for row in rows] == pytest.approx(scores, abs=0.03)


def test_of_many_parts_the_largest_ones_are_prompted() -> None:
    truth = np.zeros((30, 80), bool)
    for k in range(12):
        truth[5 : 8 + k, 6 * k : 6 * k + 4] = True
    assert len(make_prompts(truth, "box")) == 10
    (alone,) = make_prompts(truth, "box", parts=1)
    assert isinstance(alone, BoxPrompt) and alone.x0 == 65.5
    assert len(make_prompts(truth, "point", parts=3)) == 3


def test_corrections_click_on_the_worst_frame_until_nothing_is_wrong() -> None:
    images, masks = moving_disc(8)
    for t, x in ((4, 50), (6, 52)):  # look-alikes out of the way, which the network takes for the object
        images[t][disc((64, 64), x, x, 5 + t // 6)] = 204
    dataset = Dataset("twins", "stack", as_frames(images), masks.astype(np.uint8), {1: "disc"})
    model = blob_model()
    model.network.uses_neighbour = False
    scores = [next(evaluate(model, dataset, Protocol("point", frame=0, corrections=n))).dice for n in range(4)]
    assert scores[0] < scores[1] < scores[2] == scores[3] == 1


def test_the_worst_click_is_in_the_middle_of_the_largest_error() -> None:
    dataset = stack()
    found = {t: dataset.truth(t, 1).copy() for t in range(8)}
    assert worst_click(dataset, 1, labels_of(found)) is None
    found[2][:4, :6] = True
    found[5][:9, 44:53] = True
    found[5][:1, :3] = True
    assert worst_click(dataset, 1, labels_of(found)) == PointPrompt(5, 4, 48, False)
    found[6][:] = False
    click = worst_click(dataset, 1, labels_of(found))
    assert click is not None and click.frame == 6 and click.positive and dataset.truth(6, 1)[int(click.y), int(click.x)]


def labels_of(masks: dict[int, np.ndarray]) -> list[np.ndarray]:
    return [mask.astype(np.int64) for _, mask in sorted(masks.items())]


def test_a_wrong_object_or_frame_is_refused_before_anything_runs() -> None:
    model = blob_model()
    with pytest.raises(DatasetError, match="no object 5"):
        list(evaluate(model, stack(), Protocol(objects=(1, 5))))
    assert model.network.calls.encoded == 0


def row(dataset: str, mode: str, **scores: float) -> Row:
    values = {
        "dice": 1.0, "dice_prompted": 1.0, "iou": 1.0, "hd95": 0.0, "confidence_dice_correlation": 0.0,
        "calibration_error": 0.0, "seconds_per_frame": 0.1, **scores,
    }  # fmt: skip
    return Row(dataset, 1, mode, "box", "fifo", "m", 0, 5, hd95_unit="px", **values)


def test_means_are_over_datasets_for_stacks_and_flows_apart() -> None:
    rows = [row("a", "stack", dice=0.0), row("a", "stack", dice=1.0), row("b", "stack", dice=0.9), row("c", "flow")]
    summary = means(rows)
    assert summary["datasets"]["a"]["dice"] == 0.5
    assert summary["stack"]["dice"] == pytest.approx(0.7)
    assert summary["flow"]["dice"] == 1
    assert "flow" not in means(rows[:3])


def test_json_has_the_fixed_names_and_no_numbers_that_json_lacks() -> None:
    found = as_json([row("a", "stack", hd95=math.inf, confidence_dice_correlation=math.nan)])
    text = json.dumps(found, allow_nan=False)
    names = {
        "dataset", "object", "mode", "prompt", "bank", "model", "frames", "dice", "iou", "hd95",
        "confidence_dice_correlation", "seconds_per_frame", "dice_prompted",
    }  # fmt: skip
    assert names <= set(json.loads(text)["rows"][0])
    assert found["rows"][0]["hd95"] is None
    assert found["means"]["stack"]["hd95"] is None

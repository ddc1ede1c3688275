"""What ``evaluate`` scores: the label image that a user would save, in stacks and in flows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from fakes import blob_model, disc, moving_disc
from labelled import flow, stack

from napari_medsam2.errors import DatasetError
from napari_medsam2.evaluation.evaluate import evaluate
from napari_medsam2.evaluation.protocol import Protocol
from napari_medsam2.images.datasets import Dataset
from napari_medsam2.images.formats import as_frames


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


def test_corrections_click_on_the_worst_frame_until_nothing_is_wrong() -> None:
    images, masks = moving_disc(8)
    for t, x in ((4, 50), (6, 52)):  # look-alikes out of the way, which the network takes for the object
        images[t][disc((64, 64), x, x, 5 + t // 6)] = 204
    dataset = Dataset("twins", "stack", as_frames(images), masks.astype(np.uint8), {1: "disc"})
    model = blob_model()
    model.network.uses_neighbour = False
    scores = [next(evaluate(model, dataset, Protocol("point", frame=0, corrections=n))).dice for n in range(4)]
    assert scores[0] < scores[1] < scores[2] == scores[3] == 1


def test_a_wrong_object_or_frame_is_refused_before_anything_runs() -> None:
    model = blob_model()
    with pytest.raises(DatasetError, match="no object 5"):
        list(evaluate(model, stack(), Protocol(objects=(1, 5))))
    assert model.network.calls.encoded == 0


def red_discs(count: int, yellow: tuple[int, ...] = ()) -> Dataset:
    """A flow with a disc on each image; on some it is yellow, which the network does not take for a red one."""
    masks = np.stack([disc((48, 48), 12 + 3 * (t % 6), 34 - 3 * (t % 6), 7) for t in range(count)])
    images = np.where(masks[..., None], (230, 60, 50), (20, 22, 24)).astype(np.uint8)
    for t in yellow:
        images[t][masks[t]] = (230, 200, 50)
    return Dataset("coins", "flow", as_frames(images), masks.astype(np.uint8), {1: "coin"})


def test_several_templates_are_prompted_and_what_is_left_out_is_not_scored() -> None:
    dataset = red_discs(8)
    dataset.masks[0] = 0
    (row,) = evaluate(blob_model(), dataset, Protocol("mask", templates=3, leave_out=4))
    assert (row.frame, row.templates, row.corrected, row.frames) == (1, (1, 2, 3), (), 4)
    assert row.dice_prompted == 1
    assert len(row.frame_dice) == 8 and row.dice == pytest.approx(np.mean([row.frame_dice[t] for t in (0, 5, 6, 7)]))
    (one,) = evaluate(blob_model(), dataset, Protocol("mask", leave_out=4))
    assert (one.templates, one.frames) == ((1,), 4), "scored on the same images"


def test_further_prompts_in_a_stack_are_scored_on_the_same_slices() -> None:
    rows = [next(evaluate(blob_model(), stack(), Protocol(templates=n, leave_out=3))) for n in (1, 3)]
    assert [len(row.templates) for row in rows] == [1, 3] and rows[0].frame == rows[1].frame
    assert [row.frames for row in rows] == [5, 5]


def test_templates_that_leave_nothing_to_score_are_refused() -> None:
    for protocol in (Protocol(templates=6), Protocol(leave_out=6)):
        with pytest.raises(DatasetError, match="on 6 images: none is left to score beside 6"):
            next(evaluate(blob_model(), red_discs(6), protocol))


def test_a_correction_in_a_flow_is_heard_on_all_images() -> None:
    dataset = red_discs(6, yellow=(2, 3, 5))
    rows = [next(evaluate(blob_model(), dataset, Protocol("point", corrections=n))) for n in (0, 1)]
    assert [row.corrected for row in rows] == [(), (2,)]
    untouched = [np.mean([row.frame_dice[t] for t in (3, 5)]) for row in rows]
    assert untouched == pytest.approx([0, 1], abs=0.05)

"""Prompts made from the truth: where the first one is, and where a click corrects."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fakes import disc
from labelled import stack

from napari_medsam2.errors import DatasetError
from napari_medsam2.evaluation.prompting import make_prompts, prompt_frame, prompting_order, worst_click
from napari_medsam2.geometry.parts import largest_parts
from napari_medsam2.images.datasets import Dataset
from napari_medsam2.images.formats import as_frames
from napari_medsam2.prompts import BoxPrompt, MaskPrompt, PointPrompt


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


def test_further_prompts_in_a_stack_halve_the_longest_run_without_one() -> None:
    masks = np.zeros((12, 8, 8), np.uint8)
    masks[2:11, :3, :3] = 1
    masks[4, :4, :4] = 1
    order = prompting_order(Dataset("d", "stack", as_frames(masks), masks, {1: "x"}), 1)
    assert order[:3] == [4, 7, 9] and sorted(order) == list(range(2, 11))
    assert prompting_order(Dataset("d", "flow", as_frames(masks), masks, {1: "x"}), 1) == list(range(2, 11))


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


def test_of_many_parts_the_largest_ones_are_prompted() -> None:
    truth = np.zeros((30, 80), bool)
    for k in range(12):
        truth[5 : 8 + k, 6 * k : 6 * k + 4] = True
    assert len(make_prompts(truth, "box")) == 10
    (alone,) = make_prompts(truth, "box", parts=1)
    assert isinstance(alone, BoxPrompt) and alone.x0 == 65.5
    assert len(make_prompts(truth, "point", parts=3)) == 3


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


def labels_of(masks: dict[int, np.ndarray]) -> list[np.ndarray]:
    return [mask.astype(np.int64) for _, mask in sorted(masks.items())]


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

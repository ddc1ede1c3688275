"""Simulated prompts point at the object, and corrective clicks at the largest error."""

from __future__ import annotations

import numpy as np

from napari_medsam2.training.data.prompts import corrective_click, simulate_prompt


def test_simulated_prompts_point_at_the_object() -> None:
    mask = np.zeros((40, 50), bool)
    mask[5:15, 10:30] = mask[20:35, 35:45] = True
    for seed in range(20):
        prompt = simulate_prompt(mask, np.random.default_rng(seed))
        for (x, y), label in zip(prompt.points, prompt.labels, strict=True):
            assert mask[int(y), int(x)] == bool(label)
        for x0, y0, x1, y1 in prompt.boxes:
            assert mask[int((y0 + y1) / 2), int((x0 + x1) / 2)]
    boxes = simulate_prompt(mask, np.random.default_rng(1), (1, 0, 0)).boxes
    assert len(boxes) == 2


def test_an_object_that_fills_the_window_gets_no_click_outside() -> None:
    mask = np.ones((16, 16), bool)
    for seed in range(40):
        assert not (simulate_prompt(mask, np.random.default_rng(seed), (0, 1, 0)).labels == 0).any()


def test_in_a_flow_a_few_of_many_things_may_say_which_kind_is_meant() -> None:
    mask = np.zeros((64, 64), bool)
    for k in range(6):
        mask[10 * k : 10 * k + 6, 10:20] = True
    every = [len(simulate_prompt(mask, np.random.default_rng(seed), (1, 0, 0)).boxes) for seed in range(20)]
    some = [len(simulate_prompt(mask, np.random.default_rng(seed), (1, 0, 0), few=1.0).boxes) for seed in range(20)]
    assert set(every) == {6} and set(some) == {1, 2, 3}


def test_a_corrective_click_lands_in_the_largest_error() -> None:
    truth = np.zeros((40, 40), bool)
    truth[5:25, 5:25] = True
    missed = truth.copy()
    missed[15:25, 5:25] = False
    click = corrective_click(truth, missed)
    assert click is not None and click.labels.tolist() == [1]
    x, y = click.points[0]
    assert 15 <= y < 25 and 5 <= x < 25
    spilled = truth.copy()
    spilled[30:40, 10:20] = True
    click = corrective_click(truth, spilled)
    assert click is not None and click.labels.tolist() == [0] and click.points[0][1] >= 30
    assert corrective_click(truth, truth) is None

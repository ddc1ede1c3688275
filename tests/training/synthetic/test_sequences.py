"""Whole synthetic sequences: truth in them, objects that end for good, bridges, borders, flips and windows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage
from synthetic_helpers import drifting_ball

from napari_medsam2.training.config import TrainConfig
from napari_medsam2.training.data.batches import make_batch
from napari_medsam2.training.synthetic import stacks
from napari_medsam2.training.synthetic.flows import make_flow
from napari_medsam2.training.synthetic.sample import Sample, flipped_sample, inside_of_a_border, repeated_beyond
from napari_medsam2.training.synthetic.stacks import keep_connected, make_stack


@pytest.mark.parametrize("make", [make_stack, make_flow])
def test_synthetic_sequences_have_an_object_to_find(make) -> None:
    sample = make(np.random.default_rng(3), 4, 64)
    assert sample.images.shape == (4, 3, 64, 64) and sample.masks.shape == (4, 64, 64)
    assert sample.images.min() >= 0 and sample.images.max() <= 1
    assert 20 <= sample.masks[0].sum() < 0.7 * 64 * 64


def test_stack_neighbours_overlap_and_flows_move() -> None:
    def overlap(make) -> float:
        found = []
        for seed in range(12):
            masks = make(np.random.default_rng(seed), 2, 64).masks
            found.append((masks[0] & masks[1]).sum() / max((masks[0] | masks[1]).sum(), 1))
        return float(np.mean(found))

    assert overlap(make_stack) > overlap(make_flow) + 0.2


def test_objects_end_in_some_stacks() -> None:
    ended = [not make_stack(np.random.default_rng(seed), 6, 64).masks[-1].any() for seed in range(30)]
    assert 2 < sum(ended) < 28


def test_the_object_of_a_stack_begins_in_one_piece() -> None:
    for seed in range(40):
        parts, count = ndimage.label(make_stack(np.random.default_rng(seed), 2, 64).masks[0])
        sizes = np.bincount(parts.ravel())[1:]
        assert count <= 3 and sizes.max() >= 0.5 * sizes.sum()


def test_an_object_that_has_ended_does_not_come_back() -> None:
    masks = np.zeros((6, 40, 40), bool)
    masks[:3, 5:15, 5:15] = True
    masks[1, 30:38, 30:38] = True  # of the same kind, but elsewhere
    masks[4:, 5:15, 5:15] = True  # where it was, after a slice without it
    kept = keep_connected(masks, None)
    assert [int(m.sum()) for m in kept] == [100, 100, 100, 0, 0, 0]
    for seed in range(30):
        there = make_stack(np.random.default_rng(seed), 8, 64).masks.any((1, 2))
        assert not np.any(~there[:-1] & there[1:])


def test_what_follows_a_bridge_is_kept_and_carries_on_from_there(monkeypatch: pytest.MonkeyPatch) -> None:
    lost = 0
    after = []
    for seed in range(60):
        sample = make_stack(np.random.default_rng(seed), 4, 64, bridged=True)
        there = sample.masks.any((1, 2))
        assert not np.any(~there[1:-1] & there[2:])
        lost += not there[1]
        after.append(sample.masks[1])
    assert lost < 30
    monkeypatch.setattr(stacks, "keep_connected", lambda masks, before: masks)
    for seed, kept in enumerate(after):
        seen = make_stack(np.random.default_rng(seed), 4, 64, bridged=True).masks[1]
        np.testing.assert_array_equal(kept, seen, "over a bridge the window moves: nothing there may be left out")


@pytest.mark.parametrize("any_scale", [False, True])
def test_masks_of_followed_stacks_are_there_where_the_windows_say(
    any_scale: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene, course = drifting_ball()
    if any_scale:
        course = replace(course, window=(0.1, 0.05, 0.9))
    monkeypatch.setattr(stacks, "draw_stack_scene", lambda rng: scene)
    monkeypatch.setattr(stacks, "choose_course", lambda *args, **kwargs: course)
    monkeypatch.setattr(stacks, "flipped_sample", lambda sample, rng: sample)
    monkeypatch.setattr(stacks, "inside_of_a_border", lambda size, rng: np.ones((size, size), bool))
    for seed in range(12):
        sample = make_stack(np.random.default_rng(seed), 6, 64, followed=True, any_scale=any_scale)
        assert sample.windows is not None and sample.masks.any((1, 2)).all()
        area = sample.masks.sum((1, 2)) * (sample.windows[:, 2] / 64) ** 2
        assert np.ptp(area) < 0.3 * area.max(), "none of it is lost on the way"


def test_a_border_repeats_the_last_pixels_of_the_frame() -> None:
    inside = inside_of_a_border(40, np.random.default_rng(0))
    columns = np.flatnonzero(inside[0])
    assert inside[:, columns].all() and 40 > len(columns) > 10
    images = np.random.default_rng(1).random((2, 3, 40, 40), np.float32)
    shown = repeated_beyond(images, inside)
    np.testing.assert_array_equal(shown[..., columns], images[..., columns])
    outside = np.flatnonzero(~inside[0])
    ends = np.where(outside < columns[0], columns[0], columns[-1])
    np.testing.assert_array_equal(shown[..., outside], images[..., ends])


@pytest.mark.parametrize("seed", range(8))
def test_a_turned_sequence_says_where_its_windows_are(seed: int) -> None:
    masks = np.zeros((3, 32, 32), bool)
    windows = np.array([[0, 0, 32, 32], [3, -5, 32, 32], [8, 2, 16, 16]], np.float32)
    for mask, (y0, x0, side, _) in zip(masks, windows, strict=True):  # the same place in all of them
        y, x = int((12.5 - y0) / side * 32), int((9.5 - x0) / side * 32)
        mask[y, x] = True
    images = np.repeat(masks[:, None], 3, 1).astype(np.float32)
    bridge = np.zeros((32, 32), bool)
    bridge[np.nonzero(masks[1])] = True
    sample = flipped_sample(Sample(images, masks, "stack", bridge, windows=windows), np.random.default_rng(seed))
    assert sample.windows is not None and sample.bridge is not None
    np.testing.assert_array_equal(sample.images[:, 0] > 0, sample.masks)
    np.testing.assert_array_equal(sample.bridge, sample.masks[1])
    at = np.argwhere(sample.masks)[:, 1:] + 0.5
    places = sample.windows[:, :2] + at / 32 * sample.windows[:, 2:]
    np.testing.assert_allclose(places, places[:1].repeat(3, 0), atol=0.26)


def test_batches_of_stacks_say_what_their_windows_show() -> None:
    config = TrainConfig(flows=0.0, followed=1.0, pixels=60_000, length=3, first_length=3)
    batch = make_batch(config, 1)
    assert batch.windows is not None and batch.windows.shape == (*batch.images.shape[:2], 4)
    assert make_batch(replace(config, followed=0.0), 1).windows is None
    assert make_batch(replace(config, flows=1.0), 1).windows is None

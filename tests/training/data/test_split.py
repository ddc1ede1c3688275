"""What is held out: never what is trained on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from napari_medsam2.images.datasets import Dataset
from napari_medsam2.images.formats import as_frames
from napari_medsam2.training.data.split import split


def dataset(mode: str, count: int, numbers: int = 1, name: str = "d") -> Dataset:
    masks = np.zeros((count, 20, 20), np.uint8)
    for number in range(numbers):
        masks[:, 3 * number : 3 * number + 2, 2:9] = number + 1
    return Dataset(name, mode, as_frames(masks * 9), masks, {n + 1: str(n) for n in range(numbers)})


def test_images_of_a_flow_are_held_out_and_never_trained_on() -> None:
    whole = dataset("flow", 12)
    done = split([whole], 0.25, seed=3)
    trained, held = len(done.training[0].dataset.frames), len(done.held_out[0].dataset.frames)
    assert (trained, held) == (9, 3)
    again = split([whole], 0.25, seed=3)
    names = [done.held_out[0].dataset.frames.name(t) for t in range(3)]
    assert names == [again.held_out[0].dataset.frames.name(t) for t in range(3)]
    trained_on = {done.training[0].dataset.frames.name(t) for t in range(9)}
    assert not trained_on & set(names)


def test_of_stacks_a_stack_an_object_or_an_end_is_held_out() -> None:
    stacks = split([dataset("stack", 6, name=name) for name in "abcd"], 0.25, 0)
    assert len(stacks.training) == 3 and len(stacks.held_out) == 1
    objects = split([dataset("stack", 6, numbers=5)], 0.25, 0)
    assert set(objects.training[0].objects) | set(objects.held_out[0].objects) == {1, 2, 3, 4, 5}
    assert not set(objects.training[0].objects) & set(objects.held_out[0].objects)
    ends = split([dataset("stack", 12)], 0.25, 0)
    assert [len(part.dataset.frames) for part in (*ends.training, *ends.held_out)] == [9, 3]


def test_a_rare_kind_is_in_both_halves() -> None:
    whole = dataset("flow", 16, numbers=2)
    masks = np.array(whole.masks)
    masks[4:][masks[4:] == 2] = 0
    for seed in range(5):
        done = split([replace(whole, masks=masks)], 0.25, seed)
        assert set(done.training[0].objects) == {1, 2}
        assert set(done.held_out[0].objects) == {1, 2}

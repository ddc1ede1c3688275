"""Batches of the user's own images: what the network sees of them, and that nothing changes them."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from training_helpers import TINY, discs, write_pairs

from napari_medsam2.errors import DatasetError
from napari_medsam2.training.config import TrainConfig, make_config
from napari_medsam2.training.data.batches import Share, SyntheticBatches, batches
from napari_medsam2.training.data.labelled import LabelledBatches, View, open_labelled

VIEW = View(64, 64)


def config_for(*paths: Path, **changes: object) -> TrainConfig:
    small = {"pixels": 3 * 2 * 64 * 64, "steps": 10, "first_length": 2, "length": 3, "workers": 0}
    return make_config({"data": tuple(map(str, paths)), **small, **changes})


def make_batches(config: TrainConfig) -> LabelledBatches:
    return open_labelled(config).batches(config, VIEW)


def test_too_little_to_hold_out_says_how_to_train_anyway(tmp_path: Path) -> None:
    folder = write_pairs(tmp_path, *discs(3))
    with pytest.raises(DatasetError, match="--holdout 0"):
        open_labelled(config_for(folder))
    assert not open_labelled(config_for(folder, holdout=0.0)).split.held_out


def test_objects_too_small_for_the_network_are_told(tmp_path: Path) -> None:
    masks = np.zeros((4, 400, 400), np.uint8)
    masks[:, 7:9, 7:9] = 1
    folder = write_pairs(tmp_path, masks * 90, masks)
    config = config_for(folder, holdout=0.0, workers=1)
    make = open_labelled(config).batches(config, VIEW)
    with pytest.raises(DatasetError, match="too small: at 64 x 64"):
        make(0, 0)
    with pytest.raises(DatasetError, match="too small"):
        next(batches(config, 0, make))


def test_batches_of_stacks_and_flows_show_the_object_on_the_first_frame(tmp_path: Path) -> None:
    images, masks = discs(8, mode="stack")
    np.savez(tmp_path / "scan.npz", images=images, masks=masks)
    (tmp_path / "scan.json").write_text(json.dumps({"kind": "stack"}))
    folder = write_pairs(tmp_path / "cells", *discs(8))
    make = make_batches(config_for(tmp_path / "scan.npz", folder, holdout=0.0, flips=False))
    seen = set()
    for number in range(8):
        batch = make(number, 9)
        seen.add(batch.mode)
        assert batch.images.shape[1:] == (3, 3, 64, 64) and batch.masks.shape[1:] == (3, 1, 64, 64)
        assert (batch.masks[:, 0] > 0.5).sum((1, 2, 3)).min() >= 4
        share = float((batch.masks[:, 0] > 0.5).float().mean())
        if batch.mode == "stack":  # a window 1.9 times as wide as the disc, not the whole frame of 5 times its width
            assert 0.1 < share < 0.4
        bright = (batch.images[:, :, :1] * batch.masks).sum() / batch.masks.sum()
        assert bright > (batch.images[:, :, :1] * (1 - batch.masks)).sum() / (1 - batch.masks).sum() + 0.2
    assert seen == {"stack", "flow"}


def test_objects_may_be_absent_from_later_frames(tmp_path: Path) -> None:
    images, masks = discs(8, mode="stack")
    masks[3:] = 0
    folder = write_pairs(tmp_path, images, masks)
    make = make_batches(config_for(folder, holdout=0.0, mode="stack"))
    later = torch.cat([make(number, 9).masks[:, 1:].amax((2, 3, 4)).flatten() for number in range(6)])
    assert 0 in later and 1 in later.round()


def test_bridged_stacks_go_on_from_a_worn_mask(tmp_path: Path) -> None:
    folder = write_pairs(tmp_path, *discs(8, mode="stack"))
    make = make_batches(config_for(folder, holdout=0.0, mode="stack", bridges=1.0))
    overlaps = []
    for number in range(4):
        batch = make(number, 9)
        assert batch.bridge is not None and batch.bridge.shape == (len(batch.prompts), 1, 64, 64)
        truth, bridge = batch.masks[:, 1] > 0.5, batch.bridge > 0.5
        overlaps += ((truth & bridge).sum((1, 2, 3)) / (truth | bridge).sum((1, 2, 3))).tolist()
    assert 0.4 < np.mean(overlaps) < 0.999


def test_neither_workers_nor_a_new_process_change_the_data(tmp_path: Path) -> None:
    folder = write_pairs(tmp_path, *discs(6))
    config = replace(config_for(folder, holdout=0.0), steps=3)
    make = LabelledBatches(config, VIEW)
    make.load()
    alone = [make(number, number).images for number in range(3)]
    twin = pickle.loads(pickle.dumps(make))
    assert torch.equal(twin(2, 2).images, alone[2])
    worked = [batch.images for batch in batches(replace(config, workers=2), 0, make)]
    assert all(map(torch.equal, alone, worked)) and len(worked) == 3


def test_processes_and_accumulated_batches_share_the_data_out() -> None:
    config = replace(TINY, steps=2, accumulate=2)
    make = SyntheticBatches(config)
    for rank in range(2):
        own = [batch.images for batch in batches(config, 1, make, Share(rank, 2))]
        assert all(map(torch.equal, own, [make(2 * k + rank, 1).images for k in (2, 3)]))

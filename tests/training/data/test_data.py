"""Training on one's own labelled images: what is found, what is held out, what the network gets to see, bad input."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image
from training_helpers import TINY, discs, write_pairs, write_tif

from napari_medsam2.errors import DatasetError
from napari_medsam2.images.conversion import as_frames
from napari_medsam2.images.datasets import Dataset
from napari_medsam2.training.config import TrainConfig, make_config
from napari_medsam2.training.data.batches import Share, SyntheticBatches, batches
from napari_medsam2.training.data.labelled import LabelledBatches, View, open_labelled
from napari_medsam2.training.data.pairs import read_labelled
from napari_medsam2.training.data.split import split

VIEW = View(64, 64)


def config_for(*paths: Path, **changes: object) -> TrainConfig:
    small = {"pixels": 3 * 2 * 64 * 64, "steps": 10, "first_length": 2, "length": 3, "workers": 0}
    return make_config({"data": tuple(map(str, paths)), **small, **changes})


def make_batches(config: TrainConfig) -> LabelledBatches:
    return open_labelled(config).batches(config, VIEW)


# ---- finding images and labels --------------------------------------------------------------------------------------


def test_single_images_with_labels_make_a_flow(tmp_path: Path) -> None:
    (found,) = read_labelled([write_pairs(tmp_path / "cells", *discs(5))]).datasets
    assert (found.name, found.mode, len(found.frames), dict(found.objects)) == ("cells", "flow", 5, {1: "object 1"})
    assert np.array_equal(found.masks[3], discs(5)[1][3])


@pytest.mark.parametrize("ending", ["_labels", "_masks", "_seg"])
def test_labels_lie_beside_their_images_and_3d_files_are_stacks(tmp_path: Path, ending: str) -> None:
    for name in ("scan1", "scan2"):
        images, masks = discs(4, mode="stack")
        write_tif(tmp_path / f"{name}.tif", images)
        write_tif(tmp_path / f"{name}{ending}.tif", 3 * masks)
    found = read_labelled([tmp_path]).datasets
    assert [(d.name, d.mode, len(d.frames), list(d.objects)) for d in found] == [
        ("scan1", "stack", 4, [3]),
        ("scan2", "stack", 4, [3]),
    ]
    (flow,) = read_labelled([tmp_path], mode="flow").datasets
    assert flow.mode == "flow" and len(flow.frames) == 8


def test_slices_in_files_of_their_own_make_a_stack_if_asked(tmp_path: Path) -> None:
    (found,) = read_labelled([write_pairs(tmp_path, *discs(4, mode="stack"))], mode="stack").datasets
    assert found.mode == "stack" and len(found.frames) == 4


def test_colour_images_palette_labels_and_other_formats_are_read(tmp_path: Path) -> None:
    images, masks = discs(2)
    for t in range(2):
        Image.fromarray(np.repeat(images[t][..., None], 3, 2)).save(tmp_path / f"p{t}.png")
        palette = Image.fromarray(2 * masks[t], mode=None).convert("P")
        palette.putpalette([9, 9, 9, 200, 0, 0, 0, 200, 0])
        palette.save(tmp_path / f"p{t}_label.png")
    (found,) = read_labelled([tmp_path]).datasets
    assert found.frames[0].shape == (48, 48, 3)
    assert list(found.objects) == [2]


def test_instances_of_a_flow_are_one_kind_of_object(tmp_path: Path) -> None:
    masks = np.zeros((3, 40, 40), np.uint8)
    for t, count in enumerate((5, 7, 9)):
        for k in range(count):
            masks[t, 4 * k : 4 * k + 3, 5:20] = k + 1
    write_pairs(tmp_path, masks * 20, masks)
    found = read_labelled([tmp_path])
    assert list(found.datasets[0].objects) == [1] and "--labels classes" in " ".join(found.notes)
    assert list(read_labelled([tmp_path], labels="classes").datasets[0].objects) == list(range(1, 10))


def test_npz_datasets_and_images_without_labels(tmp_path: Path) -> None:
    images, masks = discs(4, mode="stack")
    np.savez(tmp_path / "scan.npz", images=images, masks=masks)
    (tmp_path / "scan.json").write_text(json.dumps({"kind": "stack"}))
    write_pairs(tmp_path / "cells", *discs(5))
    tifffile.imwrite(tmp_path / "cells" / "images" / "lonely.tif", images[0])
    found = read_labelled([tmp_path / "scan.npz", tmp_path / "cells"])
    assert [d.mode for d in found.datasets] == ["stack", "flow"]
    assert "lonely.tif" in found.notes[0]


# ---- bad input ------------------------------------------------------------------------------------------------------


def test_a_folder_without_pairs_is_told_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="it is empty"):
        read_labelled([tmp_path])
    tifffile.imwrite(tmp_path / "scan.tif", discs(1)[0][0])
    with pytest.raises(DatasetError, match=r"it holds scan\.tif\. Looked for images/ and labels/ .* _mask"):
        read_labelled([tmp_path])
    with pytest.raises(DatasetError, match="there is no file or folder"):
        read_labelled([tmp_path / "nowhere"])
    with pytest.raises(DatasetError, match="name the folder"):
        read_labelled([tmp_path / "scan.tif"])


def test_labels_of_another_size_are_named_with_both_sizes(tmp_path: Path) -> None:
    images, masks = discs(3)
    write_pairs(tmp_path, images, masks)
    tifffile.imwrite(tmp_path / "labels" / "a1.tif", masks[1][:, :40])
    with pytest.raises(DatasetError, match=r"a1\.tif is 48 x 48 and its labels a1\.tif are 48 x 40"):
        read_labelled([tmp_path])
    write_tif(tmp_path / "labels" / "a1.tif", masks)
    with pytest.raises(DatasetError, match=r"has 1 frames and its labels a1\.tif have 3"):
        read_labelled([tmp_path])


@pytest.mark.parametrize(
    ("label", "words"),
    [
        (np.zeros((48, 48), np.uint8), "no object on any label image"),
        (np.full((48, 48), 0.5, np.float32), "not whole numbers"),
        (np.full((48, 48), -1, np.int16), "negative numbers"),
        (np.random.default_rng(0).integers(0, 255, (48, 48, 3), np.uint8), "colour picture"),
    ],
)
def test_labels_that_are_none_are_refused(tmp_path: Path, label: np.ndarray, words: str) -> None:
    write_pairs(tmp_path, discs(1)[0], discs(1)[1])
    tifffile.imwrite(tmp_path / "labels" / "a0.tif", label, photometric="rgb" if label.ndim == 3 else "minisblack")
    with pytest.raises(DatasetError, match=words):
        read_labelled([tmp_path])


def test_an_npz_that_is_no_dataset_and_slices_of_differing_size_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", pictures=np.zeros(3))
    with pytest.raises(DatasetError, match="pictures"):
        read_labelled([tmp_path / "a.npz"])
    images, masks = discs(2)
    write_pairs(tmp_path / "b", images, masks)
    tifffile.imwrite(tmp_path / "b" / "images" / "a1.tif", images[1][:40])
    tifffile.imwrite(tmp_path / "b" / "labels" / "a1.tif", masks[1][:40])
    with pytest.raises(DatasetError, match="the slices of a stack have one size"):
        read_labelled([tmp_path / "b"], mode="stack")


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


# ---- what is held out -----------------------------------------------------------------------------------------------


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


# ---- what the network sees ------------------------------------------------------------------------------------------


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

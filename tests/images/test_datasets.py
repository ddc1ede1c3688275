"""Labelled datasets: what is read of them; those that cannot be used are refused, and the file is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_medsam2.errors import DatasetError
from napari_medsam2.images.datasets import read_dataset

IMAGES = np.zeros((2, 8, 9), np.uint8)
MASKS = np.arange(2 * 8 * 9).reshape(IMAGES.shape) % 3


@pytest.fixture
def path(tmp_path: Path) -> Path:
    np.savez(tmp_path / "set.npz", images=IMAGES, masks=MASKS)
    return tmp_path / "set.npz"


@pytest.mark.parametrize(
    ("masks", "words"),
    [
        (MASKS.astype(str), "<U"),
        (MASKS * 1j, "complex128"),
        (np.where(MASKS, MASKS, np.nan), "nan"),
        (-MASKS, "-1"),
    ],
)
def test_masks_that_hold_no_numbers_of_objects_are_refused(masks: np.ndarray, words: str, path: Path) -> None:
    np.savez(path, images=IMAGES, masks=masks)
    with pytest.raises(DatasetError, match=rf"set\.npz: a mask holds the numbers of objects; mask 0 holds {words}"):
        read_dataset(path, mode="stack")


@pytest.mark.parametrize(
    ("notes", "words"),
    [
        (b"\xff\xfe", r"cannot read set\.json"),
        (b"[" * 100_000, r"cannot read set\.json"),
        (b'["stack"]', "must hold a JSON object; got a list"),
        (b'{"objects": [1]}', '"objects" in set.json gives each id a name'),
        (b'{"objects": {"liver": 1}}', '"objects" in set.json gives each id a name'),
        (b'{"clean_ids": 5}', '"clean_ids" in set.json is a list of ids; got 5'),
        (b'{"clean_ids": [1e999]}', r"cannot read set\.json as JSON: '1e999' is too large a number"),
        (b'{"voxel_size_zyx": [1, 2]}', '"voxel_size_zyx" in set.json is three lengths in mm'),
        (b'{"voxel_size_zyx": [0, 1, 1]}', '"voxel_size_zyx" in set.json is three lengths in mm'),
        (b'{"voxel_size_zyx": [NaN, 1, 1]}', r"cannot read set\.json as JSON: NaN is no number"),
    ],
)
def test_notes_that_cannot_be_used_are_refused(notes: bytes, words: str, path: Path) -> None:
    path.with_suffix(".json").write_bytes(notes)
    with pytest.raises(DatasetError, match=words):
        read_dataset(path, mode="stack")


def test_a_single_array_under_the_name_of_a_dataset_is_told(path: Path) -> None:
    np.save(path.with_suffix(".npy"), IMAGES)
    path.with_suffix(".npy").rename(path)
    with pytest.raises(DatasetError, match=r"set\.npz holds a single array; a dataset is an npz"):
        read_dataset(path, mode="stack")


def test_a_kind_that_is_no_word_is_refused(path: Path) -> None:
    path.with_suffix(".json").write_text('{"kind": ["stack"]}')
    with pytest.raises(DatasetError, match=r"set\.npz is a stack or a flow: .* got \['stack'\]"):
        read_dataset(path)


def save(folder: Path, name: str, notes: dict[str, Any] | None, **arrays: np.ndarray) -> Path:
    np.savez_compressed(folder / f"{name}.npz", **arrays)
    if notes is not None:
        (folder / f"{name}.json").write_text(json.dumps(notes))
    return folder / f"{name}.npz"


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

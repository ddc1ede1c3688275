"""Datasets whose masks or notes cannot be used are refused, and the file is named."""

from __future__ import annotations

from pathlib import Path

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
        (b'{"clean_ids": [1e999]}', '"clean_ids" in set.json is a list of ids'),
        (b'{"voxel_size_zyx": [1, 2]}', '"voxel_size_zyx" in set.json is three lengths in mm'),
        (b'{"voxel_size_zyx": [0, 1, 1]}', '"voxel_size_zyx" in set.json is three lengths in mm'),
        (b'{"voxel_size_zyx": [NaN, 1, 1]}', '"voxel_size_zyx" in set.json is three lengths in mm'),
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

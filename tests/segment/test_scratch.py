"""Features that the memory has no room for come back from the disk as they were, and a bad disk costs time only."""

from __future__ import annotations

import errno
import random
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from fakes import click, stack_session

from napari_medsam2.network.interface import ImageFeatures
from napari_medsam2.segment import scratch
from napari_medsam2.segment.scratch import FeatureCache, ScratchFile, scratch_folder


def features(number: int, side: int = 8) -> ImageFeatures:
    generator = torch.Generator().manual_seed(number)
    wide = torch.randn(1, 3, side, side, generator=generator)
    point = torch.as_strided(wide, (1, 3, 1, 1), (9, 1, 2, 4))
    return ImageFeatures((wide, wide.mT[:, :2], wide[:, :1].bfloat16(), point), torch.randn(5, generator=generator))


def same(one: ImageFeatures, other: ImageFeatures) -> bool:
    pairs = zip((*one.levels, one.descriptor), (*other.levels, other.descriptor), strict=True)
    return all(a.dtype == b.dtype and torch.equal(a, b) for a, b in pairs)


def test_what_memory_has_no_room_for_comes_back_from_the_disk_bit_by_bit(tmp_path: Path) -> None:
    cache = FeatureCache(2 * features(0).nbytes, 1 << 20, tmp_path)
    for number in range(9):
        cache.get(number, lambda: features(number))  # noqa: B023
    for number in (*range(9), 3, 0):
        assert same(cache.get(number, lambda: pytest.fail("it was kept")), features(number))
    assert cache.nbytes <= 2 * features(0).nbytes
    assert not list(tmp_path.iterdir()), "no file has a name that a kill could leave behind"


@pytest.mark.parametrize("seed", range(5))
def test_a_file_that_goes_round_gives_what_was_put_in_or_nothing(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    file = ScratchFile(rng.randint(5000, 15000), tmp_path)
    sides = {number: rng.randint(3, 15) for number in range(200)}
    for number, side in sides.items():
        file.put(number, features(number, side))
        assert file.get(number) is not None, "the latest is always there"
        for earlier in range(number):
            there = file.get(earlier)
            assert there is None or same(there, features(earlier, sides[earlier]))
    assert 1 <= len(file) < 200


class FullDisk:
    """Takes some writes, and no more."""

    def __init__(self, file, writes: int) -> None:
        self._file, self._left = file, writes

    def __getattr__(self, name: str):
        return getattr(self._file, name)

    def write(self, data) -> int:
        self._left -= 1
        if self._left < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return self._file.write(data)


def test_a_disk_that_gets_full_costs_time_and_nothing_else(tmp_path: Path, monkeypatch) -> None:
    make = tempfile.TemporaryFile
    monkeypatch.setattr(scratch.tempfile, "TemporaryFile", lambda **options: FullDisk(make(**options), writes=7))
    cache, computed = FeatureCache(features(0).nbytes, 1 << 20, tmp_path), []
    for number in (*range(6), *range(6)):
        given = cache.get(number, lambda: computed.append(number) or features(number))  # noqa: B023
        assert same(given, features(number))
    assert len(computed) > 6


def test_frames_that_are_done_again_are_not_encoded_again(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv(scratch.FOLDER_VARIABLE, str(tmp_path))
    for budget, encoded in ((0, 7), (64 << 20, 0)):  # the memory has room for one
        session, masks = stack_session(cache_bytes=64 * 64 * 13, scratch_bytes=budget)
        session.add(click(0, masks))
        first = {found.frame: found.mask for found in session.propagate()}
        session.model.network.calls.clear()
        for found in session.propagate(anew=True):
            np.testing.assert_array_equal(found.mask, first[found.frame])
        assert session.model.network.calls.encoded == encoded


def test_a_folder_in_memory_is_no_place_for_it(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv(scratch.FOLDER_VARIABLE, str(tmp_path))
    assert scratch_folder() == tmp_path
    monkeypatch.setattr(scratch, "_is_in_memory", lambda folder: True)
    assert scratch_folder() is None
    cache = FeatureCache(1 << 20, 1 << 20)
    assert same(cache.get(0, lambda: features(0)), features(0))
    monkeypatch.setenv(scratch.FOLDER_VARIABLE, str(tmp_path / "missing"))
    assert scratch_folder() is None

"""Whatever happens to the bytes of a file, it is read or refused in words; no error of a library comes through."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

import nibabel
import nrrd
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ome_zarr_files import set_metadata, write_ome_zarr

from napari_medsam2.errors import UserError
from napari_medsam2.images.formats import read_images
from napari_medsam2.images.frames import FrameSource

DATA = np.arange(1, 1 + 3 * 8 * 9, dtype=np.int16).reshape(3, 8, 9)
SEGMENT = {"Segment0_ID": "a", "Segment0_Layer": "0", "Segment0_LabelValue": "1", "Segment0_Color": "1 0 0"}


def zarr_with_labels(path: Path) -> None:
    image = write_ome_zarr(path, DATA, "zyx", levels=2, scale=[1, 1, 1])
    set_metadata(image.create_group("labels"), {"labels": ["cells"]}, "0.4")
    labels = write_ome_zarr(path / "labels" / "cells", DATA % 3, "zyx")
    set_metadata(labels, {"image-label": {"colors": [{"label-value": 1, "rgba": [1, 2, 3, 4]}]}}, "0.4")


WRITERS: dict[str, Callable[[Path], object]] = {
    "a.nii": lambda path: nibabel.save(nibabel.Nifti1Image(DATA.T, np.eye(4)), path),
    "a.nii.gz": lambda path: nibabel.save(nibabel.Nifti2Image(DATA.T, np.eye(4)), path),
    "a.nrrd": lambda path: nrrd.write(str(path), DATA, {"encoding": "raw", **SEGMENT}),
    "b.nrrd": lambda path: nrrd.write(str(path), DATA, {"space": "RAS", "space directions": np.eye(3), **SEGMENT}),
    "a.npz": lambda path: np.savez_compressed(path, imgs=DATA, gts=DATA, spacing=(1, 2, 3)),
    "a.zarr": zarr_with_labels,
}


@pytest.mark.parametrize("name", WRITERS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(random=st.randoms(use_true_random=False), kept=st.floats(0, 3), n_changed=st.integers(1, 12))
def test_damaged_bytes_are_read_or_refused(
    name: str, random: Random, kept: float, n_changed: int, tmp_path: Path
) -> None:
    path = tmp_path / name
    if not path.exists():
        WRITERS[name](path)
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    file = random.choice(files)
    whole = file.read_bytes()
    damaged = bytearray(whole[: int(kept * len(whole))])
    for _ in range(n_changed if damaged else 0):
        damaged[random.randrange(min(len(damaged), random.choice((400, len(damaged)))))] = random.randrange(256)
    file.write_bytes(damaged)
    try:
        images = read_images(path, series="labels/cells" if name == "a.zarr" and random.random() < 0.5 else None)
        data = images.data
        read = list(data) if isinstance(data, FrameSource) else data[(slice(0, 2),) * data.ndim]
        assert len(read)
    except UserError as error:
        words = str(error)
    else:
        words = "read"
    finally:
        file.write_bytes(whole)
    assert words

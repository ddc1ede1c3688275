"""Arrays of numpy: what is asked for is read and no more, and what is declared has to be there."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_medsam2.errors import DatasetError, FrameError
from napari_medsam2.images import archives, budget
from napari_medsam2.images.datasets import read_dataset
from napari_medsam2.images.formats import open_images, read_images
from napari_medsam2.images.opened import Axis

IMAGES = np.arange(4 * 8 * 9, dtype=np.uint8).reshape(4, 8, 9)
MASKS = (IMAGES % 3 == 0).astype(np.uint8)


def test_an_npz_of_medsam2_is_a_stack_with_its_spacing(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "CT_1.npz", imgs=IMAGES, gts=MASKS, spacing=(0.7, 0.8, 5))  # x, y, z as SimpleITK
    dataset = read_dataset(tmp_path / "CT_1.npz")
    assert (dataset.mode, dataset.spacing, dict(dataset.objects)) == ("stack", (5, 0.8, 0.7), {1: "object 1"})
    np.testing.assert_array_equal(dataset.masks, MASKS)
    np.testing.assert_array_equal(dataset.frames[2], IMAGES[2])
    images = open_images(tmp_path / "CT_1.npz")
    assert images.axes == (Axis("z", 5, "mm"), Axis("y", 0.8, "mm"), Axis("x", 0.7, "mm"))
    assert images.mode == "stack" and len(images) == 4
    assert read_dataset(tmp_path / "CT_1.npz", mode="flow").mode == "flow"


@pytest.mark.parametrize("shape", [(8, 9), (8, 9, 3)])
def test_a_picture_of_medsam2_is_one_frame(shape: tuple[int, ...], tmp_path: Path) -> None:
    np.savez(tmp_path / "2D.npz", imgs=np.ones(shape, np.uint8), gts=MASKS[0])
    dataset = read_dataset(tmp_path / "2D.npz")
    assert len(dataset.frames) == 1 and dataset.frames[0].shape == shape
    np.testing.assert_array_equal(dataset.masks[0], MASKS[0])


def test_images_of_medsam2_without_labels_can_be_opened_and_not_scored(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", imgs=np.stack([IMAGES] * 3, -1), boxes=np.ones((1, 6)))
    assert open_images(tmp_path / "a.npz")[1].shape == (8, 9, 3)
    with pytest.raises(DatasetError, match=r"neither an array masks.*gts of MedSAM2; it has imgs, boxes"):
        read_dataset(tmp_path / "a.npz")


@pytest.mark.parametrize("spacing", [(1, 2, 3, 4), (0, 1, 1), (np.nan, 1, 1), "mm"])
def test_a_spacing_that_is_none_is_refused(spacing: Any, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", imgs=IMAGES, gts=MASKS, spacing=spacing)
    with pytest.raises(DatasetError, match=r"spacing in a\.npz is three lengths in mm, x first"):
        read_dataset(tmp_path / "a.npz")


def test_files_of_nnunet_are_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "case.npz", data=np.zeros((1, 4, 8, 9), np.float32), seg=np.zeros((1, 4, 8, 9)))
    np.savez(tmp_path / "soft.npz", probabilities=np.zeros((2, 4, 8, 9), np.float16))
    for name, words in (("case", "holds data"), ("soft", "holds probabilities")):
        with pytest.raises(DatasetError, match=rf"{name}\.npz {words}, as nnU-Net's own files do: open the image"):
            open_images(tmp_path / f"{name}.npz")


def test_a_stack_has_the_spacing_of_its_notes_and_notes_of_others_are_told(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=IMAGES)
    notes = tmp_path / "a.json"
    notes.write_text(json.dumps({"kind": "stack", "voxel_size_zyx": [3, 1, 2]}))
    assert open_images(tmp_path / "a.npz").axes == (Axis("z", 3, "mm"), Axis("y", 1, "mm"), Axis("x", 2, "mm"))
    notes.write_text(json.dumps({"kind": "flow"}))
    assert open_images(tmp_path / "a.npz").axes == (Axis("image"), Axis("y"), Axis("x"))
    notes.write_text("[1]")
    images = open_images(tmp_path / "a.npz")
    assert images.axes[0] == Axis("image") and "a.json must hold a JSON object" in images.left_out[0]


def test_arrays_that_nobody_asked_for_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arrays = {f"{name}_{t}": np.full((8, 9), t, np.uint8) for t in range(5) for name in ("image", "mask")}
    np.savez(tmp_path / "a.npz", **arrays, features=np.zeros((100, 100)), objects=np.array([{}], object))
    read: list[str] = []
    real = archives.StoredArray.read
    monkeypatch.setattr(archives.StoredArray, "read", lambda self: read.append(self.member) or real(self))
    assert int(open_images(tmp_path / "a.npz")[3][0, 0]) == 3
    assert read == ["image_3.npy"]
    read_dataset(tmp_path / "a.npz", mode="flow")
    assert read[1:] == [f"mask_{t}.npy" for t in range(5)]


def npy(shape: tuple[int, ...], content: bytes = b"") -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return file.getvalue() + content


def test_what_is_declared_has_to_be_there_and_to_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(tmp_path / "huge.npz", "w") as archive:
        archive.writestr("images.npy", npy((10**6, 10**4, 10**4), b"abc"))
    with pytest.raises(DatasetError, match=r"images in huge\.npz declares 100000000000000 bytes, and it holds 3"):
        open_images(tmp_path / "huge.npz")
    np.savez(tmp_path / "objects.npz", images=np.array([{}], object))
    with pytest.raises(DatasetError, match=r"images in objects\.npz holds objects of Python"):
        open_images(tmp_path / "objects.npz")
    np.savez_compressed(tmp_path / "bomb.npz", images=np.zeros((10, 1000, 1000), np.uint8))
    whole = (tmp_path / "bomb.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DatasetError, match=r"cannot read cut\.npz"):
        open_images(tmp_path / "cut.npz")
    monkeypatch.setattr(budget, "free_memory", lambda: 10**6)
    with pytest.raises(DatasetError, match=r"bomb\.npz declares images of shape \(10, 1000, 1000\)"):
        open_images(tmp_path / "bomb.npz")


def test_an_npy_that_is_no_image_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", IMAGES)
    (tmp_path / "cut.npy").write_bytes((tmp_path / "a.npy").read_bytes()[:-50])
    (tmp_path / "empty.npy").write_bytes(b"")
    (tmp_path / "huge.npy").write_bytes(npy((10**6, 10**6), b"abc"))
    np.save(tmp_path / "line.npy", IMAGES[0, 0])
    np.save(tmp_path / "complex.npy", IMAGES * 1j)
    np.save(tmp_path / "objects.npy", np.array([[{}]], object), allow_pickle=True)
    np.save(tmp_path / "none.npy", IMAGES[:0])
    for name in ("cut", "empty", "huge", "line", "complex", "objects", "none"):
        with pytest.raises(FrameError):
            open_images(tmp_path / f"{name}.npy")[0]


def test_an_array_under_the_suffix_of_several_is_read_by_what_is_in_it(tmp_path: Path) -> None:
    with (tmp_path / "a.npz").open("wb") as file:
        np.save(file, IMAGES)
    np.testing.assert_array_equal(list(read_images(tmp_path / "a.npz")), IMAGES)


def test_axes_of_an_npy_are_chosen_by_their_numbers(tmp_path: Path) -> None:
    data = np.arange(2 * 3 * 8 * 9).reshape(2, 3, 8, 9)
    np.save(tmp_path / "a.npy", data)
    with pytest.raises(FrameError, match=r"axis 0=2, axis 1=3.*--at 1=0"):
        open_images(tmp_path / "a.npy")
    np.testing.assert_array_equal(open_images(tmp_path / "a.npy", at={"0": 1})[2], data[1, 2])
    assert read_images(tmp_path / "a.npy").lengths == (2, 3, 8, 9)

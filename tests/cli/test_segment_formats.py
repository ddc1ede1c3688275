"""One door: the command line and a session open the same files, with the same pixels and the same labels."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import nrrd
import numpy as np
import pytest
import tifffile
import zarr
from dicom_files import write_series
from fakes import blob_model, moving_disc
from fakes import command as run
from ome_zarr_files import write_ome_zarr
from PIL import Image

from napari_medsam2.images.formats import open_images, read_images
from napari_medsam2.prompts import PointPrompt
from napari_medsam2.session.session import Session

pytestmark = pytest.mark.usefixtures("blobs")

IMAGES, MASKS = moving_disc(6)
AFFINE = np.array([[-0.5, 0, 0, 10], [0, 0.6, 0, 20], [0, 0, 3, -30], [0, 0, 0, 1]])


def save_nifti(path: Path) -> None:
    nibabel.save(nibabel.Nifti1Image(IMAGES.T, AFFINE), path)


def save_nifti_by_another_name(path: Path) -> None:
    save_nifti(path.with_name("packed.nii.gz"))
    path.write_bytes(gzip.decompress(path.with_name("packed.nii.gz").read_bytes()))


def save_pictures(path: Path) -> None:
    path.mkdir()
    for t, image in enumerate(IMAGES):
        Image.fromarray(image).save(path / f"{t}.png")


def save_plain_zarr(path: Path) -> None:
    zarr.create_array(str(path), data=IMAGES)


WRITERS: dict[str, Callable[[Path], Any]] = {
    "scan.tif": lambda path: tifffile.imwrite(path, IMAGES, photometric="minisblack"),
    "scan.npy": lambda path: np.save(path, IMAGES),
    "scan.npz": lambda path: np.savez(path, images=IMAGES, masks=MASKS),
    "CT.npz": lambda path: np.savez_compressed(path, imgs=IMAGES, gts=MASKS, spacing=(1, 1, 3)),
    "scan.nii": save_nifti,
    "scan.nii.gz": save_nifti,
    "plain.nii.gz": save_nifti_by_another_name,
    "scan.img": lambda path: nibabel.save(nibabel.Nifti1Pair(IMAGES.T, AFFINE), path),
    "scan.nrrd": lambda path: nrrd.write(str(path), IMAGES, index_order="C"),
    "scan.nhdr": lambda path: nrrd.write(str(path), IMAGES, index_order="C"),
    "scan.zarr": lambda path: write_ome_zarr(path, IMAGES, "zyx", version="0.5", scale=[3, 1, 1], levels=2),
    "old.zarr": lambda path: write_ome_zarr(path, IMAGES[None, None], "tczyx"),
    "array.zarr": save_plain_zarr,
    "dicom": lambda path: write_series(path, IMAGES.astype(np.uint16)),
    "pictures": save_pictures,
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_session_and_the_command_line_see_the_same(name: str, tmp_path: Path, capsys: Any) -> None:
    path, out = tmp_path / name, tmp_path / "out.tif"
    WRITERS[name](path)
    session = Session(blob_model(), path, mode="stack")
    frames = open_images(path).frames
    assert len(session.frames) == len(frames) == 6
    for t, image in enumerate(IMAGES):
        np.testing.assert_array_equal(session.frames[t], image)
        np.testing.assert_array_equal(frames[t], image)
    assert run("segment", path, "--mode", "stack", "--point", "2,32,23", "-o", out) == 0, capsys.readouterr().err
    session.add(PointPrompt(2, 32, 23))
    for _ in session.propagate():
        pass
    np.testing.assert_array_equal(tifffile.imread(out), [session.labels(t) for t in range(6)])
    assert (tifffile.imread(out).astype(bool) ^ MASKS).mean() < 0.002


@pytest.mark.parametrize(
    ("name", "out"),
    [
        ("scan.nii", "scan_labels.nii.gz"),
        ("scan.nrrd", "scan_labels.seg.nrrd"),
        ("scan.zarr", "scan.zarr/labels/disc"),
        ("scan.zarr", "scan_labels.zarr"),
        ("dicom", "labels.nii.gz"),
        ("pictures", "labels.nrrd"),
    ],
)
def test_labels_go_to_the_format_that_the_output_is_called(name: str, out: str, tmp_path: Path, capsys: Any) -> None:
    WRITERS[name](tmp_path / name)
    words = ("segment", tmp_path / name, "--mode", "stack", "--point", "2,32,23", "-o", tmp_path / out)
    assert run(*words) == 0, capsys.readouterr().err
    image, labels = read_images(tmp_path / name), read_images(tmp_path / out)
    assert labels.labels and labels.lengths == image.lengths
    found = np.stack([np.asarray(frame) for frame in labels.frames])
    assert (found.astype(bool) ^ MASKS).mean() < 0.002
    if image.affine is not None:
        assert labels.affine is not None
        np.testing.assert_allclose(labels.affine, image.affine, atol=1e-5)


@pytest.mark.parametrize("name", ["scan.npy", "scan.npz", "scan.nii", "scan.nrrd", "pictures", "scan.zarr"])
def test_a_series_that_nobody_would_hear_is_refused(name: str, tmp_path: Path, capsys: Any) -> None:
    WRITERS[name](tmp_path / name)
    words = ("segment", tmp_path / name, "--mode", "stack", "--point", "2,32,23", "--series", "3")
    assert run(*words, "-o", tmp_path / "out.tif") == 2
    assert f"{name} holds one" in capsys.readouterr().err and not (tmp_path / "out.tif").exists()


def test_what_is_missing_and_what_is_damaged_is_said(tmp_path: Path, capsys: Any) -> None:
    write_ome_zarr(tmp_path / "a.zarr", IMAGES, "zyx")
    (tmp_path / "a.zarr" / "0" / "5.0.0").unlink()
    words = ("segment", tmp_path / "a.zarr", "--mode", "stack", "--point", "2,32,23", "-o", tmp_path / "a.tif")
    assert run(*words) == 0
    assert "1 of 6 chunks in 0 are not stored" in capsys.readouterr().err
    (tmp_path / "a.zarr" / "0" / "3.0.0").write_bytes(b"damaged")
    assert run(*words[:-1], tmp_path / "b.tif") == 2
    assert "frame 3: cannot read a.zarr" in capsys.readouterr().err

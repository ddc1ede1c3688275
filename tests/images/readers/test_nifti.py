"""NIfTI is read with its geometry and not turned; what is damaged or no image is refused before it is read."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from napari_medsam2.errors import FrameError
from napari_medsam2.images import budget
from napari_medsam2.images.formats import open_images, read_images
from napari_medsam2.images.opened import Axis

VOLUME = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)  # x, y, z
RAS = np.array([[-0.5, 0, 0, 10], [0, 0.6, 0, 20], [0, 0, 3, -30], [0, 0, 0, 1]])


def save(path: Path, data: Any = VOLUME, affine: Any = RAS, kind: Any = nibabel.Nifti1Image, **header: Any) -> bytes:
    image = kind(data, affine)
    image.header.set_xyzt_units(header.pop("space", "mm"), header.pop("time", "sec"))
    for field, value in header.items():
        image.header[field] = value
    nibabel.save(image, path)
    return path.read_bytes()


def all_of(path: Path) -> np.ndarray:
    data = read_images(path).data
    return np.asarray(data[(slice(None),) * data.ndim])


@pytest.mark.parametrize("name", ["scan.nii", "scan.nii.gz", "scan.img"])
@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_axes_have_spacing_unit_and_place_and_the_affine_is_that_of_dicom(name: str, kind: Any, tmp_path: Path) -> None:
    if name.endswith(".img"):
        kind = nibabel.Nifti1Pair if kind is nibabel.Nifti1Image else nibabel.Nifti2Pair
    save(tmp_path / name, kind=kind)
    images = read_images(tmp_path / name)
    np.testing.assert_array_equal(all_of(tmp_path / name), VOLUME.T)
    told = [(axis.name, axis.spacing, axis.unit, axis.origin) for axis in images.axes]
    assert told == [("z", 3, "mm", -30), ("y", 0.6, "mm", 20), ("x", 0.5, "mm", -10)]
    index, world = np.array([2, 1, 3, 1]), nibabel.affines.apply_affine(RAS, [3, 1, 2])
    assert images.affine is not None
    np.testing.assert_allclose((images.affine @ index)[:3], world * [-1, -1, 1], atol=1e-5)
    assert images.name == "scan"
    assert {path.name for path in images.files} == ({"scan.hdr", "scan.img"} if name.endswith("img") else {name})


def test_an_oblique_volume_has_the_length_of_its_steps_for_spacing(tmp_path: Path) -> None:
    turn = np.deg2rad(25)
    oblique = np.eye(4)
    oblique[:3, :3] = [[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]]
    oblique[:3, :3] *= [0.5, 0.6, 3]
    save(tmp_path / "scan.nii", affine=oblique)
    images = read_images(tmp_path / "scan.nii")
    assert [round(axis.spacing, 5) for axis in images.axes] == [3, 0.6, 0.5]
    assert images.affine is not None
    np.testing.assert_allclose(images.affine[:3, :3], np.diag([-1, -1, 1]) @ oblique[:3, 2::-1], atol=1e-6)


@pytest.mark.parametrize(("space", "unit", "millimetres"), [("micron", "um", 1e-3), ("meter", "m", 1e3)])
def test_units_of_the_header_count(space: str, unit: str, millimetres: float, tmp_path: Path) -> None:
    save(tmp_path / "scan.nii", np.stack([VOLUME] * 2, -1), space=space, time="msec", toffset=5)
    images = read_images(tmp_path / "scan.nii")
    assert images.axes[0] == Axis("t", 1.0, "ms", 5.0)
    assert {axis.unit for axis in images.axes[1:]} == {unit}
    assert images.affine is not None
    np.testing.assert_allclose(images.affine[2, 0], 3 * millimetres, rtol=1e-6)


def test_a_volume_that_says_nothing_of_its_place_has_no_affine(tmp_path: Path) -> None:
    nibabel.save(nibabel.Nifti1Image(VOLUME, None), tmp_path / "scan.nii")
    images = read_images(tmp_path / "scan.nii")
    assert images.affine is None
    assert set(images.axes) == {Axis("z"), Axis("y"), Axis("x")}
    nibabel.save(nibabel.AnalyzeImage(VOLUME, np.eye(4)), tmp_path / "old.img")
    np.testing.assert_array_equal(all_of(tmp_path / "old.hdr"), VOLUME.T)
    assert read_images(tmp_path / "old.img").affine is None


def test_slope_and_missing_values(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(VOLUME * 0.37 + 5, RAS)
    image.set_data_dtype(np.int16)
    nibabel.save(image, tmp_path / "scaled.nii")
    scaled = all_of(tmp_path / "scaled.nii")
    assert scaled.dtype == read_images(tmp_path / "scaled.nii").data.dtype == np.float32
    np.testing.assert_allclose(scaled, VOLUME.T * 0.37 + 5, atol=0.01)
    floats = VOLUME.astype(np.float32)
    floats[1, 2, 3] = np.nan
    save(tmp_path / "nan.nii.gz", floats)
    np.testing.assert_array_equal(all_of(tmp_path / "nan.nii.gz"), floats.T)
    image = nibabel.Nifti1Image(VOLUME, RAS, nibabel.Nifti1Header(endianness=">"))
    image.set_data_dtype(np.int16)
    nibabel.save(image, tmp_path / "big.nii")
    np.testing.assert_array_equal(all_of(tmp_path / "big.nii"), VOLUME.T)


@pytest.mark.parametrize("letters", ["RGB", "RGBA"])
@pytest.mark.parametrize("suffix", ["nii", "nii.gz"])
def test_colours_are_colours(letters: str, suffix: str, tmp_path: Path) -> None:
    pixels = np.zeros((4, 5, 6), [(letter, "u1") for letter in letters])
    pixels["G"], pixels[letters[-1]] = VOLUME, 7
    save(tmp_path / f"scan.{suffix}", pixels)
    images = open_images(tmp_path / f"scan.{suffix}")
    assert images.colour
    assert images[2].shape == (5, 4, len(letters))
    np.testing.assert_array_equal(images[2][..., 1], VOLUME[:, :, 2].T)
    assert (images[2][..., -1] == 7).all()


def test_what_is_mended_in_a_header_is_told(tmp_path: Path, capsys: Any) -> None:
    raw = bytearray(save(tmp_path / "scan.nii"))
    raw[252:254] = struct.pack("<h", 99)  # the code of the qform
    (tmp_path / "scan.nii").write_bytes(raw)
    images = read_images(tmp_path / "scan.nii")
    assert images.left_out == ("what the header says wrongly: qform_code 99 not valid; setting to 0",)
    assert images.affine is not None and capsys.readouterr().err == ""


def test_time_and_channels_are_told_apart(tmp_path: Path) -> None:
    data = np.arange(4 * 5 * 6 * 2 * 3, dtype=np.float32).reshape(4, 5, 6, 2, 3)
    save(tmp_path / "scan.nii", data)
    assert [axis.name for axis in read_images(tmp_path / "scan.nii").axes] == ["c", "t", "z", "y", "x"]
    part = open_images(tmp_path / "scan.nii", axis="z", channel=2, at={"t": 1})
    np.testing.assert_array_equal(part[4], data[:, :, 4, 1, 2].T)
    save(tmp_path / "vectors.nii", data[:, :, :, :1])
    with pytest.raises(FrameError, match="3 channels, which are no frames"):
        open_images(tmp_path / "vectors.nii")
    save(tmp_path / "six.nii", data[..., None].repeat(2, -1))
    with pytest.raises(FrameError, match=r"six\.nii has 6 axes.*time and channels"):
        open_images(tmp_path / "six.nii")


def test_the_content_says_whether_it_is_compressed(tmp_path: Path) -> None:
    raw = save(tmp_path / "a.nii")
    (tmp_path / "packed.nii").write_bytes(gzip.compress(raw))
    (tmp_path / "plain.nii.gz").write_bytes(raw)
    (tmp_path / "two.nii.gz").write_bytes(gzip.compress(raw[:400]) + gzip.compress(raw[400:]))
    for name in ("packed.nii", "plain.nii.gz", "two.nii.gz"):
        np.testing.assert_array_equal(all_of(tmp_path / name), VOLUME.T)


def with_shape(raw: bytes, *shape: int) -> bytes:
    return raw[:42] + struct.pack(f"<{len(shape)}h", *shape) + raw[42 + 2 * len(shape) :]


def test_what_is_damaged_is_refused_with_what_it_declares(tmp_path: Path) -> None:
    raw, packed = save(tmp_path / "a.nii"), save(tmp_path / "a.nii.gz")
    flipped = bytearray(packed)
    flipped[len(packed) // 2] ^= 255
    for name, content, words in (
        ("cut.nii", raw[:-20], "declares 592 bytes, and it holds 572"),
        ("cut.nii.gz", packed[:-30], "is truncated"),
        ("short.nii.gz", gzip.compress(raw[:-20]), "declares 592 bytes, and it holds 572"),
        ("huge.nii", with_shape(raw, 30000, 30000, 30000), "declares 54000000000352 bytes, and it holds 592"),
        ("huge.nii.gz", gzip.compress(with_shape(raw, 30000, 30000, 30000)), "cannot hold so many"),
        ("flipped.nii.gz", bytes(flipped), "truncated, damaged"),
        ("empty.nii", b"", "is empty"),
        ("empty.nii.gz", b"", "is empty"),
        ("begun.nii", raw[:300], "no header of NIfTI"),
        ("text.nii", b"not an image " * 99, "no header of NIfTI"),
        ("none.nii", with_shape(raw, 0, 5, 6), r"the shape \(0, 5, 6\)"),
        ("minus.nii", with_shape(raw, -4, 5, 6), r"the shape \(-4, 5, 6\)"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(FrameError, match=rf"{name}.*{words}"):
            read_images(tmp_path / name)
    save(tmp_path / "complex.nii", VOLUME.astype(np.complex64))
    with pytest.raises(FrameError, match=r"complex\.nii holds complex numbers"):
        read_images(tmp_path / "complex.nii")
    nibabel.save(nibabel.Nifti1Pair(VOLUME, RAS), tmp_path / "pair.img")
    (tmp_path / "pair.img").unlink()
    with pytest.raises(FrameError, match=r"the \.img with the pixels is not beside it"):
        read_images(tmp_path / "pair.hdr")


def test_what_unpacks_to_more_than_the_free_memory_is_refused_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path / "a.nii.gz", np.zeros((64, 64, 64), np.int16))
    save(tmp_path / "a.nii", np.zeros((64, 64, 64), np.int16))
    monkeypatch.setattr(budget, "free_memory", lambda: 1000)
    with pytest.raises(FrameError, match=r"a\.nii\.gz declares 524640 bytes.*1000 bytes are free"):
        read_images(tmp_path / "a.nii.gz")
    assert len(open_images(tmp_path / "a.nii")) == 64  # this one stays on the disk

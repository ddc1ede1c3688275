"""DICOM whose places repeat, in time or otherwise, and frames of Enhanced files: each where and when it was taken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from dicom_files import SLICES, at, groups_of, write_frames, write_series, write_slice

from napari_medsam2.errors import FrameError, SeriesError
from napari_medsam2.images.formats import open_images, read_images


def pixels_of(path: Path, **options: Any) -> npt.NDArray[Any]:
    return np.asarray(read_images(path, **options).data[...])


# ---- in time ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keyword", "values", "axis"),
    [
        ("TemporalPositionIdentifier", [2, 10, 3], ("t", 1.0, "pixel")),
        ("EchoTime", [5, 40, 12.5], ("t", 1.0, "pixel")),
        ("AcquisitionNumber", [1, 3, 2], ("t", 1.0, "pixel")),
        ("DiffusionBValue", [0.0, 1000.0, 500.0], ("t", 1.0, "pixel")),
        ("TriggerTime", [0, 100, 50], ("t", 0.05, "s")),
        ("AcquisitionTime", ["115959.5", "120001.5", "120000.5"], ("t", 1.0, "s")),
    ],
)
def test_places_that_repeat_are_an_axis_of_their_own(
    keyword: str, values: list[Any], axis: tuple[str, float, str], tmp_path: Path
) -> None:
    for number, value in enumerate(values):
        write_series(tmp_path, SLICES + 100 * number, prefix=f"{number}_", **{keyword: value})
    images = read_images(tmp_path)
    assert [axis.name for axis in images.axes] == ["t", "z", "y", "x"]
    assert (images.axes[0].name, pytest.approx(images.axes[0].spacing), images.axes[0].unit) == axis
    np.testing.assert_array_equal(images.data[...], np.stack([SLICES, SLICES + 200, SLICES + 100]))
    assert "each place is there 3 times" in images.left_out[0]
    with pytest.raises(FrameError, match="--at t=0"):
        open_images(tmp_path, axis="z")
    np.testing.assert_array_equal(open_images(tmp_path, axis="z", at={"t": 1})[4], SLICES[4] + 200)


def test_two_things_that_vary_are_told_apart(tmp_path: Path) -> None:
    for echo in (5, 10):
        for b in (0.0, 800.0):
            pixels = SLICES + 100 * echo + int(b)
            write_series(tmp_path, pixels, prefix=f"{echo}_{b}_", EchoTime=echo, DiffusionBValue=b)
    images = read_images(tmp_path)
    assert images.lengths == (4, 6, 8, 10)
    assert [int(images.data[t, 0, 0, 0]) for t in range(4)] == [500, 1300, 1000, 1800]
    assert "by echo time and b-value (5/0, 5/800, 10/0, 10/800)" in images.left_out[0]


def test_a_single_place_over_time(tmp_path: Path) -> None:
    for t in range(6):
        write_slice(tmp_path / f"{t}", SLICES[5 - t], number=6 - t, TriggerTime=(5 - t) * 40)
    images = open_images(tmp_path)
    assert [axis.name for axis in images.axes] == ["t", "y", "x"]
    assert images.axes[0].spacing == pytest.approx(0.04)
    np.testing.assert_array_equal(images[1], SLICES[1])


def test_mosaics_of_slices_are_told(tmp_path: Path) -> None:
    for t in range(3):
        write_slice(tmp_path / str(t), SLICES[t], number=t, ImageType=["ORIGINAL", "PRIMARY", "M", "MOSAIC"])
    assert "a mosaic of slices side by side" in " ".join(read_images(tmp_path).left_out)


def test_repeats_told_apart_by_numbers_only_are_told_so(tmp_path: Path) -> None:
    for z in range(3):
        for t in range(2):
            write_slice(tmp_path / f"{z}{t}", SLICES[z] + 100 * t, z=z, number=2 * z + t)
    images = read_images(tmp_path)
    np.testing.assert_array_equal(images.data[...], np.stack([SLICES[:3], SLICES[:3] + 100]))
    assert "nothing but image numbers" in images.left_out[0]


def test_acquisitions_of_different_places_are_different_images(tmp_path: Path) -> None:
    write_series(tmp_path, AcquisitionNumber=1)
    write_series(tmp_path, SLICES[:4] + 100, prefix="b", AcquisitionNumber=2)
    with pytest.raises(SeriesError, match=r"acquisition 1\), 6 slices of .*acquisition 2\), 4 slices of"):
        open_images(tmp_path)
    np.testing.assert_array_equal(pixels_of(tmp_path, series=1), SLICES[:4] + 100)


def test_slices_that_only_say_how_high_they_lie(tmp_path: Path) -> None:
    for number, z in enumerate([4, 0, 2, 5, 3, 1]):
        elements = {"ImagePositionPatient": None, "ImageOrientationPatient": None, "SliceLocation": 2.5 * z}
        write_slice(tmp_path / str(number), SLICES[z], number=number, **elements)
    images = read_images(tmp_path)
    np.testing.assert_array_equal(images.data[...], SLICES)
    assert (images.axes[0].name, images.axes[0].spacing, images.affine) == ("z", 2.5, None)


def test_frames_of_reference_that_differ_from_file_to_file_do_not_tear_a_series(tmp_path: Path) -> None:
    for z in range(6):
        write_slice(tmp_path / str(z), SLICES[z], z=z, FrameOfReferenceUID=f"1.4.{z}")
    np.testing.assert_array_equal(pixels_of(tmp_path), SLICES)


# ---- Enhanced --------------------------------------------------------------------------------------------------------


def test_frames_of_an_enhanced_file_are_ordered_in_space(tmp_path: Path) -> None:
    order = [3, 0, 5, 1, 4, 2]
    images = read_images(write_frames(tmp_path / "e", SLICES[order], [at(2.5 * z) for z in order]))
    np.testing.assert_array_equal(images.data[...], SLICES)
    assert [(axis.name, axis.spacing) for axis in images.axes] == [("z", 2.5), ("y", 0.5), ("x", 0.25)]


def test_frames_of_an_enhanced_file_are_ordered_in_time_and_space(tmp_path: Path) -> None:
    frames = [{**at(z), "FrameContentSequence": {"TemporalPositionIndex": t}} for z in (1, 0, 2) for t in (2, 1)]
    images = read_images(write_frames(tmp_path / "e", SLICES, frames))
    np.testing.assert_array_equal(images.data[...], SLICES[[3, 1, 5, 2, 0, 4]].reshape(2, 3, 8, 10))


@pytest.mark.parametrize("told", [{}, {"TemporalPositionTimeOffset": 0.0}])
def test_frames_at_one_place_keep_their_order(told: dict[str, float], tmp_path: Path) -> None:
    frames = [{**at(7), "FrameContentSequence": dict.fromkeys(told, 0.5 * t)} for t in range(6)]
    images = read_images(write_frames(tmp_path / "e", SLICES, frames))
    np.testing.assert_array_equal(images.data[...], SLICES)
    assert (images.axes[0].name, images.axes[0].unit) == ("t", "s" if told else "pixel")


def test_gradients_of_diffusion_are_told_apart(tmp_path: Path) -> None:
    gradients = [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)]
    frames = [
        {
            **at(z),
            "MRDiffusionSequence": {
                "DiffusionBValue": 1000.0,
                "DiffusionGradientDirectionSequence": [groups_of(DiffusionGradientOrientation=list(gradient))],
            },
        }
        for gradient in gradients
        for z in range(2)
    ]
    images = read_images(write_frames(tmp_path / "e", SLICES, frames))
    assert images.lengths == (3, 2, 8, 10)
    assert int(images.data[0, 0, 0, 0]) == SLICES[4, 0, 0]  # sorted by their numbers


def test_stacks_of_an_enhanced_file_are_chosen(tmp_path: Path) -> None:
    frames = [{**at(z), "FrameContentSequence": {"StackID": "AB"[z % 2]}} for z in range(6)]
    path = write_frames(tmp_path / "e.dcm", SLICES, frames)
    with pytest.raises(SeriesError, match=r"e\.dcm holds several images.* 3 slices"):
        open_images(path)
    np.testing.assert_array_equal(pixels_of(path, series=1), SLICES[1::2])


def test_a_volume_over_several_enhanced_files(tmp_path: Path) -> None:
    write_frames(tmp_path / "1", SLICES[3:], [at(z) for z in (3, 4, 5)])
    write_frames(tmp_path / "2", SLICES[:3], [at(z) for z in (0, 1, 2)])
    np.testing.assert_array_equal(pixels_of(tmp_path), SLICES)

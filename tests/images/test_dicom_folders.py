"""Folders of DICOM: found by content, sorted into series, ordered in space and time, and told what was left out."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
import pytest
from dicom_files import SLICES, at, dicom_header, groups_of, saved, write_frames, write_series, write_slice
from PIL import Image
from pydicom.uid import SegmentationStorage

from napari_medsam2.errors import FrameError, SeriesError
from napari_medsam2.images.formats import open_images, read_images

SAGITTAL = (0, 1, 0, 0, 0, -1)


def pixels_of(path: Path, **options: Any) -> npt.NDArray[Any]:
    return np.asarray(read_images(path, **options).data[...])


def left_out(path: Path, **options: Any) -> str:
    return " | ".join(read_images(path, **options).left_out)


# ---- found by content ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["IM{z:04d}", "scan.{z}", "{z}.IMA", "{z}.dat", "{z}.tif"])
def test_the_name_of_a_file_says_nothing(name: str, tmp_path: Path) -> None:
    for z, path in enumerate(write_series(tmp_path)):
        path.rename(tmp_path / name.format(z=z))
    np.testing.assert_array_equal(pixels_of(tmp_path), SLICES)
    np.testing.assert_array_equal(pixels_of(tmp_path / name.format(z=2)), SLICES[2])


@pytest.mark.parametrize("implicit", [True, False])
def test_a_preamble_is_not_needed(implicit: bool, tmp_path: Path) -> None:
    for path in write_series(tmp_path):
        header = pydicom.dcmread(path)
        del header.preamble, header.file_meta
        with path.open("wb") as file:
            pydicom.dcmwrite(file, header, implicit_vr=implicit, little_endian=True, enforce_file_format=False)
        assert b"DICM" not in path.read_bytes()
    np.testing.assert_array_equal(pixels_of(tmp_path), SLICES)


def test_slices_in_folders_below_are_found_and_an_index_is_passed_over(tmp_path: Path) -> None:
    write_series(tmp_path / "disc" / "A" / "B")
    index = pydicom.data.get_testdata_file("DICOMDIR")
    shutil.copy(index, tmp_path / "disc" / "DICOMDIR")
    images = read_images(tmp_path / "disc")
    np.testing.assert_array_equal(images.data[...], SLICES)
    assert images.left_out == ()
    with pytest.raises(FrameError, match=r"DICOMDIR .* the index of a disc: open the folder that it is in"):
        open_images(tmp_path / "disc" / "DICOMDIR")


def test_other_files_beside_the_slices_are_named(tmp_path: Path) -> None:
    write_series(tmp_path)
    Image.fromarray(SLICES[0].astype(np.uint8)).save(tmp_path / "preview.jpg")
    (tmp_path / "readme.txt").write_text("slices")
    (tmp_path / "._a0.dcm").write_bytes(b"of a Mac")
    assert len(open_images(tmp_path)) == 6
    assert left_out(tmp_path) == "no DICOM: preview.jpg, readme.txt"


def test_pictures_with_a_stray_dicom_file_stay_pictures(tmp_path: Path) -> None:
    for number in range(3):
        Image.fromarray(SLICES[number].astype(np.uint8)).save(tmp_path / f"p{number}.png")
    write_slice(tmp_path / "stray", SLICES[0])
    images = open_images(tmp_path)
    assert [images.frames.name(t) for t in range(len(images))] == ["p0.png", "p1.png", "p2.png"]
    assert "stray" in " ".join(images.left_out)


def test_objects_that_are_no_images_are_named(tmp_path: Path) -> None:
    write_series(tmp_path)
    for kind, name in (("1.2.840.10008.5.1.4.1.1.481.3", "rs.dcm"), ("1.2.840.10008.5.1.4.1.1.88.11", "sr.dcm")):
        saved(tmp_path / name, dicom_header(SLICES[0], kind=kind, series=kind), PixelData=None, Rows=None)
    mask = dicom_header((SLICES > 9).astype(np.uint8), kind=SegmentationStorage, series="1.9")
    saved(tmp_path / "seg.dcm", mask)
    np.testing.assert_array_equal(pixels_of(tmp_path), SLICES)
    told = left_out(tmp_path)
    assert "rs.dcm (RT Structure Set" in told and "sr.dcm (Basic Text SR" in told and "seg.dcm (Segmentation)" in told
    with pytest.raises(FrameError, match=r"seg\.dcm has no image that can be segmented in it: it is Segmentation"):
        open_images(tmp_path / "seg.dcm")


def test_a_folder_without_an_image_says_what_is_in_it(tmp_path: Path) -> None:
    saved(tmp_path / "rs", dicom_header(SLICES[0], kind="1.2.840.10008.5.1.4.1.1.481.3"), PixelData=None, Rows=None)
    with pytest.raises(FrameError, match=r"no image that can be segmented in .*: rs \(RT Structure Set"):
        open_images(tmp_path)


# ---- sorted into series ----------------------------------------------------------------------------------------------


def test_two_series_are_listed_and_one_is_chosen(tmp_path: Path) -> None:
    write_series(tmp_path, SeriesNumber=2, SeriesDescription="arterial")
    write_series(tmp_path, SLICES[:5] + 500, prefix="b", series="1.2.9", SeriesNumber=3, SeriesDescription="venous")
    with pytest.raises(SeriesError, match=r"series 2 'arterial' .*, 6 slices of 10 x 8 pixels; 1: series 3") as refused:
        open_images(tmp_path)
    assert "--series N" in str(refused.value)
    assert [info.key for info in refused.value.series] == [0, 1]
    for chosen in (1, "1", "1.2.9", "Venous"):
        np.testing.assert_array_equal(pixels_of(tmp_path, series=chosen), SLICES[:5] + 500)
    with pytest.raises(SeriesError, match=r"no series 'portal'.* 0: series 2"):
        open_images(tmp_path, series="portal")
    with pytest.raises(SeriesError, match="no series 7"):
        open_images(tmp_path, series=7)


@pytest.mark.parametrize(
    "scout",
    [
        {"directions": SAGITTAL, "ImageType": ["DERIVED", "SECONDARY", "LOCALIZER"]},
        {"directions": SAGITTAL},  # in the same series, and not called so
        {"series": "1.2.7", "SeriesDescription": "topogram"},
        {"spacing": (3, 3)},
    ],
)
def test_a_scout_beside_the_slices_is_left_out_and_named(scout: dict[str, Any], tmp_path: Path) -> None:
    write_series(tmp_path)
    write_slice(tmp_path / "0scout.dcm", np.zeros((8, 10), np.uint16), z=2.0, number=0, **scout)
    images = read_images(tmp_path)
    np.testing.assert_array_equal(images.data[...], SLICES)
    assert "not taken: series" in images.left_out[0] and "1 slice of 10 x 8 pixels" in images.left_out[0]
    number = int(images.left_out[0].rpartition("series=")[2].rstrip(")"))
    np.testing.assert_array_equal(pixels_of(tmp_path, series=number), np.zeros((8, 10)))


def test_a_scout_of_another_size_is_left_out(tmp_path: Path) -> None:
    write_series(tmp_path)
    write_slice(tmp_path / "0.dcm", np.zeros((20, 30), np.uint16), z=2.0)
    assert open_images(tmp_path).frames.shape(0) == (8, 10)
    assert "1 slice of 30 x 20 pixels" in left_out(tmp_path)


def test_two_orientations_in_a_series_are_two_images(tmp_path: Path) -> None:
    write_series(tmp_path)
    for x in range(4):
        position = (x, 0, 9)
        write_slice(tmp_path / f"s{x}.dcm", SLICES[x], position=position, directions=SAGITTAL, number=10 + x)
    with pytest.raises(SeriesError, match=r"axial\), 6 slices of .*sagittal\), 4 slices of"):
        open_images(tmp_path)
    np.testing.assert_array_equal(pixels_of(tmp_path, series=1), SLICES[3::-1])  # their normal points to the right


def test_radiographs_are_a_flow(tmp_path: Path) -> None:
    for number in range(3):
        pixels = np.full((8 + number, 10), number, np.uint16)
        header = dicom_header(pixels, kind="1.2.840.10008.5.1.4.1.1.1.1", series=f"1.5.{number}")
        saved(tmp_path / f"x{number}.dcm", header, Modality="DX", ImagerPixelSpacing=[0.2, 0.2])
    images = open_images(tmp_path)
    assert [images.frames.shape(t) for t in range(3)] == [(8, 10), (9, 10), (10, 10)]
    assert images.frames.name(2) == "x2.dcm"
    assert images.mode == "flow" and images.axes[0].name == "image"
    assert images.axes[1].spacing == 0.2
    assert (
        "3 images that do not lie behind each other: taken as a flow" in images.left_out[0]
        and "on the detector" in images.left_out[1]
    )


# ---- doubled and missing ---------------------------------------------------------------------------------------------


def test_copies_of_files_are_left_out_and_named(tmp_path: Path) -> None:
    paths = write_series(tmp_path)
    shutil.copy(paths[2], tmp_path / "a2 (copy).dcm")
    np.testing.assert_array_equal(pixels_of(tmp_path), SLICES)
    assert left_out(tmp_path) == "copies of other files, by their UIDs, left out: a2.dcm"


def test_a_doubled_slice_is_refused_by_name(tmp_path: Path) -> None:
    write_series(tmp_path)
    write_slice(tmp_path / "b.dcm", SLICES[0] + 7, z=3.0, number=4)
    with pytest.raises(
        FrameError, match=r"several slices at 1 of 6 places.*a3\.dcm and b\.dcm lie at the same position"
    ):
        open_images(tmp_path)


def test_a_missing_slice_is_told(tmp_path: Path) -> None:
    write_series(tmp_path)[3].unlink()
    images = read_images(tmp_path)
    np.testing.assert_array_equal(images.data[...], np.delete(SLICES, 3, axis=0))
    assert "1 slice is missing" in images.left_out[0] and "between a2.dcm and a4.dcm" in images.left_out[0]
    assert images.axes[0].spacing == 1
    assert images.affine is None  # none is right


def test_slices_beside_each_other_are_no_stack(tmp_path: Path) -> None:
    write_series(tmp_path)
    write_slice(tmp_path / "b.dcm", SLICES[0], position=(50, 0, 2), number=9)
    with pytest.raises(FrameError, match="lie beside each other, 50 mm apart"):
        open_images(tmp_path)


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
    path = write_frames(tmp_path / "e", SLICES, frames)
    with pytest.raises(SeriesError, match="3 slices"):
        open_images(path)
    np.testing.assert_array_equal(pixels_of(path, series=1), SLICES[1::2])


def test_a_volume_over_several_enhanced_files(tmp_path: Path) -> None:
    write_frames(tmp_path / "1", SLICES[3:], [at(z) for z in (3, 4, 5)])
    write_frames(tmp_path / "2", SLICES[:3], [at(z) for z in (0, 1, 2)])
    np.testing.assert_array_equal(pixels_of(tmp_path), SLICES)

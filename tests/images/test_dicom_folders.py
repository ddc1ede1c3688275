"""Folders of DICOM: found by content, sorted into series, ordered, and told what was left out."""

from __future__ import annotations

import os
import shutil
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
import pytest
from dicom_files import SLICES, dicom_header, saved, write_series, write_slice
from PIL import Image
from pydicom.uid import SegmentationStorage

from napari_medsam2.errors import FrameError, SeriesError
from napari_medsam2.images.formats import as_frames, open_images, read_images
from napari_medsam2.images.readers.dicom import pixels

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


def test_files_in_a_list_are_a_frame_each_in_the_order_of_the_list(tmp_path: Path) -> None:
    files = write_series(tmp_path)
    frames = as_frames([files[4], str(files[1])])
    np.testing.assert_array_equal(np.stack(list(frames)), SLICES[[4, 1]])
    write_slice(tmp_path / "clip.dcm", SLICES)
    with pytest.raises(FrameError, match=f"clip.dcm has {len(SLICES)} frames, not one"):
        as_frames([tmp_path / "clip.dcm"])[0]


def _closed(monkeypatch: pytest.MonkeyPatch, closed: Path) -> None:
    """Make it as if there were no permission for a file or folder, which root always has."""
    look, access = os.scandir, os.access

    def scandir(path: Any) -> Any:
        if Path(path) == closed:
            raise PermissionError(13, "Permission denied", str(path))
        return look(path)

    monkeypatch.setattr(os, "scandir", scandir)
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != closed and access(path, mode))


@pytest.mark.parametrize("closed", ["below/second", "notes.bin"])
def test_what_may_not_be_read_beside_slices_is_no_part_that_is_silently_missing(
    closed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / "below" / "first", tmp_path / "below" / "second"
    second.mkdir(parents=True)
    for path in write_series(first)[3:]:
        path.rename(second / path.name)
    (tmp_path / "notes.bin").write_bytes(b"notes")
    assert len(read_images(tmp_path)) == len(SLICES)
    _closed(monkeypatch, tmp_path / closed)
    with pytest.raises(FrameError, match=f"cannot read .*{Path(closed).name}: you have no permission"):
        read_images(tmp_path)


def test_a_folder_that_may_not_be_read_beside_pictures_is_only_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("L", (10, 8)).save(tmp_path / "a.png")
    (tmp_path / "closed").mkdir()
    _closed(monkeypatch, tmp_path / "closed")
    assert "closed" in left_out(tmp_path)


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


def test_pictures_with_their_dicom_source_below_stay_pictures(tmp_path: Path) -> None:
    for number in range(6):
        Image.fromarray(SLICES[number].astype(np.uint8)).save(tmp_path / f"p{number}.png")
    write_series(tmp_path / "source")
    assert open_images(tmp_path).frames.name(0) == "p0.png"


def test_a_preview_above_the_slices_is_only_named(tmp_path: Path) -> None:
    Image.fromarray(SLICES[0].astype(np.uint8)).save(tmp_path / "preview.jpg")
    write_series(tmp_path / "S1")
    np.testing.assert_array_equal(pixels_of(tmp_path), SLICES)
    assert left_out(tmp_path) == "no DICOM: preview.jpg"


def test_objects_that_are_no_images_are_named(tmp_path: Path) -> None:
    write_series(tmp_path)
    for kind, name in (("1.2.840.10008.5.1.4.1.1.481.3", "rs.dcm"), ("1.2.840.10008.5.1.4.1.1.88.11", "sr.dcm")):
        saved(tmp_path / name, dicom_header(SLICES[0], kind=kind, series=kind), PixelData=None, Rows=None)
    # and one that is written with the class of the slices
    saved(
        tmp_path / "pr.dcm",
        dicom_header(SLICES[0], series="1.8"),
        Modality="PR",
        PixelData=None,
        Rows=None,
        Columns=None,
    )
    mask = dicom_header((SLICES > 9).astype(np.uint8), kind=SegmentationStorage, series="1.9")
    saved(tmp_path / "seg.dcm", mask)
    np.testing.assert_array_equal(pixels_of(tmp_path), SLICES)
    told = left_out(tmp_path)
    assert "rs.dcm (RT Structure Set)" in told and "sr.dcm (Basic Text SR" in told and "seg.dcm (Segmentation)" in told
    assert "pr.dcm (PR)" in told
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


def test_spacings_that_headers_round_are_the_same(tmp_path: Path) -> None:
    for z, plane in enumerate(SLICES):
        write_slice(tmp_path / f"{z}.dcm", plane, z=float(z), number=z, spacing=(0.48825 + 1e-6 * z, 0.48825))
    np.testing.assert_array_equal(pixels_of(tmp_path), SLICES)


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


def test_many_threads_may_read_at_once_as_napari_does(tmp_path: Path) -> None:
    slices = np.arange(16 * 8 * 10, dtype=np.uint16).reshape(16, 8, 10)
    write_series(tmp_path, slices)
    data, filters, interval = read_images(tmp_path).data, list(warnings.filters), sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(16) as threads:
            planes = list(threads.map(lambda n: data[n % 16], range(640)))
    finally:
        sys.setswitchinterval(interval)
    np.testing.assert_array_equal(planes, np.tile(slices, (40, 1, 1)))
    assert warnings.filters == filters  # warnings of others are shown as before


def test_frames_along_another_axis_decode_each_slice_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[Path] = []
    decoder = pixels.decoder_of

    def counted(path: Path, syntax: str) -> Any:
        decoded.append(path)
        return decoder(path, syntax)

    monkeypatch.setattr(pixels, "decoder_of", counted)
    write_series(tmp_path)
    sagittal = open_images(tmp_path, axis="x")
    np.testing.assert_array_equal(list(sagittal), SLICES.transpose(2, 0, 1))
    assert len(decoded) == len(set(decoded)) == len(SLICES)

"""Whatever is wrong with a file, it is the file that is named; no error of a library comes through."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_medsam2.errors import UserError
from napari_medsam2.images.datasets import read_dataset
from napari_medsam2.images.formats import as_frames, open_images
from napari_medsam2.images.readers.single import image_header, read_image

STACK = np.random.default_rng(0).integers(0, 200, (3, 24, 25), dtype=np.uint16)


def set_tag(path: Path, name: str, value: Any) -> None:
    with tifffile.TiffFile(path, mode="r+") as tif:
        tif.pages[0].tags[name].overwrite(value)  # type: ignore[union-attr, index]


def broken_at(path: Path, start: int, content: bytes) -> None:
    whole = bytearray(path.read_bytes())
    whole[start : start + len(content)] = content
    path.write_bytes(whole)


def refusal(read: Callable[[], object]) -> str | None:
    """What is said of a file that cannot be read; ``None`` if it can be."""
    try:
        read()
    except UserError as error:
        return str(error)
    return None


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("tag", ["ImageWidth", "ImageLength", "BitsPerSample", "RowsPerStrip"])
def test_a_tif_whose_sizes_make_no_sense_is_named(tag: str, compression: str | None, tmp_path: Path) -> None:
    path = tmp_path / "scan.tif"
    tifffile.imwrite(path, STACK, compression=compression, photometric="minisblack")
    set_tag(path, tag, 0)
    for read in (lambda: list(as_frames(path)), lambda: list(as_frames([path])), lambda: image_header(path)):
        told = refusal(read)
        assert told is None or "scan.tif" in told


def test_an_npy_whose_header_is_no_dictionary_is_named(tmp_path: Path) -> None:
    path = tmp_path / "scan.npy"
    np.save(path, STACK)
    broken_at(path, 10, b"{'descr': (" + b" " * 40 + b"(")
    for read in (as_frames, read_image, image_header):
        with pytest.raises(UserError, match=r"cannot read scan\.npy: it is truncated, damaged or of another format"):
            read(path)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_an_npz_that_is_damaged_anywhere_is_named(save: Callable[..., None], tmp_path: Path) -> None:
    path = tmp_path / "set.npz"
    save(path, images=STACK, masks=(STACK > 100).astype(np.uint8))
    whole, rng = path.read_bytes(), random.Random(0)
    refusals = []
    for _ in range(60):
        damaged = bytearray(whole)
        for _ in range(5):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        path.write_bytes(damaged)
        refusals += [refusal(lambda: open_images(path)), refusal(lambda: read_dataset(path, mode="stack"))]
    told = [words for words in refusals if words is not None]
    assert len(told) > 20 and all("set.npz" in words for words in told)


def test_a_compressed_nifti_that_is_damaged_is_named(tmp_path: Path) -> None:
    import nibabel

    path = tmp_path / "scan.nii.gz"
    nibabel.save(nibabel.Nifti1Image(STACK.astype(np.int16), np.eye(4)), path)
    broken_at(path, 60, b"\xff" * 40)
    with pytest.raises(UserError, match=r"cannot read scan\.nii\.gz: it is truncated, damaged"):
        open_images(path)


def test_a_nifti_whose_pixels_begin_in_its_header_is_named(tmp_path: Path) -> None:
    import nibabel

    path = tmp_path / "scan.nii"
    nibabel.save(nibabel.Nifti1Image(STACK.astype(np.int16), np.eye(4)), path)
    broken_at(path, 108, np.float32(16).tobytes())  # vox_offset
    with pytest.raises(UserError, match=r"cannot read scan\.nii: "):
        open_images(path)


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")  # it also warns of what it then refuses
@pytest.mark.parametrize(
    ("tag", "value"),
    [("InstanceNumber", b"x2"), ("ImagePositionPatient", b"1\\2"), ("Rows", b"\x01"), ("RescaleSlope", b"1.0.0 ")],
)
def test_a_dicom_header_that_makes_no_sense_is_named(tag: str, value: bytes, tmp_path: Path) -> None:
    import pydicom
    from pydicom import data

    header = pydicom.dcmread(data.get_testdata_file("CT_small.dcm"))
    element = header[tag]
    raw = pydicom.dataelem.RawDataElement(element.tag, element.VR, len(value), value, 0, False, True)
    header._dict[element.tag] = raw  # as it comes from a file, before anybody looks at the value
    header.save_as(tmp_path / "slice.dcm")
    with pytest.raises(UserError, match=r"cannot read slice\.dcm: "):
        open_images(tmp_path / "slice.dcm")


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
def test_dicom_pixels_that_are_cut_short_are_named(tmp_path: Path) -> None:
    from pydicom import data

    for name in ("CT_small.dcm", "MR_small_RLE.dcm"):
        whole = Path(data.get_testdata_file(name)).read_bytes()
        (tmp_path / name).write_bytes(whole[: len(whole) - 3000])
        with pytest.raises(UserError, match=name):
            open_images(tmp_path / name)[0]


@pytest.mark.parametrize("notes", ["", "{}", '{"zarr_format": 3, "node_type": "array"}', b"\xff\xfe"])
def test_a_zarr_without_a_sensible_description_is_named(notes: str | bytes, tmp_path: Path) -> None:
    import zarr

    path = tmp_path / "scan.zarr"
    zarr.open_group(str(path), mode="w").create_array("0", shape=STACK.shape, dtype=STACK.dtype)
    for file in path.rglob("zarr.json"):
        file.write_bytes(notes if isinstance(notes, bytes) else notes.encode())
    with pytest.raises(UserError, match=r"cannot read scan\.zarr: "):
        open_images(path)


@pytest.mark.parametrize("scales", [[{}], [{"datasets": []}], [{"datasets": [{"path": 5}]}], "x", {"a": 1}])
def test_an_ome_zarr_whose_levels_are_not_told_as_agreed_is_named(scales: Any, tmp_path: Path) -> None:
    import zarr

    path = tmp_path / "scan.zarr"
    group = zarr.open_group(str(path), mode="w")
    group.create_array("0", shape=STACK.shape, dtype=STACK.dtype)
    group.attrs["multiscales"] = scales
    with pytest.raises(UserError, match=r"scan\.zarr"):
        open_images(path)

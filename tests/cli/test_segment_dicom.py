"""segment on DICOM: a folder as it comes from a scanner, several series, repetitions in time, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import tifffile
from dicom_files import write_series, write_slice
from fakes import command as run
from fakes import moving_disc
from PIL import Image

pytestmark = pytest.mark.usefixtures("blobs")

IMAGES, MASKS = moving_disc(6)
STACK = np.round(IMAGES).astype(np.uint16)
POINT = ("--point", "2,32,23")


def segmented(scan: Path, *words: object) -> tuple[int, Path]:
    out = scan.parent / "labels.tif"
    return run("segment", scan, *POINT, *words, "-o", out), out


def agrees(out: Path) -> bool:
    return bool((tifffile.imread(out).astype(bool) ^ MASKS).mean() < 0.002)


def test_a_folder_from_a_scanner(tmp_path: Path, capsys: Any) -> None:
    """Files without a suffix in any order, a scout, and a preview beside them; labels lie on the ordered slices."""
    scan = tmp_path / "scan"
    for file, z in enumerate([3, 0, 5, 1, 4, 2]):
        write_slice(scan / "S1" / f"IM{file}", STACK[z], z=3.0 * z, spacing=(0.5, 0.5), number=file)
    write_slice(
        scan / "S1" / "IM9", STACK[0], directions=(0, 1, 0, 0, 0, -1), ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]
    )
    Image.fromarray(STACK[0].astype(np.uint8)).save(scan / "preview.jpg")
    code, out = segmented(scan)
    captured = capsys.readouterr()
    assert code == 0, captured.err
    assert agrees(out)
    assert "not taken: series" in captured.err and "no DICOM: preview.jpg" in captured.err
    with tifffile.TiffFile(out) as written:
        assert written.series[0].axes == "ZYX"


def test_labels_lie_on_the_patient(tmp_path: Path) -> None:
    """A NIfTI of the labels has the object where the DICOM headers have it, in a sagittal stack from right to left."""
    for z in range(6):
        position, directions = (30 - 2.0 * z, 10, 50), (0, 1, 0, 0, 0, -1)
        write_slice(tmp_path / "scan" / str(z), STACK[z], position=position, directions=directions, spacing=(0.5, 0.25))
    out = tmp_path / "labels.nii.gz"
    assert run("segment", tmp_path / "scan", *POINT, "-o", out) == 0
    labels = nibabel.load(out)
    found = nibabel.affines.apply_affine(labels.affine, np.argwhere(labels.get_fdata()))
    z, y, x = np.nonzero(MASKS)
    left_back_head = np.stack([30 - 2.0 * z, 10 + 0.25 * x, 50 - 0.5 * y], axis=-1)
    expected = left_back_head * (-1, -1, 1)  # NIfTI counts towards right and front
    np.testing.assert_allclose(found.mean(axis=0), expected.mean(axis=0), atol=0.1)
    np.testing.assert_allclose(found.std(axis=0), expected.std(axis=0), atol=0.1)


def test_of_two_series_one_is_chosen(tmp_path: Path, capsys: Any) -> None:
    write_series(tmp_path / "scan", STACK, SeriesDescription="portal venous")
    write_series(tmp_path / "scan", STACK[:, ::-1].copy(), prefix="b", series="1.2.9", SeriesDescription="late")
    code, out = segmented(tmp_path / "scan")
    told = capsys.readouterr().err
    assert code == 2 and not out.exists()
    assert "--series N" in told and "'portal venous'" in told and "'late'" in told
    for chosen in ("0", "Portal Venous"):
        code, out = segmented(tmp_path / "scan", "--series", chosen)
        assert code == 0 and agrees(out)


def test_of_repetitions_one_is_chosen(tmp_path: Path, capsys: Any) -> None:
    for t in range(2):
        write_series(tmp_path / "scan", STACK * (t + 1), prefix=f"{t}_", TemporalPositionIdentifier=t + 1)
    code, out = segmented(tmp_path / "scan", "--axis", "z")
    assert code == 2 and "--at t=0" in capsys.readouterr().err and not out.exists()
    code, out = segmented(tmp_path / "scan", "--axis", "z", "--at", "t=1")
    assert code == 0 and agrees(out)


def test_a_slice_that_was_cut_ends_with_its_name_and_nothing_written(tmp_path: Path, capsys: Any) -> None:
    paths = write_series(tmp_path / "scan", STACK)
    paths[3].write_bytes(paths[3].read_bytes()[:-99])
    code, out = segmented(tmp_path / "scan")
    told = capsys.readouterr().err
    assert code == 2 and not out.exists()
    assert "a3.dcm is truncated" in told and len(told.strip().splitlines()) == 1

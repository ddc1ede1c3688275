"""Where DICOM slices lie: any orientation, any order of files, measured spacing, and an affine that agrees."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from dicom_files import SLICES, dicom_header, groups_of, saved, write_frames, write_series, write_slice
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from napari_medsam2.images.formats import open_images, read_images
from napari_medsam2.images.opened import OpenedImages

LENGTHS = st.floats(0.05, 20)
#: The number of every pixel of a slice.
PIXELS = np.arange(12, dtype=np.uint16).reshape(3, 4)


def positions_by(images: OpenedImages) -> npt.NDArray[np.float64]:
    """Where the affine puts every pixel, ``(Z, Y, X, 3)``."""
    assert images.affine is not None
    shape = tuple(images.lengths)
    indices = np.stack([*np.indices(shape), np.ones(shape)], axis=-1)
    return np.asarray((indices @ images.affine.T)[..., :3])


@given(
    turn=st.tuples(*[st.floats(-180, 180)] * 3),
    origin=st.tuples(*[st.floats(-500, 500)] * 3),
    step=LENGTHS,
    spacing=st.tuples(LENGTHS, LENGTHS),
    order=st.permutations(range(5)),
    enhanced=st.booleans(),
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_pixel_is_where_the_headers_say(
    turn: Any, origin: Any, step: float, spacing: Any, order: list[int], enhanced: bool
) -> None:
    along_row, along_column, normal = Rotation.from_euler("xyz", turn, degrees=True).as_matrix().T
    directions = [float(f"{value:.9g}") for value in (*along_row, *along_column)]
    places = [np.asarray(origin) + number * step * normal for number in range(5)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "scan"
        folder.mkdir()
        if enhanced:
            groups = [
                {
                    "PlanePositionSequence": {"ImagePositionPatient": list(map(float, places[number]))},
                    "PlaneOrientationSequence": {"ImageOrientationPatient": directions},
                    "PixelMeasuresSequence": {"PixelSpacing": list(spacing)},
                }
                for number in order
            ]
            write_frames(folder / "e", np.stack([PIXELS + 100 * number for number in order]), groups)
        else:
            for file, number in enumerate(order):
                write_slice(
                    folder / str(file),
                    PIXELS + 100 * number,
                    position=places[number],
                    directions=directions,
                    spacing=spacing,
                    number=file,
                )
        images = read_images(folder)
        np.testing.assert_array_equal(images.data[...], np.stack([PIXELS + 100 * number for number in range(5)]))
        rows, columns = np.indices(PIXELS.shape)
        expected = np.stack(
            [
                place + columns[..., None] * spacing[1] * along_row + rows[..., None] * spacing[0] * along_column
                for place in places
            ]
        )
        np.testing.assert_allclose(positions_by(images), expected, atol=2e-4)
        np.testing.assert_allclose([axis.spacing for axis in images.axes], [step, *spacing], rtol=1e-3)
        assert {axis.unit for axis in images.axes} == {"mm"}
        assert images.left_out == ()


def test_the_spacing_is_measured_and_not_the_thickness(tmp_path: Path) -> None:
    for z in range(6):
        write_slice(tmp_path / str(z), SLICES[z], z=-2.5 * z, number=z, spacing=(0.5, 0.25))
    images = open_images(tmp_path)
    assert [(axis.name, axis.spacing, axis.unit, axis.origin) for axis in images.axes] == [
        ("z", 2.5, "mm", -12.5),
        ("y", 0.5, "mm", 0),
        ("x", 0.25, "mm", 0),
    ]
    np.testing.assert_array_equal(images[0], SLICES[5])


def test_a_tilted_gantry_is_told_and_in_the_affine(tmp_path: Path) -> None:
    for z in range(6):
        write_slice(tmp_path / str(z), SLICES[z], position=(0, 0.5 * z, 2 * z), number=z)
    images = open_images(tmp_path)
    assert "shifted against each other by 14.0 degrees" in images.left_out[0]
    assert images.axes[0].spacing == 2
    np.testing.assert_allclose(positions_by(images)[4, 3, 2], (2, 3 + 2, 8))


def test_uneven_slices_are_told(tmp_path: Path) -> None:
    for number, z in enumerate((0, 1, 2, 3.4, 4.4, 5.4)):
        write_slice(tmp_path / f"{number}", SLICES[number], z=z)
    images = open_images(tmp_path)
    np.testing.assert_array_equal(images[3], SLICES[3])
    assert "not evenly spaced: most are 1 mm apart, but 1.4 mm between 2 and 3" in images.left_out[0]
    assert images.affine is None and images.axes[0].spacing == 1


def test_slices_that_wander_are_told(tmp_path: Path) -> None:
    for z in range(6):
        write_slice(tmp_path / str(z), SLICES[z], position=(3 * (z == 2), 0, z))
    images = open_images(tmp_path)
    assert "not on one line, by up to 3 mm" in images.left_out[0]
    assert images.affine is None


def test_small_errors_of_rounding_are_no_gaps(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for z in range(6):
        write_slice(tmp_path / str(z), SLICES[z], z=2 * z + rng.uniform(-5e-4, 5e-4))
    images = open_images(tmp_path)
    assert images.left_out == ()
    assert images.axes[0].spacing == pytest.approx(2, abs=2e-3)


def test_a_single_slice_has_its_place(tmp_path: Path) -> None:
    images = open_images(write_slice(tmp_path / "s", SLICES[0], position=(1, 2, 3), spacing=(0.5, 0.25)))
    assert [axis.name for axis in images.axes] == ["y", "x"]
    assert images.affine is not None
    np.testing.assert_allclose(images.affine @ (0, 2, 4, 1), (2, 3, 3, 1))


def test_zeros_are_no_orientation(tmp_path: Path) -> None:
    write_series(tmp_path, ImageOrientationPatient=[0] * 6, ImagePositionPatient=[0] * 3)
    images = open_images(tmp_path)
    assert images.affine is None and images.axes[0].name == "image"  # in the order of their numbers
    np.testing.assert_array_equal(images[3], SLICES[3])


@pytest.mark.parametrize(
    ("elements", "step"),
    [
        ({"FrameTime": 40}, 0.04),
        ({"FrameTimeVector": [0, 30, 50]}, 0.04),
        ({"CineRate": 25}, 0.04),
        ({"RecommendedDisplayFrameRate": 50, "FrameTime": 0}, 0.02),
    ],
)
def test_frames_of_a_clip_are_seconds_apart(elements: dict[str, Any], step: float, tmp_path: Path) -> None:
    header = dicom_header(SLICES, kind="1.2.840.10008.5.1.4.1.1.3.1")
    images = open_images(saved(tmp_path / "clip", header, Modality="US", **elements))
    assert (images.axes[0].name, images.axes[0].unit) == ("t", "s")
    assert images.axes[0].spacing == pytest.approx(step)
    np.testing.assert_array_equal(images[4], SLICES[4])


def test_pixels_of_ultrasound_are_as_large_as_their_region_says(tmp_path: Path) -> None:
    units = {"PhysicalUnitsXDirection": 3, "PhysicalUnitsYDirection": 3}  # centimetres
    region = groups_of(**units, PhysicalDeltaX=0.05, PhysicalDeltaY=0.02)
    header = dicom_header(SLICES, kind="1.2.840.10008.5.1.4.1.1.3.1")
    images = open_images(saved(tmp_path / "clip", header, SequenceOfUltrasoundRegions=[region]))
    assert [axis.spacing for axis in images.axes[1:]] == pytest.approx([0.2, 0.5])


def test_planes_of_a_dose_lie_where_its_offsets_say(tmp_path: Path) -> None:
    header = dicom_header(SLICES, kind="1.2.840.10008.5.1.4.1.1.481.2")
    header.ImagePositionPatient, header.ImageOrientationPatient = [1, 2, 30], [1, 0, 0, 0, 1, 0]
    header.PixelSpacing, header.DoseGridScaling = [2, 2], 0.5
    path = saved(tmp_path / "dose", header, Modality="RTDOSE", GridFrameOffsetVector=[0, -3, -6, -9, -12, -15])
    images = open_images(path)
    assert (images.axes[0].name, images.axes[0].spacing, images.axes[0].origin) == ("z", 3, 15)
    np.testing.assert_allclose(images[0], SLICES[5] * 0.5)

"""What the stored numbers of DICOM mean: rescale, photometric interpretation, padding, bits, and compression."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt
import pydicom
import pytest
from dicom_files import SLICES, at, dicom_header, saved, write_compressed, write_frames, write_series, write_slice
from pydicom import Dataset
from pydicom.pixels.processing import apply_color_lut, convert_color_space
from pydicom.uid import ParametricMapStorage

from napari_medsam2.errors import FrameError
from napari_medsam2.images.contrast import estimate
from napari_medsam2.images.formats import open_images, read_images

FRAME = SLICES[3]
RGB = np.dstack([FRAME % 250, 255 - FRAME % 199, FRAME % 17 * 9]).astype(np.uint8)


def pixels_of(path: Path, **options: Any) -> npt.NDArray[Any]:
    return np.asarray(read_images(path, **options).data[...])


# ---- numbers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stored", "bits", "slope", "intercept", "dtype"),
    [
        (np.uint16, 12, 1, -1024, np.int16),
        (np.uint16, 16, 1, -1024, np.int32),
        (np.int16, 16, 1, 0, np.int16),
        (np.uint16, 8, 1, 0, np.uint8),
        (np.uint16, 16, 2, 1, np.uint32),
        (np.uint16, 12, 0.1, -5, np.float32),
        (np.uint32, 32, 0.5, 0, np.float64),
    ],
)
def test_real_values_are_in_the_smallest_type_that_holds_them(
    stored: Any, bits: int, slope: float, intercept: float, dtype: Any, tmp_path: Path
) -> None:
    pixels = (FRAME % 200).astype(stored)
    path = write_slice(
        tmp_path / "s", pixels, BitsStored=bits, HighBit=bits - 1, RescaleSlope=slope, RescaleIntercept=intercept
    )
    read = pixels_of(path)
    assert read.dtype == dtype
    np.testing.assert_allclose(read, pixels * np.float64(slope) + intercept, rtol=1e-6)


def test_each_slice_has_its_own_rescale(tmp_path: Path) -> None:
    for z in range(6):
        write_slice(tmp_path / str(z), SLICES[z], z=z, RescaleSlope=1 + z / 7, RescaleIntercept=z)
    expected = np.stack([SLICES[z] * (1 + z / 7) + z for z in range(6)])
    np.testing.assert_allclose(pixels_of(tmp_path), expected, rtol=1e-6)


def test_a_slice_in_fractions_does_not_round_the_others(tmp_path: Path) -> None:
    for z in range(6):
        write_slice(tmp_path / str(z), SLICES[z], z=z, RescaleSlope=0.5 if z == 4 else 1, RescaleIntercept=0)
    np.testing.assert_array_equal(pixels_of(tmp_path), SLICES * np.array([1, 1, 1, 1, 0.5, 1])[:, None, None])


def test_each_frame_has_its_own_rescale_and_goes_to_its_place_with_it(tmp_path: Path) -> None:
    frames = [
        {**at(5 - z), "PixelValueTransformationSequence": {"RescaleSlope": z + 1, "RescaleIntercept": -z}}
        for z in range(6)
    ]
    expected = np.stack([SLICES[z].astype(int) * (z + 1) - z for z in range(6)])[::-1]
    np.testing.assert_array_equal(pixels_of(write_frames(tmp_path / "e", SLICES, frames)), expected)


def test_real_world_values_come_before_the_rescale(tmp_path: Path) -> None:
    mapping = Dataset()
    mapping.RealWorldValueFirstValueMapped, mapping.RealWorldValueLastValueMapped = 0, 65535
    mapping.RealWorldValueSlope, mapping.RealWorldValueIntercept = 0.25, 3.0
    path = write_slice(tmp_path / "s", FRAME, RealWorldValueMappingSequence=[mapping], RescaleSlope=7)
    np.testing.assert_allclose(pixels_of(path), FRAME * 0.25 + 3)


def test_a_modality_table_is_looked_up(tmp_path: Path) -> None:
    table = Dataset()
    table.LUTDescriptor, table.ModalityLUTType = [480, 0, 16], "US"
    table.add_new("LUTData", "US", [(7 * n) % 4001 for n in range(480)])
    path = write_slice(tmp_path / "s", FRAME, ModalityLUTSequence=[table])
    np.testing.assert_array_equal(pixels_of(path), (7 * FRAME) % 4001)


def test_a_map_of_floats_is_read_as_it_is(tmp_path: Path) -> None:
    header = dicom_header(FRAME, kind=ParametricMapStorage)
    header.FloatPixelData = (FRAME / 7).astype("<f4").tobytes()
    path = saved(
        tmp_path / "p",
        header,
        PixelData=None,
        BitsAllocated=32,
        BitsStored=None,
        HighBit=None,
        PixelRepresentation=None,
    )
    np.testing.assert_array_equal(pixels_of(path), (FRAME / 7).astype(np.float32))


# ---- bits ------------------------------------------------------------------------------------------------------------


def test_overlays_in_high_bits_are_cut_away(tmp_path: Path) -> None:
    drawn = FRAME | np.where(FRAME % 2, 0xF000, 0).astype(np.uint16)
    path = write_slice(tmp_path / "s", drawn, BitsStored=12, HighBit=11)
    np.testing.assert_array_equal(pixels_of(path), FRAME)


def test_signed_numbers_of_twelve_bits_keep_their_sign(tmp_path: Path) -> None:
    values = FRAME.astype(np.int16) - 300
    stored = values & 0x0FFF  # the four bits above are not the sign's
    path = write_slice(tmp_path / "s", stored.astype(np.int16), BitsStored=12, HighBit=11)
    np.testing.assert_array_equal(pixels_of(path), values)


def test_bits_at_the_upper_end_are_brought_down(tmp_path: Path) -> None:
    path = write_slice(tmp_path / "s", FRAME << 4 | 0x5, BitsStored=12, HighBit=15)
    np.testing.assert_array_equal(pixels_of(path), FRAME)


# ---- photometric interpretation --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [np.uint16, np.int16])
@pytest.mark.parametrize(
    "elements", [{"PhotometricInterpretation": "MONOCHROME1"}, {"PresentationLUTShape": "INVERSE"}]
)
def test_what_is_bright_looks_bright(kind: Any, elements: dict[str, Any], tmp_path: Path) -> None:
    stored = (400 - SLICES.astype(int) % 300).astype(kind)
    write_series(tmp_path, stored, BitsStored=12, HighBit=11, **elements)
    read = pixels_of(tmp_path).astype(int)
    assert np.unique(read + stored).size == 1  # turned the same way on all slices
    assert read.max() <= (4095 if kind is np.uint16 else 2047)


def test_hounsfield_units_are_turned_before_they_are_scaled(tmp_path: Path) -> None:
    path = write_slice(
        tmp_path / "s", FRAME, PhotometricInterpretation="MONOCHROME1", RescaleSlope=2, RescaleIntercept=-1000
    )
    np.testing.assert_array_equal(pixels_of(path), (65535 - FRAME.astype(int)) * 2 - 1000)


@pytest.mark.parametrize("depth", [8, 16])
def test_a_palette_is_looked_up_unless_labels_are_wanted(depth: int, tmp_path: Path) -> None:
    stored = (FRAME % 200).astype(np.uint8)
    header = dicom_header(stored)
    tables = [
        (np.arange(256) * factor % 256 * (257 if depth == 16 else 1)).astype(f"u{depth // 8}") for factor in (1, 3, 7)
    ]
    for name, table in zip(("Red", "Green", "Blue"), tables, strict=True):
        setattr(header, f"{name}PaletteColorLookupTableDescriptor", [256, 0, depth])
        setattr(header, f"{name}PaletteColorLookupTableData", table.tobytes())
    path = saved(tmp_path / "p", header, PhotometricInterpretation="PALETTE COLOR")
    colours = pixels_of(path)
    np.testing.assert_array_equal(colours, np.stack([table[stored] for table in tables], axis=-1))
    np.testing.assert_array_equal(colours, apply_color_lut(stored, pydicom.dcmread(path)))
    assert read_images(path).colour
    np.testing.assert_array_equal(pixels_of(path, as_labels=True), stored)


@pytest.mark.parametrize("planar", [0, 1])
def test_colours_are_rgb(planar: int, tmp_path: Path) -> None:
    for name, photometric in (("rgb", "RGB"), ("ybr", "YBR_FULL")):
        stored = RGB if name == "rgb" else convert_color_space(RGB, "RGB", "YBR_FULL")
        header = dicom_header(stored)
        data = np.moveaxis(stored, -1, 0).tobytes() if planar else stored.tobytes()
        path = saved(
            tmp_path / name, header, PixelData=data, PlanarConfiguration=planar, PhotometricInterpretation=photometric
        )
        np.testing.assert_allclose(pixels_of(path).astype(int), RGB, atol=0 if name == "rgb" else 3)


# ---- padding ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("elements", "outside"),
    [
        ({"PixelPaddingValue": -2000}, -2000),
        ({"PixelPaddingValue": -3000, "PixelPaddingRangeLimit": -1990}, -2000),
        ({"PixelPaddingValue": -2000, "RescaleSlope": 1, "RescaleIntercept": -1024}, -2000),
    ],
)
def test_padding_is_no_value(elements: dict[str, int], outside: int, tmp_path: Path) -> None:
    inside = SLICES.astype(np.int16) + 5
    padded = inside.copy()
    padded[:, :2] = outside
    write_series(tmp_path / "padded", padded, **elements)
    images = read_images(tmp_path / "padded")
    expected = np.stack([np.maximum(plane, plane[2:].min()) for plane in inside])
    np.testing.assert_array_equal(images.data[...], expected + elements.get("RescaleIntercept", 0))
    assert "are padding" in images.left_out[0]
    limits = estimate(open_images(tmp_path / "padded")).contrast
    assert np.all(np.asarray(limits.low) >= elements.get("RescaleIntercept", 0))


def test_padding_that_is_written_without_its_sign_is_meant_all_the_same(tmp_path: Path) -> None:
    padded = FRAME.astype(np.int16)
    padded[:2] = -2000
    path = write_slice(tmp_path / "s", padded)
    header = pydicom.dcmread(path)
    header.add_new("PixelPaddingValue", "US", 63536)
    header.save_as(path)
    assert pixels_of(path).min() == FRAME[2:].min()


def test_a_slice_of_padding_alone_is_dark_and_the_others_are_not(tmp_path: Path) -> None:
    stack = SLICES.astype(np.int16) + 1
    stack[2] = -2000
    write_series(tmp_path, stack, PixelPaddingValue=-2000)
    read = pixels_of(tmp_path)
    assert np.all(read[2] == 0)
    np.testing.assert_array_equal(read[3], stack[3])


# ---- compression -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("syntax", "encode"),
    [
        ("1.2.840.10008.1.2.4.57", lambda a: imagecodecs.ljpeg_encode(a, bitspersample=16)),
        ("1.2.840.10008.1.2.4.70", lambda a: imagecodecs.ljpeg_encode(a, bitspersample=16)),
        ("1.2.840.10008.1.2.4.80", imagecodecs.jpegls_encode),
        ("1.2.840.10008.1.2.4.90", lambda a: imagecodecs.jpeg2k_encode(a, level=0, codecformat="j2k")),
        ("1.2.840.10008.1.2.4.201", imagecodecs.htj2k_encode),
        ("1.2.840.10008.1.2.4.202", imagecodecs.htj2k_encode),
    ],
)
def test_lossless_compression_gives_every_pixel_back(syntax: str, encode: Any, tmp_path: Path) -> None:
    path = write_compressed(tmp_path / "c", dicom_header(SLICES), [encode(plane) for plane in SLICES], syntax)
    np.testing.assert_array_equal(pixels_of(path), SLICES)


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.90"])
def test_compressed_numbers_keep_their_sign(syntax: str, tmp_path: Path) -> None:
    signed = FRAME.astype(np.int16) - 300
    encode = {
        "70": lambda: imagecodecs.ljpeg_encode(signed.view(np.uint16), bitspersample=16),
        "80": lambda: imagecodecs.jpegls_encode(signed.view(np.uint16)),
        "90": lambda: imagecodecs.jpeg2k_encode(signed, level=0, codecformat="j2k"),
    }[syntax[-2:]]
    path = write_compressed(tmp_path / "c", dicom_header(signed), [encode()], syntax)
    np.testing.assert_array_equal(pixels_of(path), signed)


def test_lossy_compression_of_eight_and_twelve_bits(tmp_path: Path) -> None:
    smooth = np.add.outer(np.arange(32), np.arange(48)).astype(np.uint16)
    twelve = dicom_header(smooth * 40)
    twelve.BitsStored, twelve.HighBit = 12, 11
    frame = imagecodecs.jpeg8_encode(smooth * 40, level=98, bitspersample=12)
    path = write_compressed(tmp_path / "12", twelve, [frame], "1.2.840.10008.1.2.4.51")
    np.testing.assert_allclose(pixels_of(path), smooth * 40.0, atol=20)
    eight = dicom_header(smooth.astype(np.uint8))
    frame = imagecodecs.jpeg8_encode(smooth.astype(np.uint8), level=98)
    path = write_compressed(tmp_path / "8", eight, [frame], "1.2.840.10008.1.2.4.50")
    np.testing.assert_allclose(pixels_of(path), smooth, atol=2)


def test_colours_of_lossless_jpeg(tmp_path: Path) -> None:
    frame = imagecodecs.jpeg8_encode(RGB, lossless=True, predictor=1, colorspace="rgb", outcolorspace="rgb")
    path = write_compressed(tmp_path / "c", dicom_header(RGB), [frame], "1.2.840.10008.1.2.4.70")
    np.testing.assert_array_equal(pixels_of(path), RGB)


@pytest.mark.parametrize("name", ["ExplVR_BigEnd.dcm", "SC_rgb_small_odd_big_endian.dcm", "MR_small_bigendian.dcm"])
def test_bytes_in_the_other_order(name: str) -> None:
    path = Path(pydicom.data.get_testdata_file(name))
    np.testing.assert_array_equal(pixels_of(path), pydicom.dcmread(path).pixel_array)


@pytest.mark.parametrize("name", ["MR_small_RLE.dcm", "MR_small_jp2klossless.dcm", "MR_small_jpeg_ls_lossless.dcm"])
def test_files_of_others_are_decoded_alike(name: str) -> None:
    plain = pydicom.data.get_testdata_file("MR_small.dcm")
    np.testing.assert_array_equal(pixels_of(Path(pydicom.data.get_testdata_file(name))), pixels_of(Path(plain)))


def test_a_deflated_file_is_unpacked(tmp_path: Path) -> None:
    path = write_slice(tmp_path / "plain", FRAME)
    header = pydicom.dcmread(path)
    header.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
    header.save_as(tmp_path / "deflated")
    np.testing.assert_array_equal(pixels_of(tmp_path / "deflated"), FRAME)


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.4.102", "1.2.3.4.5"])
def test_what_cannot_be_decoded_is_named(syntax: str, tmp_path: Path) -> None:
    path = write_compressed(tmp_path / "film", dicom_header(SLICES), [b"\0" * 8] * 6, syntax)
    with pytest.raises(FrameError, match=rf"film is stored as .*{syntax}.*which cannot be decoded: convert it"):
        open_images(path)


def test_a_compressed_image_of_another_size_than_declared_is_refused(tmp_path: Path) -> None:
    frame = imagecodecs.ljpeg_encode(FRAME[:4].copy(), bitspersample=16)
    path = write_compressed(tmp_path / "c", dicom_header(FRAME), [frame], "1.2.840.10008.1.2.4.70")
    with pytest.raises(FrameError, match=r"cannot read c: .*\(4, 10\), the header says \(8, 10\)"):
        open_images(path)[0]

"""Tifs are read as ``tifffile.imread`` shows them: pages are put in order, axes are named, channels are no frames."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_medsam2.errors import FrameError, SeriesError
from napari_medsam2.images.formats import open_images, read_images
from napari_medsam2.images.opened import Axis

STACK = np.random.default_rng(0).integers(0, 255, (6, 8, 10), dtype=np.uint8)
SIXTEEN = STACK.astype(np.uint16) * 257
HYPER = np.random.default_rng(1).integers(0, 65535, (2, 3, 4, 8, 10), dtype=np.uint16)
GREY: dict[str, Any] = {"photometric": "minisblack"}

_OME = (
    '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:{uuid}">'
    '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZTC" Type="uint8" SizeX="10" SizeY="8" SizeC="{c}" '
    'SizeZ="1" SizeT="{t}"><Channel ID="Channel:0:0" SamplesPerPixel="1"/>{planes}</Pixels></Image></OME>'
)


def ome(planes: str, *, uuid: int = 1, t: int = 6, c: int = 1) -> bytes:
    return _OME.format(uuid=uuid, planes=planes, t=t, c=c).encode()


def write_pages(path: Path, pages: Any, header: bytes, **options: Any) -> None:
    with tifffile.TiffWriter(path) as tif:
        for number, page in enumerate(pages):
            tif.write(page, metadata=None, description=header if number == 0 else None, **GREY, **options)


def check(path: Path, expected: np.ndarray) -> None:
    """As tifffile shows it, and so frame by frame."""
    np.testing.assert_array_equal(tifffile.imread(path), expected)
    frames = open_images(path).frames
    assert len(frames) == len(expected)
    for t in reversed(range(len(expected))):
        np.testing.assert_array_equal(frames[t], expected[t])
        assert frames[t].dtype == expected.dtype


# ---- which page is which frame ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("order", [[5, 4, 3, 2, 1, 0], [3, 0, 5, 1, 4, 2]])
def test_pages_of_an_ome_tif_in_another_order(order: list[int], compression: str | None, tmp_path: Path) -> None:
    planes = "".join(f'<TiffData FirstT="{t}" IFD="{order.index(t)}" PlaneCount="1"/>' for t in range(6))
    write_pages(tmp_path / "a.ome.tif", STACK[order], ome(planes), compression=compression)
    check(tmp_path / "a.ome.tif", STACK)


def write_many_files(folder: Path, n: int = 6) -> None:
    plane = '<TiffData FirstT="{t}" IFD="0" PlaneCount="1"><UUID FileName="t{t}.ome.tif">urn:uuid:{u}</UUID></TiffData>'
    planes = "".join(plane.format(t=t, u=t + 1) for t in range(n))
    for t in range(n):
        write_pages(folder / f"t{t}.ome.tif", STACK[t : t + 1], ome(planes, uuid=t + 1, t=n))


def test_an_ome_tif_over_many_files_is_one_image_by_any_of_them_and_by_their_folder(tmp_path: Path) -> None:
    write_many_files(tmp_path)
    check(tmp_path / "t0.ome.tif", STACK)
    check(tmp_path / "t3.ome.tif", STACK)
    images = open_images(tmp_path)
    assert images.axes[0].name == "t" and len(images.files) == 6
    np.testing.assert_array_equal(np.stack(images.frames[:]), STACK)


def test_a_file_that_an_ome_tif_needs_is_named_where_it_is_missing(tmp_path: Path) -> None:
    write_many_files(tmp_path)
    (tmp_path / "t4.ome.tif").unlink()
    for path in (tmp_path / "t0.ome.tif", tmp_path):
        with pytest.raises(FrameError, match=r"declares 6 planes, and 5 are there; missing are 4.*needs t4\.ome\.tif"):
            open_images(path)


def test_planes_that_an_ome_header_declares_and_the_file_has_not(tmp_path: Path) -> None:
    write_pages(tmp_path / "a.ome.tif", STACK[:4], ome('<TiffData IFD="0" PlaneCount="6"/>'))
    with pytest.raises(FrameError, match="declares 6 planes, and 4 are there"):
        open_images(tmp_path / "a.ome.tif")


def test_a_folder_in_which_an_ome_image_of_many_files_lies_beside_others_is_refused(tmp_path: Path) -> None:
    write_many_files(tmp_path)
    Image.fromarray(STACK[0]).save(tmp_path / "other.png")
    with pytest.raises(FrameError, match=r"t0\.ome\.tif .* is one of 6 files of one image, and other\.png is another"):
        open_images(tmp_path)


def test_a_preview_page_before_the_frames(tmp_path: Path) -> None:
    planes = "".join(f'<TiffData FirstT="{t}" IFD="{t + 1}" PlaneCount="1"/>' for t in range(6))
    write_pages(tmp_path / "a.ome.tif", [STACK[5] // 2, *STACK], ome(planes))
    check(tmp_path / "a.ome.tif", STACK)


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize(("kind", "shown"), [(1, "minisblack"), (4, "mask")])
def test_thumbnails_and_masks_between_the_pages(kind: int, shown: str, compression: str | None, tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
        for page in STACK:
            tif.write(page, metadata=None, compression=compression, **GREY)
            tif.write(page[::2, ::2] if kind == 1 else page > 3, subfiletype=kind, metadata=None, photometric=shown)
    check(tmp_path / "a.tif", STACK)


def test_a_pyramid_gives_its_finest_level_and_the_others_as_levels(tmp_path: Path) -> None:
    large = np.kron(STACK, np.ones((1, 8, 8), np.uint8))
    with tifffile.TiffWriter(tmp_path / "a.ome.tif") as tif:
        tif.write(large, subfiletype=0, subifds=2, tile=(16, 16), metadata={"axes": "ZYX"}, **GREY)
        for step in (2, 4):
            tif.write(large[:, ::step, ::step], subfiletype=1, tile=(16, 16), **GREY)
    images = read_images(tmp_path / "a.ome.tif")
    np.testing.assert_array_equal(images.data[...], large)
    for level, step in zip(images.levels, (2, 4), strict=True):
        np.testing.assert_array_equal(level[...], large[:, ::step, ::step])


def test_one_of_several_images_is_chosen_by_number_or_name(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.ome.tif") as tif:
        tif.write(STACK, metadata={"axes": "TYX", "Name": "cells"}, **GREY)
        tif.write(STACK[:, :5], metadata={"axes": "ZYX", "Name": "beads"}, **GREY)
    with pytest.raises(SeriesError, match=r"2 images .* 0 'cells' \(6 x 8 x 10\), 1 'beads' .* --series N") as error:
        read_images(tmp_path / "a.ome.tif")
    assert [info.key for info in error.value.series] == [0, 1]
    for series in (1, "1", "beads"):
        images = read_images(tmp_path / "a.ome.tif", series=series)
        assert images.name == "beads" and images.axes[0].name == "z"
        np.testing.assert_array_equal(images.data[...], STACK[:, :5])
    for series in (2, -1, "cell"):
        with pytest.raises(SeriesError, match=f"there is no {series!r}"):
            read_images(tmp_path / "a.ome.tif", series=series)


def write_lsm(path: Path) -> None:
    """As Zeiss writes it: a thumbnail behind each page, sizes and spacing in metres in a tag of its own."""
    info = struct.pack("<Ii8i6d2H5Id", 0x0400494C, 512, 10, 8, 6, 1, 1, 1, 8, 8, 2e-7, 2e-7, 1e-6, *[0] * 10, 0.5)
    with tifffile.TiffWriter(path) as tif:
        for z, page in enumerate(STACK):
            tags = [] if z else [(34412, "B", 512, info.ljust(512, b"\0"), True)]
            tif.write(page, metadata=None, extratags=tags, **GREY)
            tif.write(page[::2, ::2].copy(), metadata=None, subfiletype=1, **GREY)


def write_stk(path: Path) -> None:
    """As MetaMorph writes it: one page, behind whose pixels those of the others lie."""
    numbers = [number for z in range(6) for number in (3, 2, 2459000, 1000 * z, 2459000, 0)]
    tags = [(33628, "I", 2, (28, 0), True), (33629, "2I", 18, numbers, True)]
    tifffile.imwrite(path, STACK[0], metadata=None, extratags=tags, **GREY)
    with tifffile.TiffFile(path) as tif:
        page = tif.pages.first
        tag, start = page.tags[33629].offset, page.dataoffsets[0]
    content = bytearray(path.read_bytes())
    struct.pack_into("<I", content, tag + 4, 6)  # its count is that of the planes
    path.write_bytes(content[:start] + STACK.tobytes())


def test_lsm_and_stk_of_microscopes(tmp_path: Path) -> None:
    write_lsm(tmp_path / "a.lsm")
    write_stk(tmp_path / "a.stk")
    for name in ("a.lsm", "a.stk"):
        check(tmp_path / name, STACK)
    assert read_images(tmp_path / "a.lsm").axes == (Axis("z", 1, "um"), Axis("y", 0.2, "um"), Axis("x", 0.2, "um"))
    assert read_images(tmp_path / "a.stk").axes[0] == Axis("z", 1.5)
    content = (tmp_path / "a.stk").read_bytes()
    (tmp_path / "a.stk").write_bytes(content[:-100])
    with pytest.raises(FrameError, match=r"a\.stk is truncated"):
        read_images(tmp_path / "a.stk")


def test_an_ome_header_that_is_in_another_file_is_told(tmp_path: Path) -> None:
    header = '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><BinaryOnly MetadataFile="a.ome"/></OME>'
    write_pages(tmp_path / "a.ome.tif", STACK, header.encode())
    [told] = open_images(tmp_path / "a.ome.tif").left_out
    assert "the OME header of a.ome.tif is in another file" in told


# ---- axes and channels -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("kind", ["imagej", "ome"])
def test_one_picture_with_channels_is_no_stack(kind: str, compression: str | None, tmp_path: Path) -> None:
    path = tmp_path / ("a.ome.tif" if kind == "ome" else "a.tif")
    names = {"Channel": {"Name": ["DAPI", "GFP", "488"]}} if kind == "ome" else {"Labels": ["DAPI", "GFP", "488"]}
    options: dict[str, Any] = {"imagej": True} if kind == "imagej" else {"ome": True, **GREY}
    tifffile.imwrite(path, SIXTEEN[:3], metadata={"axes": "CYX", **names}, compression=compression, **options)
    with pytest.raises(FrameError, match=r"3 channels \(DAPI, GFP, 488\), which are no frames"):
        open_images(path)
    for channel in (1, "GFP"):
        frames = open_images(path, channel=channel).frames
        assert len(frames) == 1
        np.testing.assert_array_equal(frames[0], SIXTEEN[1])
    assert len(open_images(path, axis="c").frames) == 3


def test_samples_that_are_no_colours_are_channels(tmp_path: Path) -> None:
    many = np.moveaxis(STACK[:5], 0, -1)
    for planar in ("contig", "separate"):
        pixels = many if planar == "contig" else STACK[:5]
        tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", planarconfig=planar)
        np.testing.assert_array_equal(open_images(tmp_path / "a.tif", channel=4).frames[0], STACK[4])


def test_axes_of_ome_have_spacing_units_and_origin(tmp_path: Path) -> None:
    told = {
        "axes": "TZCYX", "PhysicalSizeX": 0.25, "PhysicalSizeXUnit": "µm", "PhysicalSizeY": 250,
        "PhysicalSizeYUnit": "nm", "PhysicalSizeZ": 1.5, "TimeIncrement": 2, "TimeIncrementUnit": "min",
        "Plane": {"PositionX": [5.0] * 24, "PositionXUnit": ["µm"] * 24},
    }  # fmt: skip
    tifffile.imwrite(tmp_path / "a.ome.tif", HYPER, metadata=told)
    images = read_images(tmp_path / "a.ome.tif")
    np.testing.assert_array_equal(images.data[...], HYPER)
    assert images.axes == (
        Axis("t", 2, "min"), Axis("z", 1.5, "um"), Axis("c"), Axis("y", 250, "nm"), Axis("x", 0.25, "um", 5)
    )  # fmt: skip
    assert images.mode == "stack"
    part = open_images(tmp_path / "a.ome.tif", axis="z", channel=2, at={"t": 1})
    np.testing.assert_array_equal(np.stack(part.frames[:]), HYPER[1, :, 2])


@pytest.mark.parametrize("unit", ["um", "micron", "\\u00B5m"])
def test_axes_of_imagej_have_spacing_and_units(unit: str, tmp_path: Path) -> None:
    told = {"axes": "TZCYX", "spacing": 1.5, "unit": unit, "finterval": 0.5, "Labels": list("abcd") * 6}
    tifffile.imwrite(tmp_path / "a.tif", HYPER, imagej=True, resolution=(4, 2), metadata=told)
    images = read_images(tmp_path / "a.tif")
    np.testing.assert_array_equal(images.data[...], HYPER)
    assert images.axes == (
        Axis("t", 0.5, "s"), Axis("z", 1.5, "um"), Axis("c"), Axis("y", 0.5, "um"), Axis("x", 0.25, "um")
    )  # fmt: skip
    assert images.channels == ("a", "b", "c", "d")


@pytest.mark.parametrize(
    ("resolution", "unit", "spacing"),
    [
        (72, "INCH", None),
        (300, "INCH", None),
        (118.11, "CENTIMETER", None),
        (40000, "CENTIMETER", 0.25),
        (1, "NONE", None),
    ],
)
def test_a_resolution_counts_where_it_is_that_of_a_microscope(
    resolution: float, unit: str, spacing: float | None, tmp_path: Path
) -> None:
    tifffile.imwrite(tmp_path / "a.tif", STACK, resolution=(resolution, resolution), resolutionunit=unit, **GREY)
    expected = (Axis("y"), Axis("x")) if spacing is None else (Axis("y", spacing, "um"), Axis("x", spacing, "um"))
    assert read_images(tmp_path / "a.tif").axes[1:] == expected


def test_a_header_whose_scale_makes_no_sense_costs_the_scale_alone(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.ome.tif", STACK, ome=True, metadata={"axes": "ZYX", "PhysicalSizeX": 0.25}, **GREY)
    content = (tmp_path / "a.ome.tif").read_bytes()
    for spoilt in (b"-1.0", b"nan ", b"many"):
        (tmp_path / "a.ome.tif").write_bytes(content.replace(b'"0.25"', b'"' + spoilt + b'"'))
        images = read_images(tmp_path / "a.ome.tif")
        assert images.axes[-1] == Axis("x")
        np.testing.assert_array_equal(images.data[...], STACK)


# ---- how pixels are stored -------------------------------------------------------------------------------------------

STORED: dict[str, tuple[Any, dict[str, Any]]] = {
    "bool": (STACK > 99, GREY),
    "bool, 0 is white": (STACK > 99, {"photometric": "miniswhite"}),
    "2 bits": (STACK % 4, {"bitspersample": 2, **GREY}),
    "4 bits": (STACK % 16, {"bitspersample": 4, **GREY}),
    "12 bits": (SIXTEEN % 4096, {"bitspersample": 12, **GREY}),
    "14 bits": (SIXTEEN % 16384, {"bitspersample": 14, **GREY}),
    "half floats": (STACK.astype(np.float16), GREY),
    "half floats, predicted": (STACK.astype(np.float16), {"compression": "zlib", "predictor": 3, **GREY}),
    "big-endian": (SIXTEEN, {"byteorder": ">", **GREY}),
    "big-endian, predicted": (SIXTEEN, {"byteorder": ">", "compression": "lzw", "predictor": True, **GREY}),
    "0 is white": (STACK, {"photometric": "miniswhite"}),
    "tiles": (STACK, {"tile": (16, 16), "compression": "zstd", **GREY}),
    "strips": (STACK, {"rowsperstrip": 3, "compression": "packbits", **GREY}),
    "BigTIFF": (STACK, {"bigtiff": True, **GREY}),
    **{name: (STACK, {"compression": name, **GREY}) for name in ("zstd", "lzma", "lerc", "png", "jpegxl", "jpeg2000")},
}


@pytest.mark.parametrize("name", STORED)
def test_pixels_are_those_that_were_stored(name: str, tmp_path: Path) -> None:
    pixels, options = STORED[name]
    tifffile.imwrite(tmp_path / "a.tif", pixels, **options)
    check(tmp_path / "a.tif", pixels)


@pytest.mark.parametrize("compression", [None, "zstd", "tiff_lzw", "tiff_adobe_deflate", "packbits", "group4", "lzma"])
def test_tifs_that_pillow_writes(compression: str | None, tmp_path: Path) -> None:
    pages = STACK > 99 if compression == "group4" else STACK
    first, *others = (Image.fromarray(page) for page in pages)
    first.save(tmp_path / "a.tif", save_all=True, append_images=others, compression=compression)
    check(tmp_path / "a.tif", pages)
    Image.fromarray(STACK[0] > 99).save(tmp_path / "one.tif", compression=compression)
    np.testing.assert_array_equal(open_images(tmp_path / "one.tif").frames[0], STACK[0] > 99)


def test_a_boolean_tif_as_napari_writes_it(tmp_path: Path) -> None:
    from napari.utils.io import imsave

    imsave(str(tmp_path / "m.tif"), STACK > 99)
    check(tmp_path / "m.tif", STACK > 99)


@pytest.mark.parametrize("compression", [None, "zlib", "webp"])
@pytest.mark.parametrize("n", [3, 4])
def test_colours_are_last_however_they_are_stored(n: int, compression: str | None, tmp_path: Path) -> None:
    colours = np.random.default_rng(0).integers(0, 255, (5, 16, 18, n), dtype=np.uint8)
    options: dict[str, Any] = {"photometric": "rgb", "compression": compression, "extrasamples": [2] * (n - 3)}
    if compression == "webp":
        options["compressionargs"] = {"level": -1}  # without loss
    tifffile.imwrite(tmp_path / "a.tif", colours, planarconfig="contig", **options)
    check(tmp_path / "a.tif", colours)
    if compression != "webp":
        tifffile.imwrite(tmp_path / "b.tif", np.moveaxis(colours, -1, 1), planarconfig="separate", **options)
        np.testing.assert_array_equal(np.stack(open_images(tmp_path / "b.tif").frames[:]), colours)


TOLD: dict[str, tuple[Callable[[Path], None], str]] = {
    "white": (lambda path: tifffile.imwrite(path, STACK[0], photometric="miniswhite"), "0 is white"),
    "palette": (lambda path: Image.fromarray(STACK[0]).convert("P").save(path), "has a palette"),
    "turned": (lambda path: Image.fromarray(STACK[0]).save(path, tiffinfo={274: 6}), "to be turned"),
    "transparent": (lambda path: Image.fromarray(STACK[0]).convert("LA").save(path), "transparency"),
    "inks": (lambda path: Image.fromarray(STACK[0]).convert("CMYK").save(path), "inks"),
}


@pytest.mark.parametrize("name", TOLD)
def test_what_the_header_says_and_napari_does_not_show_is_told(name: str, tmp_path: Path) -> None:
    write, words = TOLD[name]
    write(tmp_path / "a.tif")
    images = open_images(tmp_path / "a.tif")
    [told] = images.left_out
    assert words in told
    expected = tifffile.imread(tmp_path / "a.tif")
    np.testing.assert_array_equal(images.frames[0], expected[..., 0] if name == "transparent" else expected)

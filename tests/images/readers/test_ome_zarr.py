"""Zarr and OME-Zarr of all versions: axes, scales, series and labels; what is missing is told or refused."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from ome_zarr_files import set_metadata, write_ome_zarr

from napari_medsam2.errors import FrameError, SeriesError
from napari_medsam2.images import budget
from napari_medsam2.images.formats import open_images, read_images

DATA = np.arange(1, 1 + 2 * 3 * 6 * 8 * 10, dtype=np.uint16).reshape(2, 3, 6, 8, 10)
SCALE, SHIFT = [2, 1, 0.5, 0.1, 0.1], [0, 0, 7, 1, 2]


def all_of(data: Any) -> np.ndarray:
    return np.asarray(data[(slice(None),) * data.ndim])


@pytest.mark.parametrize(
    ("version", "options"),
    [
        ("0.4", {}),
        ("0.4", {"chunk_key_encoding": {"name": "v2", "separator": "/"}}),
        ("0.4", {"chunk_key_encoding": {"name": "v2", "separator": "."}}),
        ("0.5", {}),
        ("0.5", {"chunks": (1, 1, 1, 4, 5), "shards": (1, 1, 3, 8, 10)}),
        ("0.5", {"compressors": None}),
    ],
)
def test_axes_scales_channels_and_levels(version: str, options: dict[str, Any], tmp_path: Path) -> None:
    channels, levels = ["DAPI", "GFP", "RFP"], 1 if "shards" in options else 2
    write_ome_zarr(
        tmp_path / "a.zarr", DATA, "tczyx", version=version, scale=SCALE, shift=SHIFT, channels=channels,
        levels=levels, **options,
    )  # fmt: skip
    images = read_images(tmp_path / "a.zarr")
    np.testing.assert_array_equal(all_of(images.data), DATA)
    assert [(axis.name, axis.spacing, axis.unit, axis.origin) for axis in images.axes] == [
        ("t", 2, "pixel", 0), ("c", 1, "pixel", 0), ("z", 0.5, "um", 7), ("y", 0.1, "um", 1), ("x", 0.1, "um", 2)
    ]  # fmt: skip
    assert images.channels == ("DAPI", "GFP", "RFP") and images.left_out == () and images.affine is None
    assert [level.shape for level in images.levels] == [(2, 3, 6, 4, 5)] * (levels - 1)
    part = open_images(tmp_path / "a.zarr", axis="z", channel="GFP", at={"t": 1})
    np.testing.assert_array_equal(part[2], DATA[1, 1, 2])


def test_channels_are_no_frames(tmp_path: Path) -> None:
    write_ome_zarr(tmp_path / "a.zarr", DATA[0, :, 0], "cyx", channels=["DAPI", "", "RFP"])
    with pytest.raises(FrameError, match=r"3 channels \(DAPI, 1, RFP\), which are no frames"):
        open_images(tmp_path / "a.zarr")
    np.testing.assert_array_equal(open_images(tmp_path / "a.zarr", channel="RFP")[0], DATA[0, 2, 0])


def test_scales_may_be_untold_or_on_both_places(tmp_path: Path) -> None:
    write_ome_zarr(tmp_path / "a.zarr", DATA[0, 0], "zyx", unit="")
    assert {(axis.spacing, axis.unit, axis.origin) for axis in read_images(tmp_path / "a.zarr").axes} == {
        (1, "pixel", 0)
    }
    group = write_ome_zarr(tmp_path / "b.zarr", DATA[0, 0], "zyx", scale=[2, 3, 4], shift=[1, 0, 0])
    [multiscale] = group.attrs["multiscales"]
    outer = [{"type": "scale", "scale": [10, 1, 1]}, {"type": "translation", "translation": [5, 0, 0]}]
    group.attrs["multiscales"] = [{**multiscale, "coordinateTransformations": outer}]
    axis = read_images(tmp_path / "b.zarr").axes[0]
    assert (axis.spacing, axis.origin) == (20, 15)
    group.attrs["multiscales"] = [multiscale, {**multiscale, "name": "denoised"}, multiscale]
    [words] = read_images(tmp_path / "b.zarr").left_out
    assert words == "other pyramids that b.zarr names, of which the first is read: denoised, number 2"


@pytest.mark.parametrize("axes", [None, list("tczyx")])
def test_versions_before_axes_had_types(axes: list[str] | None, tmp_path: Path) -> None:
    group = write_ome_zarr(tmp_path / "a.zarr", DATA, "tczyx")
    told = {"datasets": [{"path": "0"}], "version": "0.1", **({"axes": axes} if axes else {})}
    group.attrs["multiscales"] = [told]
    assert [axis.name for axis in read_images(tmp_path / "a.zarr").axes] == list("tczyx")


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_series_of_bioformats2raw(version: str, tmp_path: Path) -> None:
    root = zarr.open_group(str(tmp_path / "a.zarr"), mode="w", zarr_format=3 if version == "0.5" else 2)
    set_metadata(root, {"bioformats2raw.layout": 3}, version)
    for number, name in enumerate(("before", "after")):
        write_ome_zarr(tmp_path / "a.zarr" / str(number), DATA + number, "tczyx", version=version, name=name)
    set_metadata(root.create_group("OME"), {"series": ["0", "1"]}, version)
    (tmp_path / "a.zarr" / "OME" / "METADATA.ome.xml").write_text("<OME/>")
    with pytest.raises(SeriesError, match=r"2 images: 0 \(before\), 1 \(after\); choose one") as told:
        read_images(tmp_path / "a.zarr")
    assert [(info.key, info.name) for info in told.value.series] == [("0", "before"), ("1", "after")]
    for series in (1, "1", "after"):
        images = read_images(tmp_path / "a.zarr", series=series)
        assert images.name == "after" and all_of(images.data)[0, 0, 0, 0, 0] == 2
        assert "other images in a.zarr: 0;" in images.left_out[0]
    with pytest.raises(FrameError, match=r"no image 'x'; it has 0 \(before\)"):
        read_images(tmp_path / "a.zarr", series="x")
    shutil.rmtree(tmp_path / "a.zarr" / "1")
    with pytest.raises(FrameError, match="names 1, which is not there"):
        read_images(tmp_path / "a.zarr")
    shutil.rmtree(tmp_path / "a.zarr" / "OME")  # as older versions wrote it
    np.testing.assert_array_equal(all_of(read_images(tmp_path / "a.zarr").data), DATA)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_fields_of_a_plate_are_chosen_by_their_place(version: str, tmp_path: Path) -> None:
    path = tmp_path / "plate.zarr"
    plate = zarr.open_group(str(path), mode="w", zarr_format=3 if version == "0.5" else 2)
    set_metadata(plate, {"plate": {"wells": [{"path": place} for place in ("A/1", "B/2", "C/3")]}}, version)
    for place in ("A/1", "B/2"):
        set_metadata(plate.create_group(place), {"well": {"images": [{"path": "0"}]}}, version)
        write_ome_zarr(path / place / "0", DATA[0, 0] + ord(place[0]), "zyx", version=version)
    with pytest.raises(SeriesError, match="2 images: A/1/0, B/2/0; choose one"):
        read_images(path)
    chosen = read_images(path, series="B/2/0")
    np.testing.assert_array_equal(all_of(chosen.data), DATA[0, 0] + ord("B"))
    assert chosen.left_out[0] == "wells that the plate names and that are not there: C/3"
    np.testing.assert_array_equal(all_of(read_images(path / "A" / "1").data), DATA[0, 0] + ord("A"))


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_labels_inside_an_image(version: str, tmp_path: Path) -> None:
    image = write_ome_zarr(tmp_path / "a.zarr", DATA[0, 0], "zyx", version=version)
    set_metadata(image.create_group("labels"), {"labels": ["cells"]}, version)
    labels = write_ome_zarr(tmp_path / "a.zarr" / "labels" / "cells", DATA[0, 0] % 3, "zyx", version=version)
    set_metadata(labels, {"image-label": {}}, version)
    assert read_images(tmp_path / "a.zarr").left_out == ("labels beside the image: labels/cells",)
    assert not read_images(tmp_path / "a.zarr").labels
    for path, series in ((tmp_path / "a.zarr", "cells"), (tmp_path / "a.zarr" / "labels" / "cells", None),
                         (tmp_path / "a.zarr" / "labels", None)):  # fmt: skip
        found = read_images(path, series=series)
        assert found.labels
        np.testing.assert_array_equal(all_of(found.data), DATA[0, 0] % 3)
    with pytest.raises(FrameError, match="holds one image and the labels cells; got series 'nuclei'"):
        read_images(tmp_path / "a.zarr", series="nuclei")


def test_one_level_alone_has_its_own_scale(tmp_path: Path) -> None:
    write_ome_zarr(tmp_path / "a.zarr", DATA[0, 0], "zyx", scale=[3, 0.5, 0.5], levels=3)
    coarse = read_images(tmp_path / "a.zarr" / "1")
    assert [(axis.name, axis.spacing) for axis in coarse.axes] == [("z", 3), ("y", 1), ("x", 1)]
    assert coarse.levels == ()
    np.testing.assert_array_equal(all_of(coarse.data), DATA[0, 0, :, ::2, ::2])


def test_arrays_without_metadata_of_ome(tmp_path: Path) -> None:
    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="w")
    group.create_array("raw", data=DATA[0])
    group.create_array("colour", data=np.zeros((8, 9, 3), np.uint8))
    with pytest.raises(SeriesError, match="2 images: colour, raw"):
        read_images(tmp_path / "a.zarr")
    picture = open_images(tmp_path / "a.zarr", series="colour")
    assert picture.colour and len(picture) == 1
    zarr.create_array(str(tmp_path / "four.zarr"), data=DATA[0])
    with pytest.raises(FrameError, match="with at= or --at 1=0"):
        open_images(tmp_path / "four.zarr")
    np.testing.assert_array_equal(open_images(tmp_path / "four.zarr", at={"1": 4})[2], DATA[0, 2, 4])


@pytest.mark.parametrize("told", ["dimension_names", "_ARRAY_DIMENSIONS"])
@pytest.mark.parametrize(
    ("names", "known"),
    [
        ("channel y x", {"c": 5, "y": 6, "x": 7}),
        ("Time Y X", {"t": 5, "y": 6, "x": 7}),
        ("x y channels", {"c": 7, "y": 6, "x": 5}),
        ("row band column", {"c": 6, "": 7}),
    ],
)
def test_names_of_the_axes_of_plain_arrays(names: str, known: dict[str, int], told: str, tmp_path: Path) -> None:
    """Channels are no frames, whatever they are called and wherever they stand."""
    data = np.arange(5 * 6 * 7, dtype=np.uint8).reshape(5, 6, 7)
    if told == "dimension_names":
        zarr.create_array(str(tmp_path / "a.zarr"), data=data, dimension_names=names.split(), zarr_format=3)
    else:
        array = zarr.create_array(str(tmp_path / "a.zarr"), data=data, zarr_format=2)
        array.attrs[told] = names.split()
    images = read_images(tmp_path / "a.zarr")
    assert dict(zip([axis.name for axis in images.axes], images.lengths, strict=True)) == known
    assert images.axes[-1].name == ("x" if "x" in known else "")
    if "c" in known:
        with pytest.raises(FrameError, match="channels, which are no frames"):
            open_images(tmp_path / "a.zarr")
    if names == "x y channels":
        np.testing.assert_array_equal(open_images(tmp_path / "a.zarr", channel=2)[0], data[..., 2].T)


def test_a_zarr_in_one_file(tmp_path: Path) -> None:
    write_ome_zarr(tmp_path / "a.zarr", DATA[0, 0], "zyx", scale=[3, 1, 1], levels=2)
    with zipfile.ZipFile(tmp_path / "a.zarr.zip", "w") as archive:
        for file in sorted((tmp_path / "a.zarr").rglob("*")):
            archive.write(file, file.relative_to(tmp_path / "a.zarr"))
    images = read_images(tmp_path / "a.zarr.zip")
    np.testing.assert_array_equal(all_of(images.data), DATA[0, 0])
    assert (images.axes[0].spacing, images.left_out, len(images.levels)) == (3, (), 1)


def test_a_zip_with_the_folder_itself_in_it_and_an_empty_folder_are_not_called_missing(tmp_path: Path) -> None:
    write_ome_zarr(tmp_path / "a.zarr", DATA[0, 0], "zyx")
    shutil.make_archive(str(tmp_path / "b.zarr"), "zip", tmp_path, "a.zarr")
    with pytest.raises(FrameError, match=r"b\.zarr\.zip holds no zarr: .*zip what is in the folder"):
        read_images(tmp_path / "b.zarr.zip")
    (tmp_path / "empty.zarr").mkdir()
    with pytest.raises(FrameError, match=r"empty\.zarr holds no zarr: at the top of the folder is no zarr\.json"):
        read_images(tmp_path / "empty.zarr")


def test_what_vanishes_is_not_read_as_zeros(tmp_path: Path) -> None:
    write_ome_zarr(tmp_path / "a.zarr", DATA[0, 0], "zyx", levels=2)
    images, level = open_images(tmp_path / "a.zarr"), open_images(tmp_path / "a.zarr" / "1")
    np.testing.assert_array_equal(images[0], DATA[0, 0, 0])
    (tmp_path / "a.zarr").rename(tmp_path / "moved.zarr")
    for opened in (images, level):
        with pytest.raises(FrameError, match="is gone since it was opened"):
            opened[3]


def chunk_files(path: Path) -> list[Path]:
    return sorted(file for file in path.rglob("*") if file.is_file() and not file.name.startswith((".z", "zarr")))


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_missing_chunks_are_told_and_damaged_ones_refused(version: str, tmp_path: Path) -> None:
    write_ome_zarr(tmp_path / "a.zarr", DATA[0, 0], "zyx", version=version, levels=2)
    chunks = chunk_files(tmp_path / "a.zarr" / "0")
    assert len(chunks) == 6
    chunks[2].unlink()
    images = open_images(tmp_path / "a.zarr")
    assert images.left_out == (
        "1 of 6 chunks in 0 are not stored and read as 0: they were empty when the image was written, or their files "
        "are lost",
    )
    chunks[4].write_bytes(chunks[4].read_bytes()[:10])
    with pytest.raises(FrameError, match=r"cannot read a\.zarr: it is truncated, damaged"):
        open_images(tmp_path / "a.zarr")[4]
    shutil.rmtree(tmp_path / "a.zarr" / "1")
    assert "not there: 1" in read_images(tmp_path / "a.zarr").left_out[0]
    shutil.rmtree(tmp_path / "a.zarr" / "0")
    with pytest.raises(FrameError, match="none of the arrays that it names: 0, 1"):
        read_images(tmp_path / "a.zarr")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"axes": [{"name": "y"}, {"name": "x"}]}, "names 2 axes, and its pixels have 3"),
        ({"axes": [{"name": "y"}, {"name": "y"}, {"name": "x"}]}, "calls its axes y, y, x"),
        ({"axes": 5}, "cannot read"),
        ({"datasets": [5]}, "metadata of a.zarr are damaged"),
        ({"coordinateTransformations": [{"type": "scale", "scale": [1, 0, 1]}]}, "cannot be used"),
        ({"coordinateTransformations": [{"type": "scale", "scale": [1, 1]}]}, "cannot be used"),
        ({"coordinateTransformations": [{"type": "affine"}]}, "cannot be used"),
    ],
)
def test_metadata_that_contradict_the_pixels_are_refused(change: dict[str, Any], words: str, tmp_path: Path) -> None:
    group = write_ome_zarr(tmp_path / "a.zarr", DATA[0, 0], "zyx", scale=[1, 1, 1])
    [multiscale] = group.attrs["multiscales"]
    group.attrs["multiscales"] = [{**multiscale, **change}]
    with pytest.raises(FrameError, match=words):
        read_images(tmp_path / "a.zarr")


def test_sizes_that_do_not_fit_into_memory_are_refused_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_ome_zarr(tmp_path / "a.zarr", DATA[0, 0], "zyx")
    notes = tmp_path / "a.zarr" / "0" / ".zarray"
    told = json.loads(notes.read_text())
    notes.write_text(json.dumps({**told, "shape": [6, 10**7, 10**7], "chunks": [1, 10**6, 10**7]}))
    with pytest.raises(FrameError, match=r"a\.zarr declares chunks of 1 x 1000000 x 10000000 pixels"):
        read_images(tmp_path / "a.zarr")
    notes.write_text(json.dumps({**told, "shape": [6, 10**7, 10**7], "chunks": [1, 10**3, 10**3]}))
    monkeypatch.setattr(budget, "free_memory", lambda: 10**9)
    with pytest.raises(FrameError, match=r"a\.zarr declares 10000000 x 10000000 pixels"):
        read_images(tmp_path / "a.zarr")

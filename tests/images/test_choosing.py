"""Which image, and which channel: what is not clear is asked for, and nothing is taken for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from ome_zarr_files import write_ome_zarr
from PIL import Image

from napari_medsam2.cli.main import main
from napari_medsam2.errors import FrameError, SeriesError
from napari_medsam2.images.formats import open_images, read_images

STACK = np.arange(6 * 8 * 10, dtype=np.uint8).reshape(6, 8, 10)
GREY: dict[str, Any] = {"photometric": "minisblack"}


def test_names_that_two_images_or_channels_have_choose_none_of_them(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.ome.tif") as tif:
        for stack in (STACK, STACK[:, :5]):
            tif.write(stack, metadata={"axes": "TYX", "Name": "cells"}, **GREY)
    with pytest.raises(SeriesError, match=r"0 'cells' .*, 1 'cells' .*several are 'cells'"):
        read_images(tmp_path / "a.ome.tif", series="cells")
    np.testing.assert_array_equal(read_images(tmp_path / "a.ome.tif", series=1).data[...], STACK[:, :5])
    metadata = {"axes": "CYX", "Channel": {"Name": ["red", "red", "blue"]}}
    tifffile.imwrite(tmp_path / "b.ome.tif", STACK[:3], metadata=metadata, **GREY)
    channels = read_images(tmp_path / "b.ome.tif")
    for channel, words in (
        ("red", "b has 2 channels called 'red': choose one by its number"),
        ("--1", "no channel '--1'"),
    ):
        with pytest.raises(FrameError, match=words):
            channels.frames_along(channel=channel)
    for channel, place in (("blue", 2), (1, 1), ("1", 1)):
        np.testing.assert_array_equal(channels.frames_along(channel=channel)[0], STACK[place])


def test_a_name_that_two_images_of_a_zarr_have_chooses_none_of_them(tmp_path: Path) -> None:
    zarr.open_group(str(tmp_path / "a.zarr"), mode="w", zarr_format=2).attrs["bioformats2raw.layout"] = 3
    for number in range(2):
        write_ome_zarr(tmp_path / "a.zarr" / str(number), STACK + number, "zyx", name="cells")
    with pytest.raises(SeriesError, match=r"several images .cells.: choose by number, it has 0 \(cells\), 1 \(cells\)"):
        read_images(tmp_path / "a.zarr", series="cells")
    np.testing.assert_array_equal(open_images(tmp_path / "a.zarr", series=1)[2], STACK[2] + 1)


def test_an_empty_path_is_not_the_folder_that_the_program_runs_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("L", (10, 8)).save(tmp_path / "a.png")
    monkeypatch.chdir(tmp_path)
    assert len(open_images(".")) == 1
    with pytest.raises(FrameError, match="the path of the images is empty"):
        open_images("")
    with pytest.raises(SystemExit):
        main(["segment", "", "--point", "0,1,1", "-o", "labels.tif"])
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]

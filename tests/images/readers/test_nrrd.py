"""NRRD is read with its axes and space, whatever stores its pixels; what is damaged is refused before that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nrrd
import numpy as np
import pytest

from napari_medsam2.errors import FrameError
from napari_medsam2.images import budget
from napari_medsam2.images.formats import open_images, read_images
from napari_medsam2.images.opened import LabelledObject

VOLUME = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)  # fastest axis first
STEPS = np.diag([0.5, 0.6, 3])
SPACE: dict[str, Any] = {
    "space": "left-posterior-superior",
    "space directions": STEPS,
    "space origin": np.array([1.0, 2, 3]),
    "kinds": ["domain"] * 3,
}
NONE = np.full((1, 3), np.nan)


def save(path: Path, data: Any = VOLUME, **header: Any) -> bytes:
    nrrd.write(str(path), data, {**SPACE, **header}, index_order="F")
    return path.read_bytes()


def all_of(path: Path) -> np.ndarray:
    data = read_images(path).data
    return np.asarray(data[(slice(None),) * data.ndim])


@pytest.mark.parametrize("encoding", ["raw", "gzip", "bzip2", "ascii"])
@pytest.mark.parametrize("name", ["scan.nrrd", "scan.nhdr"])
def test_pixels_are_the_same_however_they_are_stored(encoding: str, name: str, tmp_path: Path) -> None:
    save(tmp_path / name, encoding=encoding)
    images = read_images(tmp_path / name)
    np.testing.assert_array_equal(all_of(tmp_path / name), VOLUME.T)
    told = [(axis.name, round(axis.spacing, 6), axis.unit, round(axis.origin, 6)) for axis in images.axes]
    assert told == [("z", 3, "mm", 3), ("y", 0.6, "mm", 2), ("x", 0.5, "mm", 1)]
    assert len(images.files) == (1 if name.endswith("nrrd") else 2)


@pytest.mark.parametrize(
    ("space", "signs"),
    [
        ("left-posterior-superior", (1, 1, 1)),
        ("LPS", (1, 1, 1)),
        ("right-anterior-superior", (-1, -1, 1)),
        ("RAS", (-1, -1, 1)),
        ("left-anterior-superior", (1, -1, 1)),
        ("LAS", (1, -1, 1)),
    ],
)
def test_the_affine_is_that_of_dicom(space: str, signs: tuple[int, ...], tmp_path: Path) -> None:
    turned = np.array([[0.4, 0.3, 0], [-0.3, 0.4, 0], [0, 0, 3]])  # each row is a step along an axis
    save(tmp_path / "scan.nrrd", **{"space": space, "space directions": turned})
    affine = read_images(tmp_path / "scan.nrrd").affine
    assert affine is not None
    point = np.array(signs) * (np.array([1, 2, 3]) + 3 * turned[0] + 1 * turned[1] + 2 * turned[2])
    np.testing.assert_allclose(affine @ [2, 1, 3, 1], [*point, 1])


def test_a_space_without_a_patient_has_spacing_and_no_affine(tmp_path: Path) -> None:
    save(tmp_path / "scan.nrrd", space="scanner-xyz")
    images = read_images(tmp_path / "scan.nrrd")
    assert images.affine is None
    assert [round(axis.spacing, 6) for axis in images.axes] == [3, 0.6, 0.5]
    nrrd.write(str(tmp_path / "plain.nrrd"), VOLUME, {"spacings": [0.5, 0.6, 3], "units": ["XX", "microns", "um"]})
    content = (tmp_path / "plain.nrrd").read_bytes()
    (tmp_path / "plain.nrrd").write_bytes(content.replace(b'"XX"', '"µm"'.encode("latin-1")))
    plain = read_images(tmp_path / "plain.nrrd")
    assert [(axis.name, axis.spacing, axis.unit) for axis in plain.axes] == [
        ("z", 3, "um"), ("y", 0.6, "um"), ("x", 0.5, "um")
    ]  # fmt: skip
    save(tmp_path / "small.nrrd", **{"space units": ["um"] * 3})
    small = read_images(tmp_path / "small.nrrd")
    assert small.affine is not None and small.affine[2, 0] == pytest.approx(3e-3)


def test_kinds_of_axes_are_told_apart(tmp_path: Path) -> None:
    colours = np.arange(3 * 4 * 5 * 6, dtype=np.uint8).reshape(3, 4, 5, 6)
    first = {"space directions": np.vstack([NONE, STEPS])}
    save(tmp_path / "rgb.nrrd", colours, kinds=["RGB-color", *SPACE["kinds"]], **first)
    rgb = open_images(tmp_path / "rgb.nrrd")
    assert rgb.colour
    np.testing.assert_array_equal(rgb[2], colours[..., 2].transpose(2, 1, 0))
    save(tmp_path / "vector.nrrd", colours, kinds=["vector", *SPACE["kinds"]], **first)
    with pytest.raises(FrameError, match="3 channels, which are no frames"):
        open_images(tmp_path / "vector.nrrd")
    np.testing.assert_array_equal(open_images(tmp_path / "vector.nrrd", channel=1)[2], colours[1, ..., 2].T)
    last = {"space directions": np.vstack([STEPS, NONE])}
    clip = colours.transpose(1, 2, 3, 0)
    save(tmp_path / "time.nrrd", clip, kinds=[*SPACE["kinds"], "time"], **last)
    assert [axis.name for axis in read_images(tmp_path / "time.nrrd").axes] == ["t", "z", "y", "x"]
    np.testing.assert_array_equal(open_images(tmp_path / "time.nrrd", at={"t": 2}, axis="z")[1], clip[..., 1, 2].T)
    save(tmp_path / "list.nrrd", clip, kinds=[*SPACE["kinds"], "list"], **last)
    assert [axis.name for axis in read_images(tmp_path / "list.nrrd").axes] == ["c", "z", "y", "x"]
    nrrd.write(str(tmp_path / "labelled.nrrd"), colours[..., 0], {"labels": ["c", "x", "y"]})
    with pytest.raises(FrameError, match="3 channels, which are no frames"):
        open_images(tmp_path / "labelled.nrrd")


def test_layers_of_a_segmentation_of_slicer_are_channels_with_the_names_of_their_segments(tmp_path: Path) -> None:
    layers = (np.arange(2 * 4 * 5 * 6) % 3).astype(np.uint8).reshape(2, 4, 5, 6)
    segments = {}
    for number, (name, layer) in enumerate((("liver", 0), ("spleen", 0), ("tumour", 1))):
        segments |= {f"Segment{number}_{key}": value for key, value in (("ID", f"S{number}"), ("Name", name))}
        segments[f"Segment{number}_Layer"] = str(layer)
    header = {"kinds": ["list", *SPACE["kinds"]], "space directions": np.vstack([NONE, STEPS]), **segments}
    save(tmp_path / "both.seg.nrrd", layers, **header)
    images = read_images(tmp_path / "both.seg.nrrd", as_labels=True)
    assert images.labels and images.channels == ("liver, spleen", "tumour")
    np.testing.assert_array_equal(images.frames_along("z", channel="tumour")[3], layers[1, ..., 3].T)
    save(tmp_path / "one.seg.nrrd", layers[0], **segments)
    assert read_images(tmp_path / "one.seg.nrrd").labels


@pytest.mark.parametrize("colour", ["1.5 0 0", "inf 0 0", "nan 0 0", "-1 0 0", "1 0", "red"])
def test_a_segment_whose_colour_is_none_keeps_its_name(colour: str, tmp_path: Path) -> None:
    segment = {"Segment0_ID": "S1", "Segment0_Name": "liver", "Segment0_LabelValue": "1", "Segment0_Color": colour}
    save(tmp_path / "one.seg.nrrd", **segment)
    assert read_images(tmp_path / "one.seg.nrrd").objects == {1: LabelledObject("liver")}


@pytest.mark.parametrize("encoding", ["raw", "gzip"])
def test_bytes_in_the_other_order(encoding: str, tmp_path: Path) -> None:
    save(tmp_path / "big.nrrd", VOLUME.astype(">i2"), endian="big", encoding=encoding)
    np.testing.assert_array_equal(all_of(tmp_path / "big.nrrd"), VOLUME.T)


def test_what_is_damaged_is_refused_with_what_it_declares(tmp_path: Path) -> None:
    raw, packed, apart = save(tmp_path / "a.nrrd", encoding="raw"), save(tmp_path / "b.nrrd"), save(tmp_path / "c.nhdr")
    size, huge = b"sizes: 4 5 6", b"sizes: 40000 50000 60000"
    data_file = next(line for line in apart.split(b"\n") if line.startswith(b"data file"))
    for name, content, words in (
        ("cut.nrrd", raw[:-9], "declares 240 bytes of pixels, and it holds 231"),
        ("cut_gz.nrrd", packed[:-20], "end before the 240 bytes"),
        ("huge.nrrd", raw.replace(size, huge), "declares 240000000000000 bytes of pixels, and it holds 240"),
        ("huge_gz.nrrd", packed.replace(size, huge), "cannot hold so many"),
        ("minus.nrrd", raw.replace(size, b"sizes: -4 5 6"), r"the sizes \[-4, 5, 6\]"),
        ("fewer.nrrd", raw.replace(size, b"sizes: 4 5"), r"the sizes \[4, 5\] for 3 axes"),
        ("hex.nrrd", raw.replace(b"encoding: raw", b"encoding: hex"), "encoded as 'hex'"),
        ("empty.nrrd", b"", "is empty"),
        ("text.nrrd", b"hello", "does not begin as an NRRD"),
        ("flat.nrrd", raw.replace(b"(0.5,", b"(0.0,"), "do not span a space"),
        ("gone.nhdr", apart.replace(data_file, b"data file: gone.raw"), r"its pixels in gone\.raw, which is not there"),
        ("many.nhdr", apart.replace(data_file, b"data file: s%03d.raw 1 6 1"), "in several files"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(FrameError, match=rf"{name}.*{words}"):
            read_images(tmp_path / name)


def test_no_more_is_unpacked_than_is_declared_and_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path / "bomb.nrrd", np.zeros((64, 64, 64), np.int16))
    bomb = (tmp_path / "bomb.nrrd").read_bytes().replace(b"sizes: 64 64 64", b"sizes: 4 5 6")
    (tmp_path / "bomb.nrrd").write_bytes(bomb)
    assert all_of(tmp_path / "bomb.nrrd").shape == (6, 5, 4)
    monkeypatch.setattr(budget, "free_memory", lambda: 100)
    with pytest.raises(FrameError, match=r"bomb\.nrrd declares 240 bytes.*100 bytes are free"):
        read_images(tmp_path / "bomb.nrrd")

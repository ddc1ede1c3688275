"""What was opened as layers: channels apart, pyramids, units; what cannot be read when it is looked at is told."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Layer

from napari_medsam2._gui.layers import shown_planes
from napari_medsam2._gui.layers.opened_layers import images_of, layers_of
from napari_medsam2.errors import FrameError
from napari_medsam2.images.lazy import PlaneArray
from napari_medsam2.images.opened import Axis, OpenedImages

Z, Y, X = Axis("z", 2.0, "um", 5.0), Axis("y", 0.5, "um"), Axis("x", 0.25, "um")
PIXELS = np.arange(3 * 8 * 10).reshape(3, 8, 10)


def test_channels_are_layers_with_their_names_and_colours_of_their_own() -> None:
    images = OpenedImages("cells", np.stack([PIXELS, PIXELS + 1000], 1), (Z, Axis("c"), Y, X), channels=("DAPI", "GFP"))
    first, second = (Layer.create(*layer) for layer in layers_of(images))
    assert [first.name, second.name] == ["cells DAPI", "cells GFP"]
    assert first.colormap.name != second.colormap.name and second.blending == "additive"
    np.testing.assert_array_equal(np.asarray(second.data), PIXELS + 1000)
    assert second.scale.tolist() == [2.0, 0.5, 0.25] and second.translate.tolist() == [5.0, 0.0, 0.0]
    assert second.axis_labels == ("z", "y", "x") and str(second.units[0]) == "micrometer"
    assert images_of(second).channels == ("GFP",) and images_of(second).axes == (Z, Y, X)


def test_axes_of_length_1_are_left_out_and_units_that_are_none_are_pixels() -> None:
    images = OpenedImages("scan", PIXELS[None, :, None], (Axis("t"), Z, Axis("c"), Y, Axis("x", 0.25, "grumpf")))
    (layer,) = layers_of(images)
    assert layer[0].shape == (3, 8, 10) and layer[1]["axis_labels"] == ("z", "y", "x")
    assert layer[1]["units"] == ("micrometer", "micrometer", "pixel")


def test_a_pyramid_is_a_multiscale_layer() -> None:
    (layer,) = layers_of(OpenedImages("slide", PIXELS, (Z, Y, X), levels=(PIXELS[:, ::2, ::2],)))
    assert Layer.create(*layer).multiscale and [level.shape for level in layer[0]] == [(3, 8, 10), (3, 4, 5)]


def test_three_planes_are_read_before_they_are_looked_at_and_what_cannot_be_is_told_once(monkeypatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(shown_planes, "show_warning", told.append)
    read: list[int] = []

    def plane(index: tuple[int, ...]) -> np.ndarray:
        read.append(index[0])
        if index[0] == 1:
            raise FrameError("page 1 of scan.tif is truncated")
        return PIXELS[index[0] % 3]

    ((data, _, _),) = layers_of(OpenedImages("scan", PlaneArray((9,), (8, 10), PIXELS.dtype, plane), (Z, Y, X)))
    assert read == [0, 4, 8], "for the contrast"
    np.testing.assert_array_equal(np.asarray(data[2]), PIXELS[2])
    assert read == [0, 4, 8, 2]
    assert not np.asarray(data[1]).any() and not np.asarray(data[1, 2:4]).any()
    assert told == ["page 1 of scan.tif is truncated. It is shown empty."]


@pytest.mark.parametrize("kind", ["int16", "uint16", "int32", "float32"])
def test_an_image_is_neither_black_nor_white_wherever_it_lies(kind: str) -> None:
    pixels = np.arange(240).reshape(3, 8, 10).astype(kind) * (1 if kind == "uint16" else -1)
    if kind == "float32":
        pixels[1, 0, :2] = np.nan, np.inf
    aside = tuple(Axis(axis.name, axis.spacing, axis.unit, 120.0) for axis in (Z, Y, X))
    for data, levels in ((pixels, ()), (pixels, (pixels[:, ::2, ::2],)), (pixels[1], ())):
        layer = Layer.create(*layers_of(OpenedImages("scan", data, aside[-data.ndim :], levels=levels))[0])
        shown = np.asarray(levels[-1] if levels else data, float)
        shown = shown[np.isfinite(shown)]
        assert layer.contrast_limits == [shown.min(), shown.max()]


def test_of_large_planes_one_is_read_for_the_contrast(monkeypatch) -> None:
    monkeypatch.setattr(shown_planes, "_LARGE", 79)
    read: list[int] = []

    def plane(index: tuple[int, ...]) -> np.ndarray:
        read.append(index[0])
        return PIXELS[index[0]]

    layers_of(OpenedImages("scan", PlaneArray((3,), (8, 10), PIXELS.dtype, plane), (Z, Y, X)))
    assert read == [1]


@pytest.mark.parametrize("pixels", [PIXELS / 7, np.zeros((8, 10, 3), np.uint8)])
def test_labels_are_whole_numbers(pixels: np.ndarray) -> None:
    colour = pixels.shape[-1] == 3
    with pytest.raises(FrameError, match="numbers"):
        layers_of(OpenedImages("scan", pixels, (Y, X) if colour else (Z, Y, X), colour, labels=True))


def test_a_layer_that_was_moved_lies_where_it_is_and_no_longer_as_in_its_file() -> None:
    images = OpenedImages("scan", PIXELS, (Z, Y, X), affine=np.diag([0.25, 0.5, 2.0, 1.0]))
    layer = Layer.create(*layers_of(images)[0])
    assert images_of(layer).affine is not None
    layer.scale = (3.0, 0.5, 0.25)
    assert images_of(layer).affine is None and images_of(layer).axes[0].spacing == 3.0

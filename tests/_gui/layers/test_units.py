"""Layers in micrometres and nanometres lie on each other, and so do the prompts, slices and labels in them."""

from __future__ import annotations

import numpy as np
import pytest
from face import running, settled, stack_layout
from fakes import moving_disc
from napari.components import ViewerModel
from napari.layers import Image, Labels, Points, Shapes

from napari_medsam2._gui.layers.coordinates import WorldPoint, map_points, measure_in, placed_like, world_units
from napari_medsam2._gui.layers.output import OutputLabels
from napari_medsam2._gui.layers.reading import read_prompts
from napari_medsam2._gui.layers.sequence import ImageSequence
from napari_medsam2.errors import OutputError
from napari_medsam2.prompts import BoxPrompt, MaskPrompt, PointPrompt

DATA = np.random.default_rng(0).integers(0, 200, (6, 40, 60)).astype(np.uint8)
UM = {"scale": (2, 0.5, 0.5), "units": ("um",) * 3}
NM = {"scale": (2000, 500, 500), "units": ("nm",) * 3}
LAYOUT = stack_layout(DATA.shape)


@pytest.fixture(params=["um", "nm"])
def image(request):
    """The same image in the one unit or the other, turned and moved."""
    one = 1 if request.param == "um" else 1000
    moved = np.eye(4)
    moved[:3, 3] = np.array((7, 3, 5)) * one
    return Image(
        DATA,
        scale=np.multiply((2, 0.5, 0.5), one),
        translate=np.multiply((4, 1, -2), one),
        rotate=30,
        affine=moved,
        units=(request.param,) * 3,
    )


def like(image, other):
    """Where to put a layer so that a viewer shows it on the image, in another unit."""
    one = 1 if other == "um" else 1000
    moved = np.eye(4)
    moved[:3, 3] = np.array((7, 3, 5)) * one
    place = {"scale": np.multiply((2, 0.5, 0.5), one), "translate": np.multiply((4, 1, -2), one), "rotate": 30}
    return {**place, "affine": moved, "units": (other,) * 3}


@pytest.mark.parametrize("unit", ["um", "nm"])
def test_prompts_in_layers_of_another_unit_are_where_they_are_seen(image, unit):
    def read(layer):
        prompts = read_prompts(layer, image, LAYOUT, viewer_point=(0, 0, 0), object_id=1)
        assert prompts.problems == ()
        return prompts.prompts

    (point,) = read(Points([(2, 8, 9)], **like(image, unit)))
    assert (point.frame, point.y, point.x) == (2, pytest.approx(8), pytest.approx(9))
    corners = np.array([(3, 4, 5), (3, 4, 25), (3, 14, 25), (3, 14, 5)])
    (box,) = read(Shapes([corners], shape_type="rectangle", **like(image, unit)))
    np.testing.assert_allclose((box.frame, box.y0, box.x0, box.y1, box.x1), (3, 4, 5, 14, 25), atol=1e-6)
    drawn = np.zeros(DATA.shape, int)
    drawn[4, 5:9, 6:20] = 3
    (mask,) = read(Labels(drawn, **like(image, unit)))
    assert isinstance(mask, MaskPrompt) and (mask.frame, mask.object_id) == (4, 3)
    np.testing.assert_array_equal(mask.mask, drawn[4] == 3)


def test_units_on_some_axes_only():
    image = Image(DATA, scale=(2, 0.5, 0.5), units=("um", "um", "mm"))
    points = Points([(3, 4, 5)], scale=(2, 500, 0.5), units=("um", "nm", "mm"))
    np.testing.assert_allclose(map_points(points.data, points, image, (0, 0, 0)), [(3, 4, 5)])
    in_time = Image(DATA, scale=(60, 0.5, 0.5), units=("s", "um", "um"))
    points = Points([(3, 4, 5)], scale=(1, 500, 500), units=("min", "nm", "nm"))
    np.testing.assert_allclose(map_points(points.data, points, in_time, (0, 0, 0)), [(3, 4, 5)])


@pytest.mark.parametrize("units", [("pixel",) * 3, ("s", "um", "um")])
def test_units_that_measure_different_things_do_not_count_as_in_napari(units):
    viewer = ViewerModel()
    image = viewer.add_image(DATA, **UM)
    points = viewer.add_points([(3, 4, 5)], scale=(2, 0.5, 0.5), units=units)
    assert world_units(viewer) is None
    np.testing.assert_allclose(map_points(points.data, points, image, (0, 0, 0)), [(3, 4, 5)])


def test_a_third_layer_without_a_unit_makes_the_viewer_take_the_numbers_as_they_are():
    viewer = ViewerModel()
    image = viewer.add_image(DATA, **UM)
    points = viewer.add_points([(3000, 4000, 5000)], scale=(2e-3, 5e-4, 5e-4), units=("nm",) * 3)
    viewer.add_points([(0, 0, 0)])
    counted = world_units(viewer) is not None
    at = map_points(points.data, points, image, WorldPoint.of(viewer), counted=counted)
    np.testing.assert_allclose(at, [(3, 4, 5)])


def test_flat_prompts_on_a_stack_are_on_the_slice_in_view():
    viewer = ViewerModel()
    image = viewer.add_image(DATA, **UM)
    flat = viewer.add_points([(4, 5)], scale=(500, 500), units=("nm",) * 2)
    viewer.dims.set_point(0, 3 * 2000)  # the world is in nanometres now
    read = read_prompts(flat, image, LAYOUT, viewer_point=WorldPoint.of(viewer), object_id=1)
    (point,) = read.prompts
    assert point.frame == 3 and (point.y, point.x) == (pytest.approx(4), pytest.approx(5))


def test_the_frame_in_view_and_the_way_to_another():
    viewer = ViewerModel()
    image = viewer.add_image(DATA, **UM)
    sequence = ImageSequence(viewer, image)
    sequence.go_to(2)
    assert viewer.dims.point[0] == 4 and sequence.frame_in_view() == 2
    viewer.add_points([(1, 2, 3)], **NM)
    for frame in (4, 1):
        sequence.go_to(frame)
        assert viewer.dims.point[0] == pytest.approx(2000 * frame)
        assert sequence.frame_in_view() == frame
        assert image._slice_input.data_slice is not None
        np.testing.assert_array_equal(image._slice.image.view, DATA[frame])  # what napari shows


def test_labels_of_the_user_s_on_the_image_in_another_unit(image):
    for unit in ("um", "nm"):
        theirs = Labels(np.zeros(DATA.shape, int), **like(image, unit))
        assert OutputLabels.of_user(theirs, image, LAYOUT, keep=True).layer is theirs
        theirs.units = ("mm",) * 3
        with pytest.raises(OutputError, match="unit differs"):
            OutputLabels.of_user(theirs, image, LAYOUT, keep=True)
    metres = Image(DATA, scale=(2e-6, 5e-7, 5e-7), units=("m",) * 3)
    coarser = Labels(np.zeros(DATA.shape, int), scale=(2e-6, 4e-7, 4e-7), units=("m",) * 3)
    with pytest.raises(OutputError, match="scale"):
        OutputLabels.of_user(coarser, metres, LAYOUT, keep=True)


def test_a_layer_of_ours_that_is_measured_in_other_units_stays_where_it_is(image):
    viewer = ViewerModel()
    viewer.add_layer(image)
    ours = Points([(2, 8, 9)], **placed_like(image, LAYOUT))
    for unit in ("pm", "um", "nm"):
        measure_in(Image(DATA, units=(unit,) * 3).units, ours)
        assert str(ours.units[0]) == {"pm": "picometer", "um": "micrometer", "nm": "nanometer"}[unit]
        np.testing.assert_allclose(map_points(ours.data, ours, image, (0, 0, 0)), [(2, 8, 9)])


def test_drawing_through_a_viewer_that_shows_another_unit(make_napari_viewer, qtbot):
    images, truth = moving_disc(6)
    viewer = make_napari_viewer()
    viewer.add_image(images, name="scan", **UM)
    viewer.add_points([(1, 2, 3)], name="theirs", **NM)
    dock = running(viewer)
    try:
        do = dock.controller
        do.choose_mode("stack")
        do.go_to_frame(2)
        dock.prompt.tools["point"].click()
        layer = viewer.layers.selection.active
        world = (2 * 2000, 32 * 500, 23 * 500)  # where the mouse is, as the canvas says it
        layer.add(layer.world_to_data(world))
        qtbot.waitUntil(lambda: do.state.has_results and settled(dock), timeout=30_000)
        assert do.engine.session.prompts == (PointPrompt(2, 32, 23),)
        dock.prompt.tools["mask"].click()
        labels = viewer.layers["scan segmentation"]
        np.testing.assert_allclose(labels.world_to_data(world), (2, 32, 23))
        assert ((labels.data[2] == 1) ^ truth[2]).mean() < 0.01
        theirs = viewer.add_shapes(
            [np.array([(4, 24, 18), (4, 24, 34), (4, 40, 34), (4, 40, 18)])], shape_type="rectangle", **NM
        )
        do.adopt_layer(theirs)
        qtbot.waitUntil(lambda: len(do.engine.session.prompts) == 2 and settled(dock), timeout=30_000)
        assert do.engine.session.prompts[1] == BoxPrompt(4, 24, 18, 40, 34)
        do.go_to_frame(4)
        assert do.state.frame == 4 and viewer.dims.point[0] == pytest.approx(8000)
    finally:
        dock.close_dock(timeout=10.0)

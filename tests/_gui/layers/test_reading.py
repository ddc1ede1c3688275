"""Layers become prompts through any transform, and what cannot be one is named."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
from face import POINT, SHAPE, stack_layout
from hypothesis import given, settings
from hypothesis import strategies as st
from napari.layers import Image, Labels, Points, Shapes

from napari_medsam2._gui.layers.coordinates import map_points
from napari_medsam2._gui.layers.prompt_layers import fill_prompt_layer, new_boxes_layer, new_points_layer
from napari_medsam2._gui.layers.reading import read_prompts
from napari_medsam2.prompts import BoxPrompt, MaskPrompt, PointPrompt


def read(layer, image, layout, object_id=1, point=POINT):
    return read_prompts(layer, image, layout, viewer_point=point, object_id=object_id)


coordinate = st.floats(0, 30)


@settings(max_examples=20, deadline=None)
@given(
    scale=st.tuples(*[st.floats(0.2, 5)] * 2),
    translate=st.tuples(*[st.floats(-50, 50)] * 2),
    rotate=st.floats(-180, 180),
    at=st.tuples(coordinate, coordinate),
)
def test_a_click_lands_where_it_is_seen(scale, translate, rotate, at):
    image = Image(np.zeros((40, 60)), scale=scale, translate=translate, rotate=rotate)
    world = image.data_to_world(at)
    theirs = Points([world], ndim=2)  # a layer without any transform, as users have
    np.testing.assert_allclose(map_points(theirs.data, theirs, image, (0, 0)), [at], atol=1e-3)
    back = map_points([at], image, theirs, (0, 0))
    np.testing.assert_allclose(back, [world], atol=1e-3)


def test_our_own_layers_lie_on_the_image(image):
    layout = stack_layout()
    boxes = new_boxes_layer(image, layout)
    boxes.add(np.array([(2, 4, 5), (2, 4, 25), (2, 14, 25), (2, 14, 5)]), shape_type="rectangle")
    assert read(boxes, image, layout).prompts == (BoxPrompt(2, 4, 5, 14, 25),)


def test_points_keep_their_sign_and_object(image):
    layout = stack_layout()
    points = new_points_layer(image, layout)
    prompts = (PointPrompt(1, 3, 4), PointPrompt(2, 5, 6, positive=False, object_id=3))
    fill_prompt_layer(points, prompts, layout)
    assert read(points, image, layout).prompts == prompts


def test_boxes_survive_a_round_trip(image):
    layout = stack_layout()
    boxes = new_boxes_layer(image, layout)
    prompts = (BoxPrompt(1, 2, 3, 8, 9), BoxPrompt(4, 1, 1, 30, 50, object_id=2))
    fill_prompt_layer(boxes, prompts, layout)
    assert read(boxes, image, layout).prompts == prompts
    fill_prompt_layer(boxes, (), layout)
    assert read(boxes, image, layout).prompts == ()


def test_a_layer_of_fewer_axes_speaks_of_the_frame_in_view(image):
    world = np.array(image.data_to_world((3, 10, 20)))
    flat = Points([world[1:]], ndim=2)
    (prompt,) = read(flat, image, stack_layout(), object_id=7, point=tuple(world)).prompts
    assert (prompt.frame, prompt.object_id) == (3, 7)
    np.testing.assert_allclose((prompt.y, prompt.x), (10, 20))


@pytest.mark.parametrize(
    ("vertices", "kind", "words"),
    [
        ([(0, 5, 5), (0, 5, 5), (0, 5, 5), (0, 5, 5)], "rectangle", "no area"),
        ([(0, 90, 5), (0, 90, 9), (0, 95, 9), (0, 95, 5)], "rectangle", "outside"),
        ([(0, 5, 5), (0, 5, 7), (0, 7, 7), (0, 7, 5)], "rectangle", "less than three pixels"),
        ([(0, 5.1, 5.1), (0, 5.1, 5.4), (0, 5.4, 5.4)], "polygon", "centre of no pixel"),
        ([(0, 90, 5), (0, 95, 9)], "path", "outside"),
        ([(0, 5, 5), (2, 9, 9), (2, 9, 20)], "polygon", "more than one"),
        ([(8, 5, 5), (8, 5, 9), (8, 9, 9), (8, 9, 5)], "rectangle", "outside"),
    ],
)
def test_shapes_that_cannot_be_prompts_are_named(vertices, kind, words):
    image = Image(np.zeros(SHAPE))
    shapes = Shapes([np.array(vertices, float)], shape_type=kind, name="mine")
    reading = read(shapes, image, stack_layout())
    assert reading.prompts == () and words in reading.problems[0] and "mine" in reading.problems[0]


def test_a_box_that_reaches_out_is_cut_at_the_border_and_a_polygon_is_a_mask():
    image = Image(np.zeros(SHAPE))
    shapes = Shapes(ndim=3)
    shapes.add(np.array([(0, -9, -9), (0, -9, 5), (0, 5, 5), (0, 5, -9.0)]), shape_type="rectangle")
    shapes.add(np.array([(1, 10, 10), (1, 10, 20), (1, 20, 10.0)]), shape_type="polygon")
    box, mask = read(shapes, image, stack_layout()).prompts
    assert box == BoxPrompt(0, -0.5, -0.5, 5, 5)
    assert isinstance(mask, MaskPrompt) and mask.frame == 1 and 40 < mask.mask.sum() < 70


def test_lines_are_clicks_along_them_and_polygons_are_drawn_one_after_the_other():
    image = Image(np.zeros(SHAPE))
    shapes = Shapes(ndim=3, features={"positive": np.zeros(0, bool), "object": np.zeros(0, int)})
    shapes.add([np.array([(1, 4, 4), (1, 4, 8.0), (1, 4, 12)])], shape_type="path")
    shapes.add([np.array([(1, 8, 4), (1, 8, 6.0)])], shape_type="line")
    for low, high in ((10.5, 20.5), (12.5, 30.5), (14.5, 16.5)):
        corners = np.array([(2, low, low), (2, low, high), (2, high, high), (2, high, low)])
        shapes.add([corners], shape_type="polygon")
    shapes.features = {"positive": [True, False, True, False, True], "object": [1, 1, 2, 2, 2]}
    *clicks, mask = read(shapes, image, stack_layout()).prompts
    assert clicks == [PointPrompt(1, 4, 6.0), PointPrompt(1, 4, 10.0), PointPrompt(1, 8, 5.0, positive=False)]
    expected = np.zeros(SHAPE[1:], bool)
    expected[11:21, 11:21], expected[13:31, 13:31], expected[15:17, 15:17] = True, False, True
    assert (mask.frame, mask.object_id) == (2, 2)
    np.testing.assert_array_equal(mask.mask, expected)


def test_a_shape_that_takes_away_from_nothing_is_named():
    image = Image(np.zeros(SHAPE))
    corners = np.array([(2, 5, 5), (2, 5, 15), (2, 15, 15), (2, 15, 5)])
    shapes = Shapes([corners], shape_type="polygon", features={"positive": [False]}, name="mine")
    reading = read(shapes, image, stack_layout())
    assert reading.prompts == () and "nothing was drawn before" in reading.problems[0] and reading.unusable == (0,)


def test_a_point_without_a_place_is_named(image):
    points = Points([(1, 5, np.nan), (1, 5, 5)], ndim=3, scale=image.scale, translate=image.translate, name="mine")
    reading = read(points, image, stack_layout())
    assert reading.prompts == (PointPrompt(1, 5, 5),)
    assert "no number" in reading.problems[0] and reading.unusable == (0,)


def test_a_point_outside_is_named_and_the_others_are_used(image):
    points = Points([(1, 5, 5), (1, 500, 5)], ndim=3, scale=image.scale, translate=image.translate, name="mine")
    reading = read(points, image, stack_layout())
    assert reading.prompts == (PointPrompt(1, 5, 5),)
    assert "outside the image" in reading.problems[0]


@pytest.mark.parametrize("lazy", [False, True])
def test_labels_of_another_resolution_become_masks(image, lazy):
    data = np.zeros((5, 20, 30), np.uint8)  # half as many pixels, twice the size
    data[2, 5:10, 5:15] = 4
    labels = Labels(
        da.from_array(data, chunks=(1, 20, 30)) if lazy else data, scale=(3, 1, 1), translate=(10, -3.75, 7.25)
    )
    (prompt,) = read(labels, image, stack_layout()).prompts
    expected = np.zeros((40, 60), bool)
    expected[10:20, 10:30] = True
    assert (prompt.frame, prompt.object_id) == (2, 4)
    np.testing.assert_array_equal(prompt.mask, expected)


@pytest.mark.parametrize("turned", [False, True])
def test_labels_in_another_place_are_sampled_pixel_by_pixel(turned):
    image = Image(np.zeros(SHAPE), scale=(4, 0.5, 0.5), translate=(3, -10, 20))
    values = np.random.default_rng(0).integers(0, 3, (4, 30, 50)).astype(np.uint8)
    rotate = [[1, 0, 0], [0, 0.8, -0.6], [0, 0.6, 0.8]] if turned else np.eye(3)
    labels = Labels(values, scale=(4, 0.7, 0.6), translate=(7, -8.03, 25.017), rotate=rotate)
    expected = np.zeros(SHAPE, int)
    for index in np.ndindex(SHAPE):
        at = np.round(labels.world_to_data(image.data_to_world(index))).astype(int)
        if all(0 <= a < n for a, n in zip(at, values.shape, strict=True)):
            expected[index] = values[tuple(at)]
    found = np.zeros(SHAPE, int)
    for prompt in read(labels, image, stack_layout()).prompts:
        found[prompt.frame][prompt.mask] = prompt.object_id
    np.testing.assert_array_equal(found, expected)


def test_flat_labels_mark_the_slice_in_view_and_empty_ones_are_named():
    image = Image(np.zeros(SHAPE))
    flat = Labels(np.pad(np.ones((4, 4), np.uint8), ((0, 36), (0, 56))))
    (prompt,) = read(flat, image, stack_layout(), point=(3.0, 0, 0)).prompts
    assert prompt.frame == 3 and prompt.mask.sum() == 16
    empty = Labels(np.zeros(SHAPE, np.uint8), name="blank")
    assert "'blank' has no label" in read(empty, image, stack_layout()).problems[0]

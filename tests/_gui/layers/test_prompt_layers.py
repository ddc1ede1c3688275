"""Layers become prompts through any transform, results become labels, and nothing of the user's is lost."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from napari.layers import Image, Labels, Points, Shapes

from napari_medsam2._gui.keeping import keep_result, merged
from napari_medsam2._gui.layers.coordinates import map_points, placed_like
from napari_medsam2._gui.layers.layout import describe, guess_mode, resolve_layout, take_frames
from napari_medsam2._gui.layers.output import OutputError, OutputLabels, new_labels_layer
from napari_medsam2._gui.layers.prompt_book import PromptBook, Source
from napari_medsam2._gui.layers.prompt_layers import fill_prompt_layer, new_boxes_layer, new_points_layer
from napari_medsam2._gui.layers.reading import read_prompts
from napari_medsam2.errors import LayoutError
from napari_medsam2.images.label_files import save_labels
from napari_medsam2.prompts import BoxPrompt, MaskPrompt, PointPrompt
from napari_medsam2.results import FrameResult

SHAPE = (5, 40, 60)
POINT = (0.0, 0.0, 0.0)


def stack_layout(shape=SHAPE, **kwargs):
    order = list(range(len(shape)))
    return resolve_layout([shape], **{"rgb": False, "order": order, "position": [0.0] * len(shape), **kwargs})


def read(layer, image, layout, object_id=1, point=POINT):
    return read_prompts(layer, image, layout, viewer_point=point, object_id=object_id)


@pytest.fixture
def image():
    return Image(np.zeros(SHAPE, np.uint8), name="scan", scale=(3, 0.5, 0.5), translate=(10, -4, 7))


# ---- axes ------------------------------------------------------------------------------------------------------------


def test_the_slider_s_axis_is_propagated_along():
    assert stack_layout().axis == 0
    assert stack_layout(order=[1, 0, 2]).axis == 1
    assert stack_layout(order=[1, 0, 2]).frame_shape == (5, 60)
    assert stack_layout((7, 1, 8, 9)).axis == 0, "an axis of length 1 is not worth a run"


def test_other_axes_stay_at_the_current_step_and_this_is_said():
    layout = stack_layout((7, 4, 8, 9), position=[5.2, 2, 0, 0])
    assert (layout.axis, layout.fixed) == (1, ((0, 5),))
    assert "axis 0 (time) stays at 5" in describe(layout, ("time", "z", "y", "x"))
    assert stack_layout((7, 4, 8, 9), axis=0).axis == 0


def test_an_axis_on_the_canvas_can_be_chosen():
    layout = stack_layout(axis=2)
    assert (layout.axis, layout.n_frames, layout.frame_shape) == (2, 60, (5, 40))


def test_a_huge_level_of_a_multiscale_image_is_not_used():
    layout = resolve_layout([(3, 9000, 8000), (3, 4500, 4000)], rgb=False, order=[0, 1, 2], position=[0, 0, 0])
    assert (layout.level, layout.shape, layout.factors) == (1, (3, 4500, 4000), (1, 2, 2))
    np.testing.assert_allclose(layout.to_frames(np.array([[1.0, 100, 50]])), [[1, 50, 25]])
    np.testing.assert_allclose(layout.from_frames(np.array([[1.0, 50, 25]])), [[1, 100, 50]])


@pytest.mark.parametrize(("shape", "words"), [((0, 4, 4), "empty"), ((5,), "two axes")])
def test_unusable_shapes_are_refused_in_words(shape, words):
    with pytest.raises(LayoutError, match=words):
        stack_layout(shape)


def test_frames_of_any_axis_stay_lazy():
    lazy = da.zeros((7, 4, 8, 9), chunks=(1, 1, 8, 9))
    frames = take_frames(lazy, stack_layout((7, 4, 8, 9), axis=0, position=[0, 3, 0, 0]))
    assert isinstance(frames, da.Array) and frames.shape == (7, 8, 9)
    data = np.arange(np.prod(SHAPE)).reshape(SHAPE)
    layout = stack_layout(axis=1)
    frames = take_frames(data, layout)
    assert frames.shape == (40, 5, 60)
    np.testing.assert_array_equal(frames[11], data[layout.index(11)])


def test_stack_and_flow_are_told_apart():
    rng = np.random.default_rng(0)
    ramp = np.add.outer(np.arange(40.0), np.arange(60.0))
    layout = stack_layout()
    assert guess_mode(np.stack([ramp + t for t in range(5)]), layout, {})[0] == "stack"
    assert guess_mode(rng.normal(size=SHAPE), layout, {})[0] == "flow"
    assert guess_mode(np.full(SHAPE, np.nan), layout, {}) == ("stack", "the images are constant or cannot be compared")
    assert guess_mode(da.zeros(SHAPE), layout, {})[0] == "stack"


# ---- prompts ---------------------------------------------------------------------------------------------------------

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
        ([(0, 5, 5), (0, 9, 9)], "line", "draw a rectangle"),
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


def test_flat_labels_mark_the_slice_in_view_and_empty_ones_are_named():
    image = Image(np.zeros(SHAPE))
    flat = Labels(np.pad(np.ones((4, 4), np.uint8), ((0, 36), (0, 56))))
    (prompt,) = read(flat, image, stack_layout(), point=(3.0, 0, 0)).prompts
    assert prompt.frame == 3 and prompt.mask.sum() == 16
    empty = Labels(np.zeros(SHAPE, np.uint8), name="blank")
    assert "'blank' has no label" in read(empty, image, stack_layout()).problems[0]


# ---- the book of prompts ---------------------------------------------------------------------------------------------


def booked(image):
    layout = stack_layout()
    book = PromptBook(image, layout)
    points = new_points_layer(image, layout)
    book.add_source(Source(points, ours=True, point=POINT, object_id=1))
    return book, points


def test_only_what_changed_is_sent(image):
    book, points = booked(image)
    points.add((1, 5, 5))
    book.touch(points)
    assert [group.given for group in book.changes()] == [(PointPrompt(1, 5, 5),)]
    assert book.changes() == []
    points.data = np.zeros((0, 3))
    book.touch(points)
    (gone,) = book.changes()
    assert (gone.object_id, gone.frame, gone.given) == (1, 1, ())


def test_a_stroke_is_final_until_a_click_comes_on_its_frame(image):
    book, points = booked(image)
    stroke = MaskPrompt(1, np.eye(40, 60, dtype=bool))
    book.add_stroke(stroke)
    assert [group.given for group in book.changes()] == [(stroke,)]
    points.add((3, 5, 5))
    book.touch(points)
    assert [(group.object_id, group.frame) for group in book.changes()] == [(1, 3)]
    points.add((1, 7, 7))
    book.touch(points)
    assert [group.given for group in book.changes()] == [(PointPrompt(1, 7, 7),)]


def test_undo_leaves_the_user_s_layer_alone_but_mutes_it(image):
    book, ours = booked(image)
    theirs = Points([(2, 5, 5)], ndim=3, **placed_like(image, stack_layout()))
    book.add_source(Source(theirs, ours=False, point=POINT, object_id=1))
    ours.add((1, 5, 5))
    book.touch(ours)
    book.changes()
    book.restore((PointPrompt(1, 5, 5),))
    assert len(theirs.data) == 1 and len(ours.data) == 1
    assert book.changes() == [], "the undone prompt does not come back by itself"


# ---- output ----------------------------------------------------------------------------------------------------------


def found(number: int, rows: slice, columns: slice, *, confidence: float = 0.9) -> FrameResult:
    mask = np.zeros((40, 60), bool)
    mask[rows, columns] = True
    return FrameResult(2, number, mask, confidence, confidence, 1.0, prompted=False, seconds=0.1)


LEFT = {1: found(1, slice(None), slice(30))}


def new_output(image) -> OutputLabels:
    return OutputLabels(new_labels_layer(image, stack_layout(), "out"), stack_layout(), ours=True)


@pytest.mark.parametrize(("keep", "winner"), [(True, 9), (False, 1)])
def test_labels_of_the_user_are_kept_or_overwritten_as_chosen(image, keep, winner):
    data = np.zeros(SHAPE, np.uint8)
    data[2, 0, 0] = 9
    theirs = Labels(data, **placed_like(image, stack_layout()))
    output = OutputLabels.of_user(theirs, image, stack_layout(), keep=keep)
    output.show(2, LEFT)
    assert theirs.data[2, 0, 0] == winner and theirs.data[2, 1, 1] == 1
    output.show(2, {})
    assert theirs.data[2].sum() == 9, "taking the result back brings the user's label back"


def test_a_labels_layer_that_does_not_fit_is_refused(image):
    layout = stack_layout()
    read_only = np.zeros(SHAPE, np.uint8)
    read_only.flags.writeable = False
    for wrong, words in [
        (Labels(np.zeros((5, 40, 61), np.uint8)), "shape"),
        (Labels(np.zeros(SHAPE, np.uint8)), "scale or position"),
        (Labels(da.zeros(SHAPE, dtype=np.uint8)), "not in memory"),
        (Labels(read_only), "read-only"),
    ]:
        with pytest.raises(OutputError, match=words):
            OutputLabels.of_user(wrong, image, layout, keep=True)


def test_a_stroke_is_found_and_a_foreign_label_survives(image):
    output = new_output(image)
    output.show(2, LEFT)
    view = output.frame(2)
    view[0, 40:45] = 1
    (stroke,) = output.strokes([2], {2: LEFT}, {1})
    assert (stroke.frame, stroke.object_id) == (2, 1)
    np.testing.assert_array_equal(stroke.mask, view == 1)
    view[0, 40:45] = 0
    view[5, 50] = 77
    assert output.strokes([2], {2: LEFT}, {1}) == []
    output.show(2, LEFT)
    assert output.frame(2)[5, 50] == 77


CELL, NUCLEUS = found(1, slice(5, 35), slice(5, 35), confidence=0.99), found(2, slice(10, 20), slice(10, 20))
NEIGHBOUR = found(3, slice(5, 35), slice(30, 50), confidence=0.95)
TOGETHER = {1: CELL, 2: NUCLEUS, 3: NEIGHBOUR}


def test_a_nucleus_lies_on_its_cell_and_of_neighbours_the_surer_one_wins(image):
    output = new_output(image)
    output.show(2, TOGETHER)
    view = output.frame(2)
    assert (view[10:20, 10:20] == 2).all() and (view[5:35, 30:35] == 1).all() and (view[5:35, 36:50] == 3).all()


@pytest.mark.parametrize(
    ("where", "label", "changes"),
    [
        ((slice(0, 8), slice(0, 8)), 1, {1: CELL.area + 55}),  # the cell keeps what lies below its nucleus
        ((slice(10, 20), slice(20, 24)), 2, {2: NUCLEUS.area + 40}),  # the nucleus lies on its cell anyway
        ((slice(10, 14), slice(10, 20)), 1, {1: CELL.area, 2: NUCLEUS.area - 40}),  # what was painted is what is seen
        ((slice(10, 12), slice(10, 12)), 0, {1: CELL.area - 4, 2: NUCLEUS.area - 4}),
        ((slice(5, 10), slice(31, 35)), 3, {3: NEIGHBOUR.area - 130}),  # drawn, it is what is seen of it
        ((slice(5, 10), slice(36, 40)), 1, {1: CELL.area + 20}),
        ((slice(5, 35), slice(30, 50)), 0, {1: CELL.area - 150, 3: 0}),
    ],
)
def test_after_a_stroke_the_frame_is_as_it_was_painted(image, where, label, changes):
    output = new_output(image)
    output.show(2, TOGETHER)
    view = output.frame(2)
    view[where] = label
    painted = view.copy()
    strokes = output.strokes([2], {2: TOGETHER}, {1, 2, 3})
    assert {stroke.object_id: stroke.area for stroke in strokes} == changes
    output.show(2, TOGETHER | {stroke.object_id: stroke for stroke in strokes})
    np.testing.assert_array_equal(output.frame(2), painted)


def test_whatever_is_painted_over_whatever_overlaps_stays_as_painted(image):
    rng = np.random.default_rng(1)

    def some() -> tuple[slice, slice]:
        y, x = rng.integers(0, (30, 45))
        return slice(y, y + rng.integers(2, 25)), slice(x, x + rng.integers(2, 30))

    for _ in range(60):
        output = new_output(image)
        there = {number: found(number, *some(), confidence=rng.random()) for number in (1, 2, 3, 4)}
        output.show(2, there)
        view = output.frame(2)
        for _ in range(3):
            view[some()] = rng.choice([0, 1, 2, 3, 4, 77])
        painted = view.copy()
        strokes = output.strokes([2], {2: there}, {1, 2, 3, 4})
        output.show(2, there | {stroke.object_id: stroke for stroke in strokes})
        odd = output.frame(2)[output.frame(2) != painted]
        assert not set(odd.tolist()) & set(painted.ravel().tolist()), "only what was wholly painted over stays"


def test_a_cell_that_is_painted_over_its_nucleus_leaves_the_nucleus_whole(image):
    output = new_output(image)
    output.show(2, {2: NUCLEUS})
    output.frame(2)[5:35, 5:35] = 1
    (stroke,) = output.strokes([2], {2: {2: NUCLEUS}}, {1, 2})
    assert (stroke.object_id, stroke.area) == (1, 900)
    output.show(2, {1: stroke, 2: NUCLEUS})
    assert np.count_nonzero(output.frame(2) == 2) == NUCLEUS.area
    output.frame(2)[10:20, 10:20] = 1  # of the cell's anyway: so there is no nucleus
    strokes = output.strokes([2], {2: {1: stroke, 2: NUCLEUS}}, {1, 2})
    assert {stroke.object_id: stroke.area for stroke in strokes} == {1: 900, 2: 0}


def test_labels_of_the_user_are_touched_up_as_wholes_and_uncover_what_lies_below(image):
    data = np.zeros(SHAPE, np.uint8)
    data[2, 10:20, 10:20], data[2, 30:35, :20] = 1, 9
    theirs = Labels(data, **placed_like(image, stack_layout()))
    output = OutputLabels.of_user(theirs, image, stack_layout(), keep=True)
    below = {2: found(2, slice(28, 38), slice(0, 25))}
    output.show(2, below)
    data[2, 20:22, 10:12] = 1
    (stroke,) = output.strokes([2], {2: below}, {1, 2})
    assert (stroke.object_id, stroke.area) == (1, 104), "not the last dab alone"
    shown = {1: stroke, **below}
    output.show(2, shown)
    data[2, 30:35, :20] = 0
    assert output.strokes([2], {2: shown}, {1, 2}) == []
    output.show(2, shown)
    assert np.count_nonzero(data[2] == 2) == below[2].area


def test_committing_never_overwrites_what_was_kept():
    kept = np.array([[0, 5]], np.uint16)
    assert keep_result(np.array([[1, 1]], np.uint16), kept) == 1
    assert kept.tolist() == [[1, 5]]
    with pytest.raises(OutputError, match="object 300 does not fit into a labels layer of uint8"):
        keep_result(np.array([[300]], np.uint16), np.zeros((1, 1), np.uint8))


def test_labels_over_each_other_keep_their_numbers():
    kept, theirs = np.array([[0, 5, 0]], np.uint16), np.array([[70_000, 8, -1]], np.int32)
    labels = merged([kept, theirs])
    assert labels.tolist() == [[70_000, 5, -1]] and kept.tolist() == [[0, 5, 0]]


def test_saved_labels_are_compressed_and_read_back(tmp_path):
    import tifffile

    labels = np.zeros((4, 200, 200), np.uint16)
    labels[1, 50:90, 60:100] = 3
    save_labels(tmp_path / "labels.tif", labels)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "labels.tif"), labels)
    assert (tmp_path / "labels.tif").stat().st_size < 20_000


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

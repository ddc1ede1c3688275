"""The book of prompts tells what changed, wherever it was drawn."""

from __future__ import annotations

import numpy as np
from face import POINT, stack_layout
from napari.layers import Points

from napari_medsam2._gui.layers.coordinates import placed_like
from napari_medsam2._gui.layers.prompt_book import PromptBook, Source
from napari_medsam2._gui.layers.prompt_layers import new_points_layer
from napari_medsam2.prompts import MaskPrompt, PointPrompt


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


def test_a_click_that_says_where_an_object_is_not_is_no_place_where_it_is(image):
    book, points = booked(image)
    assert not book.is_shown_beside(1, 3)
    for sign, shown in ((False, False), (True, True)):
        points.feature_defaults = {"object": 1, "positive": sign}
        points.add((1, 5 + sign, 5))
        book.touch(points)
        book.changes()
        assert book.is_shown_beside(1, 3) is shown and not book.is_shown_beside(1, 1)


def test_not_here_goes_with_the_last_prompt_that_says_where_as_in_the_session(image):
    book, points = booked(image)
    for frame, positive in ((1, True), (2, False)):
        points.feature_defaults = {"positive": positive, "object": 1}
        points.add((frame, 5, 5))
    book.touch(points)
    book.add_stroke(MaskPrompt(3, np.zeros((40, 60), bool)))
    assert {group.frame for group in book.changes()} == {1, 2, 3}
    points.selected_data = {0}
    points.remove_selected()
    book.touch(points)
    assert {(group.frame, len(group)) for group in book.changes()} == {(1, 0), (3, 0)}, "the red click stays"
    points.feature_defaults = {"positive": True, "object": 1}
    points.add((1, 5, 5))
    book.touch(points)
    assert [group.frame for group in book.changes()] == [1]

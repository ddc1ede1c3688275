"""Scribbles, lassos and polygons are prompts, Ctrl and the right button say "not part of it", and nothing breaks."""

from __future__ import annotations

import numpy as np
import pytest
from face import IMAGES, TRUTH, answer, deliver, draw_box, settled, wait_for_model
from mouse import Mouse
from two_readings import BOX, CELL, NUCLEUS, cells, model_of_parts

from napari_medsam2._gui.controller import Controller
from napari_medsam2._widget import MedSamDock
from napari_medsam2.engine.engine import Engine
from napari_medsam2.prompts import BoxPrompt, MaskPrompt, PointPrompt

NOT = [{"modifiers": ("Control",)}, {"button": 2}]


@pytest.fixture
def tool(viewer, start):
    """Takes a tool in hand on frame 2 of the disc; gives the mouse and the double of the engine."""
    dock, engine, send = start()
    viewer.dims.set_current_step(0, 2)

    def take(name: str):
        dock.prompt.tools[name].click()
        assert dock.controller.state.tool == name and dock.prompt.tools[name].isChecked()
        return dock, engine, send, Mouse(viewer, viewer.layers["scan"])

    return take


def sent(engine):
    """What the engine was told last: object, frame, prompts."""
    return engine.replace_prompts.call_args.args


def around(frame, y0, x0, y1, x1):
    """Corners along the edges of a rectangle."""
    return [(frame, y0, x0), (frame, y0, x1), (frame, y1, x1), (frame, y1, x0), (frame, y0, x0)]


def test_a_scribble_is_clicks_along_it_and_the_tool_stays_in_hand(viewer, tool, qtbot):
    dock, engine, _, mouse = tool("scribble")
    mouse.drag((2, 10, 10), (2, 10, 16), (2, 10, 22))
    number, frame, prompts = sent(engine)
    assert (number, frame) == (1, 2) and len(prompts) == 4 and engine.preview.call_args.args == (2, 1)
    assert all(isinstance(p, PointPrompt) and p.positive and p.y == 10 and 10 < p.x < 22 for p in prompts)
    assert dock.controller.state.tool == "scribble" and not len(viewer.layers["scan strokes"].data)
    assert engine.replace_prompts.call_count == 1, "one thing, undone at once"


@pytest.mark.parametrize("how", NOT)
@pytest.mark.parametrize(("name", "places"), [("point", [(2, 20, 22)]), ("scribble", [(2, 20, 22), (2, 20, 23)])])
def test_a_click_or_scribble_that_says_not_is_red_and_of_another_shape(viewer, tool, qtbot, name, places, how):
    _, engine, _, mouse = tool(name)
    mouse.drag(*places)
    mouse.drag(*[(f, y + 9, x) for f, y, x in places], **how)
    qtbot.waitUntil(lambda: engine.replace_prompts.call_count == 2)
    assert [p.positive for p in sent(engine)[2]] == [True, False]
    points = viewer.layers["scan points"]
    assert [str(symbol) for symbol in points.symbol] == ["disc", "x"]
    assert not np.array_equal(points.face_color[0], points.face_color[1])
    qtbot.waitUntil(lambda: bool(points.feature_defaults["positive"].iloc[0]))
    mouse.drag(*[(f, y + 4, x + 8) for f, y, x in places])
    assert [p.positive for p in sent(engine)[2]] == [True, False, True]


@pytest.mark.parametrize("name", ["lasso", "polygon"])
def test_what_an_outline_goes_around_is_painted_at_once_and_final(viewer, tool, qtbot, name):
    dock, engine, _, mouse = tool(name)
    corners = around(2, 9.6, 9.6, 20.4, 30.4)
    if name == "lasso":
        mouse.drag(*corners)
    else:
        for corner in corners[:3]:
            mouse.click(corner)
            mouse.move((2, 25, 25))
        assert dock.controller.state.drawing and "Enter" in dock.hint.text()
        mouse.double_click(corners[3])
    assert not dock.controller.state.drawing
    expected = np.zeros(IMAGES.shape[1:], bool)
    expected[10:21, 10:31] = True
    number, frame, (prompt,) = sent(engine)
    assert (number, frame) == (1, 2) and isinstance(prompt, MaskPrompt)
    np.testing.assert_array_equal(prompt.mask, expected)
    np.testing.assert_array_equal(viewer.layers["scan segmentation"].data[2] == 1, expected)
    assert dock.controller.state.tool == name and not len(viewer.layers["scan strokes"].data)


@pytest.mark.parametrize("how", NOT)
@pytest.mark.parametrize("name", ["lasso", "polygon", "box"])
def test_what_an_outline_that_says_not_goes_around_is_taken_away_from_what_was_found(viewer, tool, qtbot, name, how):
    dock, engine, send, mouse = tool("point")
    mouse.click((2, 20, 22))
    deliver(qtbot, send, answer(2, prompted=True))
    dock.prompt.tools[name].click()
    places = around(2, -5, 21.6, 45, 70)
    if name == "polygon":
        for place in places[:3]:
            mouse.click(place, **how)
        mouse.double_click(places[3], **how)
    else:
        mouse.drag(*(places if name == "lasso" else (places[0], places[2])), **how)
    expected = TRUTH[2].copy()
    expected[:, 22:] = False
    qtbot.waitUntil(lambda: any(isinstance(p, MaskPrompt) for p in sent(engine)[2]))
    (mask,) = (p for p in sent(engine)[2] if isinstance(p, MaskPrompt))
    np.testing.assert_array_equal(mask.mask, expected)
    np.testing.assert_array_equal(viewer.layers["scan segmentation"].data[2] == 1, expected)
    assert name == "box" or "beyond the image" in dock.controller.state.note
    if name == "box":
        assert len(viewer.layers["scan boxes"].data) == 0
        qtbot.waitUntil(lambda: bool(viewer.layers["scan boxes"].feature_defaults["positive"].iloc[0]))
        mouse.drag((2, 5, 35), (2, 20, 55))
        assert any(isinstance(p, BoxPrompt) for p in sent(engine)[2])


def test_the_other_objects_stay_when_one_is_taken_away_from(viewer, tool, qtbot):
    dock, engine, _, mouse = tool("lasso")
    mouse.drag(*around(2, 4.5, 4.5, 14.5, 14.5))
    dock.objects.new.click()
    mouse.drag(*around(2, 4.5, 20.5, 14.5, 30.5))
    mouse.drag(*around(2, 0, 9.5, 39, 25.5), button=2)
    labels = viewer.layers["scan segmentation"].data[2]
    assert (labels[5:15, 5:15] == 1).all() and not labels[5:15, 21:26].any() and (labels[5:15, 26:31] == 2).all()
    assert sent(engine)[0] == 2


@pytest.mark.parametrize(
    ("name", "places", "how", "words"),
    [
        ("lasso", [(2, 5, 5), (2, 5, 5.1), (2, 5.1, 5)], {}, "goes around no pixel"),
        ("lasso", [(2, -9, -9), (2, -9, -5), (2, -5, -5)], {}, "outside the image"),
        ("lasso", [(2, 5, 5), (2, 5, 15), (2, 15, 5)], {"button": 2}, "no pixel within the outline"),
        ("lasso", [(2, 5, 5)], {}, "goes around no pixel"),
        ("scribble", [(2, -9, 5), (2, -9, 9)], {}, "outside the image"),
        ("scribble", [(2, 99, 5)], {}, "outside the image"),
        ("point", [(2, 99, 5)], {}, "outside the image"),
        ("box", [(2, 5, 5), (2, 6, 6)], {}, "less than three pixels"),
        ("box", [(2, 5, 5)], {}, "drag from corner to corner"),
        ("box", [(2, -9, -9), (2, -5, -5)], {}, "outside the image"),
    ],
)
def test_what_is_no_prompt_is_taken_away_with_a_word(viewer, tool, qtbot, name, places, how, words):
    dock, engine, _, mouse = tool(name)
    mouse.drag(*places, **how)
    assert words in dock.message.text() and not dock.message.isHidden()
    engine.replace_prompts.assert_not_called()
    assert not any(len(layer.data) for layer in viewer.layers if layer.name.endswith(("points", "boxes", "strokes")))
    assert dock.controller.state.tool == name and not dock.controller.workspace.book.prompts
    mouse.drag((2, 5, 5), (2, 5, 15), (2, 15, 15), (2, 15, 5)) if name != "point" else mouse.click((2, 20, 22))
    assert engine.replace_prompts.call_count == 1 and dock.message.isHidden()


def test_a_scribble_that_says_the_contrary_of_clicks_is_used_where_it_does_not(viewer, tool, qtbot):
    dock, engine, _, mouse = tool("scribble")
    mouse.click((2, 10, 10))
    mouse.click((2, 10, 10), button=2)
    assert "the contrary" in dock.message.text() and engine.replace_prompts.call_count == 1
    mouse.drag((2, 10, 7.0), (2, 10, 13), (2, 10, 19), button=2)
    assert [p.positive for p in sent(engine)[2]].count(False) >= 3


def test_ctrl_z_takes_back_a_corner_esc_drops_the_polygon_and_enter_closes_it(viewer, tool, qtbot):
    dock, engine, _, mouse = tool("polygon")
    do = dock.controller
    assert not any("Enter" in str(key) for key in viewer.keymap)
    corners = around(2, 4.5, 4.5, 14.5, 14.5)
    for corner in (*corners[:3], (2, 30, 30)):
        mouse.click(corner)
    by_key = {str(key): action for key, action in viewer.layers.selection.active.keymap.items()}
    by_key["Ctrl+Z"](None)
    engine.undo.assert_not_called()
    mouse.click(corners[3])
    by_key["Enter"](None)
    assert sent(engine)[2][0].mask.sum() == 100 and not do.state.drawing
    for corner in corners[:2]:
        mouse.click(corner)
    by_key["Escape"](None)
    assert not do.state.drawing and engine.replace_prompts.call_count == 1
    mouse.click(corners[0])
    do.undo()
    assert not do.state.drawing
    do.undo()
    engine.undo.assert_called_once()


def test_a_polygon_closes_on_its_first_corner_and_when_another_tool_is_taken(viewer, tool, qtbot):
    dock, engine, _, mouse = tool("polygon")
    for corner in around(2, 4.5, 4.5, 14.5, 14.5):
        mouse.click(corner)
    assert sent(engine)[2][0].mask.sum() == 100 and not dock.controller.state.drawing
    for corner in around(2, 20.5, 20.5, 30.5, 30.5)[:4]:
        mouse.click(corner)
    dock.prompt.tools["box"].click()
    assert sent(engine)[2][0].mask.sum() == 200 and dock.controller.state.tool == "box"


def test_a_polygon_that_is_open_stays_on_its_slice(viewer, tool, qtbot):
    _, engine, _, mouse = tool("polygon")
    for corner in around(2, 4.5, 4.5, 14.5, 14.5)[:4]:
        mouse.click(corner)
    viewer.dims.set_current_step(0, 3)
    mouse.click((3, 20, 20))
    assert sent(engine)[1] == 2 and sent(engine)[2][0].mask.sum() == 100


def test_an_undo_brings_clicks_and_masks_back(viewer, tool, qtbot):
    """What the engine remembers is shown again, whatever tool it was drawn with."""
    dock, engine, _, mouse = tool("scribble")
    mouse.drag((2, 10, 10), (2, 10, 16), (2, 10, 22))
    clicks = sent(engine)[2]
    dock.prompt.tools["lasso"].click()
    mouse.drag(*around(3, 4.5, 4.5, 14.5, 14.5))
    work = dock.controller.workspace
    with work.quiet():
        work.book.restore(clicks)
    points = viewer.layers["scan points"]
    assert set(work.book.prompts) == set(clicks) and len(points.data) == len(clicks) and work.book.changes() == []


def test_ctrl_erases_with_the_brush_for_that_stroke_alone(viewer, tool, qtbot):
    _, engine, send, mouse = tool("mask")
    layer = viewer.layers["scan segmentation"]
    mouse.drag((2, 10, 10), (2, 10, 30))
    qtbot.waitUntil(lambda: engine.replace_prompts.called and send.settled)
    assert layer.data[2, 10, 10:31].all()
    mouse.drag((2, 10, 25), (2, 10, 30), modifiers=("Control",))
    qtbot.waitUntil(lambda: engine.replace_prompts.call_count == 2 and send.settled)
    assert not layer.data[2, 10, 25:31].any() and layer.data[2, 10, 12] == 1
    assert layer.selected_label == 1 and layer.mode == "paint"


def test_drawing_in_three_dimensions_is_told_to_be_impossible(viewer, tool, qtbot):
    dock, _, _, _ = tool("lasso")
    viewer.dims.ndisplay = 3
    assert dock.controller.state.tool == "" and "3D" in dock.message.text() and not dock.message.isHidden()
    dock.prompt.tools["lasso"].click()
    assert viewer.dims.ndisplay == 2 and dock.controller.state.tool == "lasso" and dock.message.isHidden()


def test_a_box_that_was_drawn_before_the_tools_are_asked_again_counts_as_ever(viewer, tool, qtbot):
    _, engine, _, _ = tool("box")
    draw_box(viewer.layers["scan boxes"], 2, 5, 6, 20, 30)
    assert sent(engine)[2] == (BoxPrompt(2, 5, 6, 20, 30),)


def test_the_dock_leaves_no_mouse_behind(viewer, tool, qtbot):
    dock, engine, _, mouse = tool("lasso")
    dock.close_dock()
    viewer.layers.selection.active = strokes = viewer.layers["scan strokes"]
    assert strokes.mode == "pan_zoom"
    mouse.drag(*around(2, 4.5, 4.5, 14.5, 14.5))
    engine.replace_prompts.assert_not_called()
    assert not len(strokes.data)


def test_what_else_a_box_may_mean_is_taken_by_a_key_and_undone(make_napari_viewer, qtbot):
    viewer = make_napari_viewer()
    viewer.add_image(cells(3), name="cells")
    controller = Controller(viewer, lambda told: Engine(told, load_model=lambda *_, **__: model_of_parts()))
    dock = MedSamDock(viewer, controller)
    viewer.window.add_dock_widget(dock, name="MedSAM-2")
    wait_for_model(dock)
    viewer.dims.set_current_step(0, 0)
    button = dock.prompt.reading

    def shows(mask):
        result = controller.workspace.results.results.get((0, 1))
        return settled(dock) and result is not None and np.array_equal(result.mask, mask)

    assert not button.isEnabled()
    dock.prompt.tools["box"].click()
    draw_box(viewer.layers["cells boxes"], 0, BOX.y0, BOX.x0, BOX.y1, BOX.x1)
    qtbot.waitUntil(lambda: shows(CELL) and button.isEnabled(), timeout=20_000)
    dock.keys._keys["O"]()
    qtbot.waitUntil(lambda: shows(NUCLEUS), timeout=20_000)
    assert not button.isEnabled() and len(viewer.layers["cells points"].data) == 1, "the click says which is meant"
    assert viewer.layers.selection.active.name == "cells boxes", "the tool stays in hand"
    controller.undo()
    qtbot.waitUntil(lambda: shows(CELL) and button.isEnabled(), timeout=20_000)
    button.click()
    qtbot.waitUntil(lambda: shows(NUCLEUS), timeout=20_000)
    dock.close_dock(timeout=10.0)

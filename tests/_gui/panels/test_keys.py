"""Keys do what is printed on the buttons while the dock is open, whichever layer is active, and are given back."""

from __future__ import annotations

import numpy as np
import pytest
from face import deliver
from napari.layers import Image, Labels, Layer, Points, Shapes
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from napari_medsam2._gui.panels.keys import KEYS, SOMETIMES, KeyBindings
from napari_medsam2.engine.events import FinishReason, RunState, RunStatus, StatusChanged

#: A layer of each kind that napari has keys of its own for, and its modes.
LAYERS = {
    "image": (lambda: Image(np.zeros((3, 40, 40))), ("pan_zoom", "transform")),
    "labels": (
        lambda: Labels(np.zeros((3, 40, 40), np.uint8)),
        ("pan_zoom", "transform", "paint", "erase", "fill", "pick", "polygon"),
    ),
    "points": (lambda: Points([(1, 5, 5)], ndim=3), ("pan_zoom", "transform", "add", "select")),
    "shapes": (
        lambda: Shapes([np.array([(1, 5, 5), (1, 5, 20), (1, 20, 20), (1, 20, 5)])]),
        (
            *("pan_zoom", "transform", "select", "direct", "add_rectangle", "add_ellipse", "add_line", "add_path"),
            *("add_polyline", "add_polygon", "add_polygon_lasso", "vertex_insert", "vertex_remove"),
        ),
    ),
}


def bound(target) -> dict:
    return {str(key): action for key, action in target.keymap.items()}


def canvas_of(viewer):
    """What of a viewer's window gets key events."""
    (found,) = {w for w in QApplication.allWidgets() if type(w).__name__ == "CanvasBackendDesktop" and w.isVisible()}
    return found


def press(qtbot, canvas, key: str) -> None:
    """Press a key as it is printed in the table."""
    *modifiers, letter = key.split("-")
    held = Qt.KeyboardModifier.NoModifier
    for modifier in modifiers:
        held |= getattr(Qt.KeyboardModifier, f"{modifier}Modifier")
    qtbot.keyClick(canvas, getattr(Qt.Key, f"Key_{letter.replace('Enter', 'Return')}"), held)


@pytest.mark.parametrize("kind", LAYERS)
def test_every_key_does_what_it_says_in_every_mode_of_every_layer(kind, make_napari_viewer, qtbot):
    viewer = make_napari_viewer(show=True)
    make, modes = LAYERS[kind]
    layer = viewer.add_layer(make())
    done: list[str] = []
    actions = {name: (lambda name=name: done.append(name)) for name in (*KEYS, *SOMETIMES)}
    before = {key: str(action) for key, action in bound(layer).items()}
    keys = KeyBindings(viewer, actions)
    canvas = canvas_of(viewer)
    for mode in modes:
        layer.mode = mode
        for name in SOMETIMES:
            keys.set_bound(name, False)
        for name, key in KEYS.items():
            press(qtbot, canvas, key)
            assert done == [name], f"{key} with {kind} in mode {mode}"
            done.clear()
        for name, key in SOMETIMES.items():
            keys.set_bound(name, True)
            press(qtbot, canvas, key)
            assert done == [name], f"{key} with {kind} in mode {mode}"
            done.clear()
        assert layer.mode == mode, "napari did nothing beside it"
    keys.release_all()
    assert bound(layer) == before and not viewer.keymap
    layer.mode = modes[0]
    for key in KEYS.values():
        press(qtbot, canvas, key)
    assert not done


def test_the_status_bar_promises_nothing_that_keys_of_ours_do_not_do(viewer, qtbot):
    shapes = viewer.add_shapes(ndim=2, name="mine")
    shapes.mode = "add_rectangle"
    assert "<T> for" in viewer.help and "<E> for" in viewer.help
    told = viewer.help
    keys = KeyBindings(viewer, dict.fromkeys((*KEYS, *SOMETIMES), lambda: None))
    assert "<E> for" in viewer.help and "<T>" not in viewer.help and "<P>" not in viewer.help
    shapes.mode = "add_ellipse"
    assert "<R> for" in viewer.help and "<T>" not in viewer.help
    keys.set_help("drag a box")
    assert viewer.help == "drag a box"
    shapes.mode = "select"
    assert viewer.help == "drag a box"
    keys.set_help("")
    shapes.mode = "add_rectangle"
    keys.release_all()
    assert shapes.help == told


def test_the_keys_go_with_the_selection(viewer, stack, mocked, qtbot):
    mine = viewer.add_points(ndim=3, name="mine")
    dock, _, _ = mocked(viewer)
    assert set(bound(mine)) == set(bound(viewer)) and bound(viewer)
    viewer.layers.selection.active = stack
    assert not mine.keymap and set(bound(stack)) == set(bound(viewer))
    viewer.layers.remove(stack)
    assert not stack.keymap
    dock.close_dock()
    assert not viewer.keymap and not any(layer.keymap for layer in viewer.layers)


def test_keys_that_someone_bound_come_back(viewer, stack, mocked, qtbot):
    def theirs(target):
        return None

    viewer.bind_key("S", theirs)
    stack.bind_key("N", theirs)
    dock, _, _ = mocked(viewer)
    assert bound(viewer)["S"] is not theirs and bound(stack)["N"] is not theirs
    dock.close_dock()
    assert list(viewer.keymap.values()) == list(stack.keymap.values()) == [theirs]


@pytest.mark.parametrize("first_closes_first", [True, False])
def test_two_docks_in_one_viewer_leave_no_keys_behind(viewer, stack, mocked, first_closes_first):
    (first, _, _), (second, _, _) = mocked(viewer), mocked(viewer)
    bound(viewer)["Ctrl+Z"](viewer)
    assert second.controller.state.note == "Nothing to undo." and not first.controller.state.note
    docks = [first, second] if first_closes_first else [second, first]
    docks[0].close_dock()
    second.controller.store.say()
    bound(stack)["Ctrl+Z"](stack)
    assert docks[1].controller.state.note == "Nothing to undo."
    docks[1].close_dock()
    assert not viewer.keymap and not stack.keymap


def test_escape_is_napari_s_unless_something_runs(viewer, prompted, qtbot):
    _, _, send = prompted
    keys = len(viewer.keymap)
    deliver(qtbot, send, StatusChanged(RunStatus(RunState.RUNNING, 1, 5)))
    assert len(viewer.keymap) == keys + 1
    deliver(qtbot, send, StatusChanged(RunStatus(RunState.IDLE, 5, 5, None, FinishReason.DONE)))
    assert len(viewer.keymap) == keys


def test_keys_do_what_is_printed(viewer, prompted, qtbot):
    _dock, engine, _ = prompted
    layers: list[Layer] = [viewer.layers["scan boxes"], viewer.layers["scan"]]
    for layer in layers:
        viewer.layers.selection.active = layer
        bound(layer)["Shift+S"](layer)
        bound(layer)["S"](layer)
        bound(layer)["Ctrl+Z"](layer)
    assert engine.propagate.call_count == engine.undo.call_count == 2
    assert engine.preview.call_args.args == (2, 1)

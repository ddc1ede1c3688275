"""Keys do what is printed on the buttons while the dock is open, and are given back."""

from __future__ import annotations

from face import deliver

from napari_medsam2.engine.events import FinishReason, RunState, RunStatus, StatusChanged


def test_keys_that_someone_bound_come_back(viewer, stack, mocked, qtbot):
    def theirs(viewer):
        return None

    viewer.bind_key("S", theirs)
    dock, _, _ = mocked(viewer)
    dock.close_dock()
    assert list(viewer.keymap.values()) == [theirs]


def test_escape_is_napari_s_unless_something_runs(viewer, prompted, qtbot):
    _, _, send = prompted
    keys = len(viewer.keymap)
    deliver(qtbot, send, StatusChanged(RunStatus(RunState.RUNNING, 1, 5)))
    assert len(viewer.keymap) == keys + 1
    deliver(qtbot, send, StatusChanged(RunStatus(RunState.IDLE, 5, 5, None, FinishReason.DONE)))
    assert len(viewer.keymap) == keys


def test_keys_do_what_is_printed(viewer, prompted, qtbot):
    _dock, engine, _ = prompted
    boxes = viewer.layers["scan boxes"]
    for target, kind in ((viewer, viewer), (boxes, boxes)):
        by_key = {str(key): action for key, action in target.keymap.items()}
        by_key["Shift+S"](kind)
        by_key["S"](kind)
        by_key["Ctrl+Z"](kind)
    assert engine.propagate.call_count == engine.undo.call_count == 2
    assert engine.preview.call_args.args == (2, 1)

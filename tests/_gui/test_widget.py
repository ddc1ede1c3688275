"""The dock as a window: it opens without torch, fits, says how to begin, and gives everything back."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref
from unittest.mock import MagicMock

import numpy as np
from face import SHAPE, draw_box
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QApplication

from napari_medsam2._gui.controller import Controller
from napari_medsam2._gui.panels.keys import KEYS
from napari_medsam2._widget import MedSamDock
from napari_medsam2.engine.engine import Engine
from napari_medsam2.engine.events import ModelLoaded, RunStatus


def test_opening_the_dock_does_not_import_torch():
    code = (
        "import napari, sys; v = napari.Viewer(show=False)\n"
        "import numpy as np; v.add_image(np.zeros((5, 40, 60)))\n"
        "from napari_medsam2._widget import MedSamDock\n"
        "d = MedSamDock(v); v.window.add_dock_widget(d)\n"
        "assert 'torch' not in sys.modules\n"
        "d.close_dock(5); v.close()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=100)


def test_an_empty_viewer_says_how_to_begin(viewer, mocked, qtbot):
    dock, engine, _ = mocked(viewer)
    assert "Open an image" in dock.hint.text()
    dock.controller.propagate()
    assert "no image" in dock.message.text().lower()
    engine.propagate.assert_not_called()
    viewer.add_image(np.zeros(SHAPE))
    assert "drag a box" in dock.hint.text()


def test_the_dock_fits_a_small_window(viewer, stack, mocked, qtbot):
    dock, _, _ = mocked(viewer)
    assert dock.sizeHint().height() < 900 and dock.minimumSizeHint().width() <= 320
    assert dock.minimumSizeHint().height() < 500  # it scrolls


def test_a_wheel_over_the_dock_scrolls_and_changes_nothing(viewer, stack, mocked, qtbot):
    dock, _, _ = mocked(viewer)
    wheel = QWheelEvent(
        QPointF(5, 5), QPointF(5, 5), QPoint(0, -120), QPoint(0, -120), Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    before = dock.model.model.currentIndex()
    QApplication.sendEvent(dock.model.model, wheel)
    assert not wheel.isAccepted() and dock.model.model.currentIndex() == before


def test_closing_the_dock_gives_everything_back(make_napari_viewer, mocked, qtbot):
    viewer = make_napari_viewer()
    viewer.add_image(np.zeros(SHAPE), name="scan")
    dock, engine, _ = mocked(viewer)
    viewer.window.add_dock_widget(dock)
    dock.prompt.tools["box"].click()
    draw_box(viewer.layers.selection.active, 2, 5, 6, 20, 30)
    boxes = viewer.layers["scan boxes"]
    assert len(viewer.keymap) == len(KEYS) == len(boxes.keymap)
    viewer.window.remove_dock_widget(dock)
    engine.close.assert_called_once()
    assert not viewer.keymap and not boxes.keymap
    draw_box(boxes, 3, 5, 6, 20, 30)  # nobody listens any more
    assert engine.replace_prompts.call_count == 1


def test_a_closed_dock_ends_with_the_last_who_holds_it_and_waits_for_no_garbage_collection(viewer, stack, qapp):
    """That may happen on any thread, which Qt does not survive."""
    gc.collect()
    gc.disable()
    try:
        engine = MagicMock(spec=Engine, status=RunStatus(), generation=0)
        dock = MedSamDock(viewer, Controller(viewer, lambda on_event: engine))
        dock.controller.client.model_loaded.emit(ModelLoaded(1, "micro", "cpu", True))
        dock.prompt.tools["box"].click()
        draw_box(viewer.layers.selection.active, 2, 5, 6, 20, 30)
        dock.close_dock()
        held = weakref.ref(dock), weakref.ref(dock.controller)
        del dock
        qapp.processEvents()
        qapp.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
        assert [what() for what in held] == [None, None]
    finally:
        gc.enable()

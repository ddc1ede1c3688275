"""What tests of the dock have in common: a viewer without a window, images in it, docks on doubles of the engine."""

from __future__ import annotations

import numpy as np
import pytest
from face import IMAGES, SHAPE, draw_box, running
from face import mocked as mocked_dock
from napari.components import ViewerModel


@pytest.fixture(autouse=True)
def sessions(tmp_path, monkeypatch):
    """Where docks keep what is done safe from a crash: a folder of each test's own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "state" / "napari-medsam2" / "sessions"


@pytest.fixture
def viewer():
    return ViewerModel()


@pytest.fixture
def mocked(qtbot):
    """Docks on doubles of the engine; they are closed at the end."""
    docks = []

    def make(viewer, **how):
        dock, engine, send = mocked_dock(viewer, **how)
        qtbot.addWidget(dock)
        docks.append(dock)
        return dock, engine, send

    yield make
    for dock in docks:
        dock.close_dock()


@pytest.fixture
def opened_dock(make_napari_viewer):
    """Opens a real dock in the window of a real viewer; they are closed at the end."""
    docks = []

    def start(viewer=None, pace=None):
        docks.append(running(viewer or make_napari_viewer(), pace))
        return docks[-1]

    yield start
    for dock in docks:
        dock.close_dock(timeout=10.0)


@pytest.fixture
def stack(viewer):
    """An image in the viewer."""
    return viewer.add_image(np.random.default_rng(0).integers(0, 200, SHAPE).astype(np.uint8), name="scan")


@pytest.fixture
def prompted(viewer, stack, mocked):
    """A dock with a box on frame 2 of that image."""
    dock, engine, send = mocked(viewer)
    dock.prompt.tools["box"].click()
    draw_box(viewer.layers.selection.active, 2, 5, 6, 20, 30)
    return dock, engine, send


@pytest.fixture
def scan(viewer):
    """A disc that moves, in the viewer."""
    return viewer.add_image(IMAGES, name="scan")


@pytest.fixture
def start(viewer, scan, mocked):
    """Opens a dock on the disc, as a stack."""

    def make():
        dock, engine, send = mocked(viewer)
        dock.controller.choose_mode("stack")
        return dock, engine, send

    return make


@pytest.fixture
def clicked(viewer, start):
    """Such a dock with a click on the disc on frame 2."""
    dock, engine, send = start()
    dock.prompt.tools["point"].click()
    viewer.layers["scan points"].add((2, 20, 22))
    return dock, engine, send

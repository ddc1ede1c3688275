"""The first model is loaded as soon as there is an image; until it is there, nothing can be drawn in vain."""

from __future__ import annotations

import threading

import pytest
from face import draw_box, running, settled, wait_for_model
from fakes import blob_model, moving_disc

from napari_medsam2._gui.controller import Controller
from napari_medsam2._gui.dock_state import ModelPhase
from napari_medsam2._widget import MedSamDock
from napari_medsam2.engine.engine import Engine


class Loader:
    """Stands for the loading of a model: it takes until :attr:`go` is set, and fails while ``broken``."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.broken = False
        self.asked: list[str] = []

    def __call__(self, name, **_):
        self.asked.append(name)
        assert self.go.wait(30)
        if self.broken:
            raise ValueError("the disk is gone")
        return blob_model()


@pytest.fixture
def loader():
    return Loader()


@pytest.fixture
def opened(viewer, loader, qtbot):
    """Opens a dock whose model comes when the loader may go on."""
    docks = []

    def make():
        docks.append(MedSamDock(viewer, Controller(viewer, lambda on_event: Engine(on_event, load_model=loader))))
        qtbot.addWidget(docks[-1])
        return docks[-1]

    yield make
    loader.go.set()
    for dock in docks:
        dock.close_dock(timeout=10.0)


def test_nothing_is_loaded_without_an_image(viewer, opened, loader, qtbot):
    dock = opened()
    assert dock.controller.state.model_phase is ModelPhase.CHOSEN and not loader.asked
    viewer.add_image(moving_disc(4)[0], name="scan")
    qtbot.waitUntil(lambda: loader.asked == ["micro"])
    assert dock.controller.state.model_phase is ModelPhase.LOADING


def test_until_the_model_is_there_the_tools_are_off_and_the_dock_says_how_long(viewer, opened, loader, qtbot):
    viewer.add_image(moving_disc(4)[0], name="scan")
    dock = opened()
    assert not any(tool.isEnabled() for tool in dock.prompt.tools.values())
    assert "ready in" in dock.hint.text()
    dock.controller.use_tool("box")  # as the key does
    assert len(viewer.layers) == 1 and dock.controller.state.tool == ""
    loader.go.set()
    qtbot.waitUntil(lambda: all(tool.isEnabled() for tool in dock.prompt.tools.values()))
    assert "ready in" not in dock.hint.text()
    dock.prompt.tools["box"].click()
    assert dock.controller.state.tool == "box"


def test_what_is_drawn_meanwhile_is_answered_as_soon_as_the_model_is_there(viewer, opened, loader, qtbot):
    images, _ = moving_disc(4)
    viewer.add_image(images, name="scan")
    dock = opened()
    drawn = viewer.add_shapes(ndim=3, name="mine")
    draw_box(drawn, 1, 24, 12, 40, 32)
    dock.controller.adopt_layer(drawn)
    loader.go.set()
    qtbot.waitUntil(lambda: dock.controller.state.has_results and settled(dock))
    assert viewer.layers["scan segmentation"].data[1, 32, 22] == 1


def test_a_model_that_cannot_be_loaded_is_told_and_tried_again_with_what_was_drawn(viewer, opened, loader, qtbot):
    images, _ = moving_disc(4)
    viewer.add_image(images, name="scan")
    loader.broken = True
    loader.go.set()
    dock = opened()
    qtbot.waitUntil(lambda: "the disk is gone" in dock.message.text())
    drawn = viewer.add_points([(1, 32, 22)], name="mine")
    dock.controller.adopt_layer(drawn)
    qtbot.waitUntil(lambda: len(loader.asked) == 2 and dock.controller.state.model_phase is ModelPhase.MISSING)
    loader.broken = False
    dock.controller.choose_model("micro", "auto")
    qtbot.waitUntil(lambda: dock.controller.state.has_results and settled(dock))
    assert viewer.layers["scan segmentation"].data[1, 32, 22] == 1


def test_another_model_on_its_way_does_not_take_the_tools_away(make_napari_viewer, qtbot):
    viewer = make_napari_viewer()
    viewer.add_image(moving_disc(4)[0], name="scan")
    dock = running(viewer)
    dock.controller.choose_model("micro", "cpu")
    assert dock.controller.state.model_phase is ModelPhase.LOADING and dock.prompt.tools["box"].isEnabled()
    wait_for_model(dock)
    dock.close_dock(timeout=10.0)


def test_a_model_that_is_not_on_this_computer_is_not_asked_for_ahead(viewer, opened, loader, monkeypatch):
    monkeypatch.setattr("napari_medsam2._gui.model_choice.is_here", lambda name: False)
    viewer.add_image(moving_disc(4)[0], name="scan")
    dock = opened()
    assert dock.controller.state.model_phase is ModelPhase.CHOSEN and not loader.asked

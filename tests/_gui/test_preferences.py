"""What is set in napari's preferences: docks that are opened afterwards follow it."""

from __future__ import annotations

import pytest
from face import draw_box, settled
from fakes import moving_disc
from lab import Lab
from napari.settings import get_plugin_settings

from napari_medsam2._gui import model_choice
from napari_medsam2._gui import preferences as preferences_module
from napari_medsam2._gui.preferences import Preferences, preferences
from napari_medsam2._widget import MedSamDock
from napari_medsam2.models.registry import MODELS, models_folder, prefer_models_folder


@pytest.fixture
def settings(monkeypatch):
    """Of the plugin; they are as before afterwards."""
    dock = get_plugin_settings("napari-medsam2").dock
    yield dock
    for name, field in type(dock).model_fields.items():
        setattr(dock, name, field.default)
    prefer_models_folder("")


@pytest.fixture
def opened(viewer, qtbot, blobs):
    """Opens a dock on a disc that moves."""
    docks = []

    def make():
        viewer.add_image(moving_disc(4)[0], name="scan")
        docks.append(MedSamDock(viewer))
        qtbot.addWidget(docks[-1])
        qtbot.waitUntil(lambda: docks[-1].controller.state.loading_left is None)
        return docks[-1]

    yield make
    for dock in docks:
        dock.close_dock(timeout=10.0)


def test_unless_something_is_set_docks_are_as_they_were(settings):
    assert preferences() == Preferences()
    described = type(settings).model_fields["model"].json_schema_extra
    assert described["enum"] == list(MODELS)


def test_the_model_and_the_device_that_are_set_are_loaded(settings, opened, tmp_path, blobs):
    weights = tmp_path / "mine.safetensors"
    weights.touch()
    settings.weights, settings.device = str(weights), "cpu"
    dock = opened()
    assert blobs == [{"name": str(weights), "device": "cpu"}]
    assert dock.model.device.currentText() == "cpu" and dock.controller.state.model == str(weights)


def test_a_dock_begins_with_the_server_that_is_set(settings, viewer, qtbot, tmp_path):
    lab = Lab(tmp_path)
    viewer.add_image(moving_disc(4)[0], name="scan")
    settings.weights, settings.device = "blobs", f"localhost:{lab.port}"
    dock = MedSamDock(viewer)
    qtbot.addWidget(dock)
    assert dock.model.device.device == lab.address.replace("127.0.0.1", "localhost")
    dock.controller.use_tool("box")
    qtbot.waitUntil(lambda: "localhost" in dock.controller.state.device, timeout=20_000)
    dock.close_dock(timeout=10.0)
    lab.stop()


def test_a_device_that_there_is_not_is_told(settings, opened, monkeypatch, blobs):
    told: list[str] = []
    monkeypatch.setattr(preferences_module, "show_warning", told.append)
    settings.device = "no device"
    assert opened().controller.state.wanted_device == "auto" and blobs[0]["device"] == "auto"
    assert len(told) == 1 and "no address of a server" in told[0]


def test_a_model_that_is_not_on_this_computer_is_told_and_not_fetched(settings, opened, monkeypatch, tmp_path, blobs):
    told: list[str] = []
    monkeypatch.setattr(model_choice, "show_warning", told.append)
    settings.model, settings.models_folder = "medsam2", str(tmp_path)
    dock = opened()
    assert dock.controller.state.model == "micro" and [asked["name"] for asked in blobs] == ["micro"]
    assert len(told) == 1 and "not on this computer" in told[0]


def test_the_variable_wins_over_the_folder_that_is_set(settings, opened, monkeypatch, tmp_path):
    settings.models_folder = str(tmp_path / "set")
    opened()
    assert models_folder() == tmp_path / "set"
    monkeypatch.setenv("NAPARI_MEDSAM2_MODELS", str(tmp_path / "variable"))
    assert models_folder() == tmp_path / "variable"


@pytest.mark.parametrize("wanted", [True, False])
def test_sessions_are_kept_or_not(settings, opened, viewer, qtbot, sessions, wanted):
    settings.autosave = wanted
    dock = opened()
    do = dock.controller
    dock.prompt.tools["box"].click()
    draw_box(viewer.layers.selection.active, 1, 24, 12, 40, 32)
    qtbot.waitUntil(lambda: do.state.has_results and settled(dock))
    if wanted:
        qtbot.waitUntil(lambda: do.autosave.flush() or any(sessions.glob("*.medsam2")))
    dock.close_dock(timeout=10.0)
    assert any(sessions.glob("*.medsam2")) is wanted

"""Memory runs out under the dock: it says so once, and shows where the model runs now."""

from __future__ import annotations

import pytest
from face import draw_box, mocked, wait_for_model
from napari.components import ViewerModel
from qtpy.QtWidgets import QApplication
from short_memory import FRAMES, on_a_full_gpu, pretend_gpu

from napari_medsam2._gui import model_choice
from napari_medsam2._gui.controller import Controller
from napari_medsam2._widget import MedSamDock
from napari_medsam2.engine.engine import Engine
from napari_medsam2.engine.events import FinishReason, ModelLoaded
from napari_medsam2.models.notices import Notice, Remedy


@pytest.fixture
def told(monkeypatch):
    """What napari itself was asked to show."""
    said: list[str] = []
    monkeypatch.setattr(model_choice, "show_warning", said.append)
    monkeypatch.setattr(model_choice, "has_idle_gpu", lambda device: device == "cpu")
    return said


@pytest.fixture
def viewer():
    viewer = ViewerModel()
    viewer.add_image(FRAMES, name="scan")
    return viewer


def test_the_dock_says_it_once_and_shows_the_device(viewer, told, qtbot, monkeypatch):
    load = on_a_full_gpu(pretend_gpu(monkeypatch))
    dock = MedSamDock(viewer, Controller(viewer, lambda on_event: Engine(on_event, load_model=load)))
    qtbot.addWidget(dock)
    do = dock.controller
    do.choose_mode("stack")
    wait_for_model(dock)
    dock.prompt.tools["box"].click()
    with qtbot.waitSignal(do.store.changed):
        draw_box(viewer.layers["scan boxes"], 0, 25.5, 14.5, 38.5, 27.5)
    do.propagate()
    qtbot.waitUntil(lambda: do.engine.status.finish_reason is FinishReason.DONE, timeout=20_000)
    QApplication.processEvents()
    assert len(told) == 1 and "not enough memory on cuda for micro" in told[0]
    assert told[0] in dock.model.warning.text() and not dock.model.warning.isHidden()
    assert "runs on cpu" in dock.model.words.text() and "NVIDIA" not in dock.model.words.text()
    assert dock.model.device.currentText() == "cpu"
    assert do.state.problem == "" and all(column.confidence is not None for column in do.state.columns)
    dock.close_dock(timeout=10)


def test_choosing_the_device_again_tries_it_again(viewer, told, qtbot, monkeypatch):
    dock, engine, send = mocked(viewer)
    qtbot.addWidget(dock)
    dock.prompt.tools["point"].click()
    viewer.layers["scan points"].add((0, 32, 21))
    send(ModelLoaded(1, "micro", "cuda", True))
    send(Notice(Remedy.KEEPS_LESS, "micro", "cuda"))
    assert dock.model.warning.text().startswith("Memory is short on cuda")
    assert dock.model.words.text() == "Micro (bundled) runs on cuda." and dock.model.device.currentText() == "auto"
    send(Notice(Remedy.MOVED_TO_CPU, "micro", "cuda"))
    assert dock.model.device.currentText() == "cpu"
    engine.load_model.reset_mock(side_effect=True)
    dock.controller.choose_model("micro", "auto")
    engine.load_model.assert_called_once_with("micro", device="auto")
    assert dock.model.warning.isHidden(), "until it is known how it goes this time"
    send(Notice(Remedy.LOADED_ON_CPU, "micro", "cuda"))
    send(ModelLoaded(2, "micro", "cpu", True))
    assert dock.model.device.currentText() == "cpu" and "does not fit" in dock.model.warning.text()
    assert "NVIDIA" not in dock.model.words.text(), "there is no pip command that would help"
    dock.controller.choose_model("micro", "cuda")
    send(ModelLoaded(3, "micro", "cuda", True))
    assert dock.model.warning.isHidden()
    monkeypatch.setattr(model_choice, "estimate_seconds", lambda entry, device: {"cpu": 9.0}.get(device))
    send(Notice(Remedy.MOVED_TO_CPU, "micro", "cuda"))
    warning = dock.model.warning.text()
    assert "continues on the CPU" in warning and warning.endswith(
        "load it on cuda again. Slow on a CPU: about 9 s a slice, about 45 s for 5 slices. "
        "A smaller model or a GPU is faster."
    )
    assert len(told) == 4
    dock.close_dock()

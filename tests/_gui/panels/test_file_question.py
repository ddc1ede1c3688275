"""The question which published model a file of weights is built as."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from face import mocked as mocked_dock
from layouts import made_weights, shapes_of
from napari.components import ViewerModel

from napari_medsam2._gui.panels.file_question import FileQuestion
from napari_medsam2._gui.panels.model_menu import NAME
from napari_medsam2.engine.events import ModelLoaded
from napari_medsam2.models.registry import MODELS
from napari_medsam2.models.settings import entry_for


@pytest.fixture
def viewer():
    model = ViewerModel()
    model.add_image(np.zeros((3, 40, 60), np.uint8), name="scan")
    return model


@pytest.fixture
def mocked(viewer, qtbot, tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_MEDSAM2_MODELS", str(tmp_path / "models"))
    dock, engine, send = mocked_dock(viewer)
    engine.load_model.side_effect = None
    engine.load_model.reset_mock()  # the first model came with the image
    yield dock, engine, send
    qtbot.addWidget(dock)
    dock.close_dock(timeout=5.0)


def shown(dock) -> str:
    return dock.model.model.itemData(dock.model.model.currentIndex(), NAME)


def test_a_file_that_may_be_several_models_is_asked_about_once(mocked, tmp_path, qtbot):
    dock, engine, send = mocked
    path = tmp_path / "renamed.pt"
    torch.save({"model": made_weights(shapes_of("sam2.1 tiny"))}, path)
    dock.controller.choose_model(str(path), "cpu")
    asked = []
    qtbot.waitUntil(lambda: asked.extend(dock.findChildren(FileQuestion)) or bool(asked), timeout=20_000)
    assert list(asked[0].choices) == ["sam2.1-tiny", "medsam2"]
    assert "512 x 512 pixels" in asked[0].choices["medsam2"].text()
    assert shown(dock) == "micro", "until it is answered"
    engine.load_model.reset_mock()
    asked[0].choices["medsam2"].click()
    qtbot.waitUntil(lambda: engine.load_model.called, timeout=20_000)
    engine.load_model.assert_called_once_with(str(path), device="cpu")
    assert entry_for(path) == MODELS["medsam2"] and shown(dock) == str(path)
    send(ModelLoaded(2, "medsam2", "cpu", False))
    dock.controller.choose_model("micro", "cpu")
    engine.load_model.reset_mock()
    dock.controller.choose_model(str(path), "cpu")
    qtbot.waitUntil(lambda: engine.load_model.called, timeout=20_000)
    assert not [each for each in dock.findChildren(FileQuestion) if each.isVisible()], "the answer is remembered"


def test_a_question_about_a_file_that_is_not_answered_changes_nothing(mocked, tmp_path, qtbot):
    dock, engine, _ = mocked
    torch.save({"model": made_weights(shapes_of("sam2.0 small"))}, tmp_path / "renamed.pt")
    dock.controller.choose_model(str(tmp_path / "renamed.pt"), "cpu")
    asked = []
    qtbot.waitUntil(lambda: asked.extend(dock.findChildren(FileQuestion)) or bool(asked), timeout=20_000)
    asked[0].reject()
    assert shown(dock) == "micro" and not engine.load_model.called

"""One torch thread, PyQt6, and throw-away settings and caches for the whole suite, set before anything is imported.

And what tests of the dock have in common: a viewer without a window, docks on doubles of the engine.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["QT_API"] = "pyqt6"
_HOME = tempfile.TemporaryDirectory(prefix="napari-medsam2-tests-", ignore_cleanup_errors=True)  # one for each process
os.environ["NAPARI_CONFIG"] = str(Path(_HOME.name) / "settings.yaml")
os.environ["HF_HOME"] = str(Path(_HOME.name) / "huggingface")  # nobody's token, nobody's models
for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_CACHE", "HF_ENDPOINT", "HF_HUB_OFFLINE"):
    os.environ.pop(name, None)


@pytest.fixture
def blobs(monkeypatch):
    """Every model that is asked for is the blob model; returns what was asked for."""
    from fakes import blob_model

    from napari_medsam2.models import loading

    asked = []

    def load(name="micro", *, device="auto", **_):
        asked.append({"name": name, "device": device})
        return blob_model()

    monkeypatch.setattr(loading, "load_model", load)
    return asked


@pytest.fixture
def viewer():
    from napari.components import ViewerModel

    return ViewerModel()


@pytest.fixture
def mocked(qtbot):
    """Docks on doubles of the engine; they are closed at the end."""
    from face import mocked as mocked_dock

    docks = []

    def make(viewer):
        dock, engine, send = mocked_dock(viewer)
        qtbot.addWidget(dock)
        docks.append(dock)
        return dock, engine, send

    yield make
    for dock in docks:
        dock.close_dock()


@pytest.fixture
def stack(viewer):
    """An image in the viewer."""
    import numpy as np
    from face import SHAPE

    return viewer.add_image(np.random.default_rng(0).integers(0, 200, SHAPE).astype(np.uint8), name="scan")


@pytest.fixture
def prompted(viewer, stack, mocked):
    """A dock with a box on frame 2 of that image."""
    from face import draw_box

    dock, engine, send = mocked(viewer)
    dock.prompt.tools["box"].click()
    draw_box(viewer.layers.selection.active, 2, 5, 6, 20, 30)
    return dock, engine, send

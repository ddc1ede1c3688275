"""One torch thread, one binding of Qt ($QT_API, else PyQt6) and throw-away folders, set before anything is imported."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["PYTEST_QT_API"] = os.environ.setdefault("QT_API", "pyqt6")
_HOME = tempfile.TemporaryDirectory(prefix="napari-medsam2-tests-", ignore_cleanup_errors=True)  # one for each process
os.environ["NAPARI_CONFIG"] = str(Path(_HOME.name) / "settings.yaml")
os.environ["XDG_STATE_HOME"] = str(Path(_HOME.name) / "state")
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

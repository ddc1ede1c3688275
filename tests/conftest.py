"""One torch thread, PyQt6, and throw-away settings and caches for the whole suite, set before anything is imported."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["QT_API"] = "pyqt6"
os.environ["NAPARI_CONFIG"] = str(Path(tempfile.mkdtemp(prefix="napari-medsam2-tests-")) / "settings.yaml")
os.environ["HF_HOME"] = tempfile.mkdtemp(prefix="napari-medsam2-tests-")  # nobody's token, nobody's models
for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_CACHE", "HF_ENDPOINT", "HF_HUB_OFFLINE"):
    os.environ.pop(name, None)

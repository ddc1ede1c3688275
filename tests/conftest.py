"""One torch thread, PyQt6 and throw-away napari settings for the whole suite, set before anything is imported."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["QT_API"] = "pyqt6"
os.environ["NAPARI_CONFIG"] = str(Path(tempfile.mkdtemp(prefix="napari-medsam2-tests-")) / "settings.yaml")

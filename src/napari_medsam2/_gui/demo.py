"""The demo behind ``make demo``: the plugin in a real viewer, one box on a brain MRI, labels for the whole volume."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..distribution import plugin_name
from ..engine.events import FinishReason
from ..errors import DemoError
from ..whole_file import replace_file

#: A box around the brain on the middle slice of the sample: y0, x0, y1, x1 in pixels.
BOX = (1.0, 30.0, 93.0, 97.0)
FRAME = 11
TIMEOUT_S = 600.0


def has_screen() -> bool:
    """Say whether a window can be shown and ``HEADLESS`` is not set."""
    if os.environ.get("HEADLESS", "") not in ("", "0"):
        return False
    return sys.platform != "linux" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def run(out: Path, headless: bool | None = None) -> dict[str, Any]:
    """Segment the brain MRI sample from one box, as a user would.

    Parameters
    ----------
    out
        Folder for ``labels.tif``, ``screenshot.png`` and ``result.json``; made if missing.
    headless
        ``True``: an off-screen viewer that is closed at the end; ``False``: a window that stays open; ``None``: a
        window where there is a screen and ``HEADLESS`` is not set.

    Returns
    -------
    What is in ``result.json``.

    Raises
    ------
    DemoError
        If the plugin reports a problem, or does not finish within ten minutes.
    """
    headless = not has_screen() if headless is None else headless
    import napari

    from .samples import brain_mri

    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    viewer = napari.Viewer(show=not headless)
    viewer.window.resize(1500, 1000)
    (data, kwargs, _), *_rest = brain_mri()
    viewer.add_image(data, **kwargs)
    _, dock = viewer.window.add_plugin_dock_widget(plugin_name(), "MedSAM-2")
    try:
        result = _segment(viewer, dock, out)
        _screenshot(viewer, out / "screenshot.png")
    finally:
        if headless:
            dock.close_dock(timeout=5.0)
            viewer.close()
    text = json.dumps(result, indent=2) + "\n"
    replace_file(out / "result.json", lambda draft: draft.write_text(text, encoding="utf-8"))
    if not headless:
        napari.run()
    return result


def _wait(until: Callable[[], bool], problem: Callable[[], str], what: str) -> None:
    """Let the window work until something is so.

    Raises
    ------
    DemoError
        If the dock shows a problem, or after ten minutes.
    """
    from qtpy.QtWidgets import QApplication

    end = time.monotonic() + TIMEOUT_S
    while not until():
        QApplication.processEvents()
        if problem():
            raise DemoError(f"the demo stopped while {what}: {problem()}")
        if time.monotonic() > end:
            raise DemoError(f"the demo gave up after {TIMEOUT_S:.0f} s while {what}")
        time.sleep(0.005)


def _segment(viewer: Any, dock: Any, out: Path) -> dict[str, Any]:
    do = dock.controller

    def problem() -> str:
        return str(do.state.problem)

    _wait(lambda: do.state.loading_left is None, problem, "loading the model")
    began = time.perf_counter()
    do.go_to_frame(FRAME)
    do.use_tool("box")
    y0, x0, y1, x1 = BOX
    corners = [(FRAME, y0, x0), (FRAME, y0, x1), (FRAME, y1, x1), (FRAME, y1, x0)]
    viewer.layers.selection.active.add(np.array(corners), shape_type="rectangle")
    _wait(lambda: do.state.has_results, problem, "segmenting the slice with the box")
    preview_s = time.perf_counter() - began
    began = time.perf_counter()
    do.propagate()
    _wait(lambda: do.state.status.finish_reason is FinishReason.DONE, problem, "propagating")
    propagate_s = time.perf_counter() - began
    do.client.flush()
    do.save(out / "labels.tif")
    _wait(lambda: do.state.saved is not None, problem, "saving")
    layer = do.workspace.output_layer
    labels = np.asarray(layer.data)
    confidences = [c.confidence for c in do.state.columns if c.confidence is not None]
    return {
        "model": do.state.model,
        "device": do.state.device,
        "image": do.state.image,
        "prompt": {"frame": FRAME, "box": BOX},
        "frames": len(do.state.columns),
        "frames_with_object": int((labels > 0).any(axis=(1, 2)).sum()),
        "labelled_pixels": int((labels > 0).sum()),
        "labelled_pixels_on_prompted_frame": int((labels[FRAME] > 0).sum()),
        "seconds_to_first_mask": round(preview_s, 3),
        "seconds_to_propagate": round(propagate_s, 3),
        "mean_confidence": round(float(np.mean(confidences)), 4),
        "lowest_confidence": round(float(np.min(confidences)), 4),
    }


def _screenshot(viewer: Any, path: Path) -> None:
    from PIL import Image
    from qtpy.QtWidgets import QApplication

    viewer.screenshot(canvas_only=False, flash=False)  # gives an off-screen canvas its final size
    viewer.reset_view()
    end = time.monotonic() + 0.5
    while time.monotonic() < end:  # let the window draw what has arrived
        QApplication.processEvents()
    Image.fromarray(viewer.screenshot(canvas_only=False, flash=False)).convert("RGB").save(path)

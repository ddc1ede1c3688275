"""Draw the pictures of the window in README.md from the real window: draw_window.py FOLDER (docs/images).

Run it under Xvfb where there is no screen: HEADLESS=1 sh tools/with_display.sh python tools/draw_window.py docs/images
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

WIDTH, HEIGHT = 1280, 800
#: Boxes ``(frame, y0, x0, y1, x1)`` in the samples.
BRAIN = ((11, 5, 29, 93, 98),)
COINS = ((0, 4, 2, 60, 61),)


def wait(until: Callable[[], bool]) -> None:
    """Let the window work until something is so, two minutes at most."""
    from qtpy.QtWidgets import QApplication

    end = time.monotonic() + 120
    while not until():
        if time.monotonic() > end:
            raise TimeoutError("the window did not get there")
        QApplication.processEvents()
        time.sleep(0.005)


def rest(seconds: float = 0.5) -> None:
    """Let the window draw what has arrived."""
    end = time.monotonic() + seconds
    wait(lambda: time.monotonic() > end)


def opened(viewer: Any, sample: Callable[[], list[Any]]) -> Any:
    """The dock on a sample, with its model loaded."""
    (data, kwargs, _), *_rest = sample()
    viewer.add_image(data, **kwargs)
    _, dock = viewer.window.add_plugin_dock_widget("napari-medsam2", "MedSAM-2")
    wait(lambda: dock.controller.state.loading_left is None)
    return dock


def draw_box(viewer: Any, dock: Any, box: tuple[int, ...]) -> None:
    """Draw a box for the current object, and wait for what is found in it."""
    frame, y0, x0, y1, x1 = box
    do = dock.controller
    do.go_to_frame(frame)
    do.use_tool("box")
    before = len(do.workspace.results.results)
    corners = [(frame, y0, x0), (frame, y0, x1), (frame, y1, x1), (frame, y1, x0)]
    viewer.layers.selection.active.add(np.array(corners, float), shape_type="rectangle")
    wait(lambda: len(do.workspace.results.results) > before)


def run(dock: Any) -> None:
    """Press the main button, and wait for the end."""
    dock.footer.main.click()
    wait(lambda: dock.controller.state.status.finish_reason is not None and dock.controller.client.settled)


def save(viewer: Any, path: Path) -> None:
    """Write what the window shows, in 256 colours."""
    from PIL import Image

    viewer.window.resize(WIDTH, HEIGHT)
    rest()
    viewer.reset_view()
    rest()
    picture = Image.fromarray(viewer.screenshot(canvas_only=False, flash=False)).convert("RGB")
    picture.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)


def draw(out: Path, name: str, theme: str, sample: Callable[[], list[Any]], boxes: tuple[tuple[int, ...], ...]) -> None:
    """One picture: a sample after its boxes were carried on."""
    import napari

    viewer = napari.Viewer()
    viewer.theme = theme
    viewer.window.resize(WIDTH, HEIGHT)
    dock = opened(viewer, sample)
    for number, box in enumerate(boxes):
        if number:
            dock.objects.new.click()
        draw_box(viewer, dock, box)
    run(dock)
    save(viewer, out / name)
    dock.close_dock(timeout=10.0)
    viewer.close()


def main() -> None:
    out = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as fresh:  # no settings of the user's, and nothing to restore
        os.environ["NAPARI_CONFIG"] = str(Path(fresh) / "napari.yaml")
        os.environ["XDG_STATE_HOME"] = fresh
        from napari_medsam2._gui.samples import brain_mri, coins_flow

        draw(out, "dock.png", "dark", brain_mri, BRAIN)
        draw(out, "dock-images.png", "light", coins_flow, COINS)


if __name__ == "__main__":
    main()

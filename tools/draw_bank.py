"""Draw the pictures of docs/memory-bank.md from a real run in the real window: draw_bank.py FOLDER (docs/images).

Run it under Xvfb where there is no screen: HEADLESS=1 sh tools/with_display.sh python tools/draw_bank.py docs/images
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from draw_window import COINS, HEIGHT, WIDTH, draw_box, opened, rest, save, wait

#: The images whose memory is shown: so many are done, and then all, with this one in view.
DONE, IN_VIEW = 7, 13


def save_part(widget: Any, path: Path) -> None:
    """Write what a widget shows, in 256 colours."""
    from PIL import Image

    rest()
    widget.grab().save(str(path))
    picture = Image.open(path).convert("RGB")
    picture.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)


def main() -> None:
    out = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as fresh:  # no settings of the user's, and nothing to restore
        os.environ["NAPARI_CONFIG"] = str(Path(fresh) / "napari.yaml")
        os.environ["XDG_STATE_HOME"] = fresh
        import napari

        from napari_medsam2._gui.bank_dock import open_bank
        from napari_medsam2._gui.samples import coins_flow

        viewer = napari.Viewer()
        viewer.window.resize(WIDTH, HEIGHT)
        dock = opened(viewer, coins_flow)
        do = dock.controller
        bank = open_bank()
        draw_box(viewer, dock, COINS[0])
        dock.footer.main.click()
        wait(lambda: do.state.done >= DONE)
        save_part(bank, out / "bank-filling.png")
        wait(lambda: do.state.status.finish_reason is not None and do.client.settled)
        do.go_to_frame(IN_VIEW)
        wait(lambda: do.bank.state.frame == IN_VIEW and do.bank.state.known)
        save(viewer, out / "bank.png")
        do.go_to_frame(0)
        bank.tabs.setCurrentIndex(1)
        wait(lambda: (view := do.bank.state.view) is not None and view.frame == 0 and view.seen)
        save_part(bank, out / "bank-input.png")
        dock.close_dock(timeout=10.0)
        viewer.close()


if __name__ == "__main__":
    main()

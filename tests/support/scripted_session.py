"""A session of a user's in a real viewer, drawn by a number, in a process to be killed; it writes down what it shows.

Run as a program it imports all that a session needs, then forks one for each line on stdin: ``SEED FOLDER``. The number
of its process is told on stdout. States go to ``FOLDER/states``, a line each: the time, and what the window shows.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
import zlib
from pathlib import Path

import numpy as np

N_FRAMES, SIZE = 8, (64, 64)


def images() -> np.ndarray:
    """A disc that moves, and a blob that does not."""
    from fakes import moving_disc

    frames, _ = moving_disc(N_FRAMES, SIZE)
    frames[:, 4:10, 50:56] = 204
    return frames


def state_of(dock) -> str:
    """What the window shows, in one number: prompts, results and kept labels, to the pixel."""
    from napari_medsam2.prompts import MaskPrompt
    from napari_medsam2.session.journal import digest_of

    work = dock.controller.workspace
    prompts = sorted(
        f"{key} {[str(p) if not isinstance(p, MaskPrompt) else zlib.crc32(p.mask.tobytes()) for p in group]}"
        for key, group in work.book.groups.items()
    )
    results = sorted(f"{key} {digest_of(result)}" for key, result in work.results.results.items())
    kept = dock.controller.keeping.kept_layer(work)
    labels = 0 if kept is None or not kept.data.any() else zlib.crc32(kept.data.astype("<u4").tobytes())
    return f"{zlib.crc32(repr((prompts, results, labels)).encode()):08x}"


class Script:
    """Does one thing after the other in a dock, drawn at random."""

    def __init__(self, dock, viewer, seed: int) -> None:
        self.dock, self.viewer, self.chance = dock, viewer, random.Random(seed)

    def step(self) -> None:
        """One thing more."""
        what = self.chance.choice(
            ["click", "click", "box", "stroke", "run", "run", "pause", "undo", "redo", "new", "commit", "delete"]
        )
        do, frame = self.dock.controller, self.chance.randrange(N_FRAMES)
        if what == "click":
            do.use_tool("point")
            spot = self.chance.choice([(32, 21 + frame), (7, 53)])
            self.viewer.layers.selection.active.add((frame, *spot))
        elif what == "box":
            do.use_tool("box")
            corners = [(frame, y, x) for y, x in ((3.5, 49.5), (3.5, 56.5), (10.5, 56.5), (10.5, 49.5))]
            self.viewer.layers.selection.active.add(np.array(corners), shape_type="rectangle")
        elif what == "stroke":
            do.use_tool("mask")
            top = self.chance.randrange(40, 56)
            y, x = (axis.ravel() for axis in np.mgrid[top : top + 6, 5:12])
            self.viewer.layers.selection.active.data_setitem((np.full(len(y), frame), y, x), do.state.current)
        elif what == "run":
            do.propagate()
        elif what == "pause":
            do.pause_or_resume()
        elif what == "delete":
            for layer in [la for la in self.viewer.layers if la.name.endswith("points") and len(la.data)]:
                layer.selected_data = {len(layer.data) - 1}
                layer.remove_selected()
        elif what == "new":
            if do.state.has_prompts:
                do.objects.begin()
        elif what == "commit":
            if do.state.has_results:
                do.commit()
        else:
            getattr(do, what)()


def session(seed: int, folder: Path) -> None:
    """Work until killed."""
    os.environ["XDG_STATE_HOME"] = str(folder / "state")
    import napari
    from face import Pace, running

    viewer = napari.Viewer(show=False)
    viewer.add_image(images(), name="scan")
    pace = Pace()
    dock = running(viewer, pace)
    dock.controller.choose_mode("stack")
    script, autosave = Script(dock, viewer, seed), dock.controller.autosave
    states = os.open(folder / "states", os.O_CREAT | os.O_WRONLY)

    def write_down() -> None:
        os.write(states, f"{time.monotonic():.3f} {state_of(dock)}\n".encode())

    # What is written to the session file is what the window shows then, which is written down first.
    autosave._timer.timeout.disconnect()
    autosave._timer.timeout.connect(lambda: (write_down(), autosave.flush()))
    app = napari.qt.get_qapp()
    write_down()
    next_step = 0.0
    while True:
        if time.monotonic() > next_step:
            script.step()
            next_step = time.monotonic() + script.chance.uniform(0.05, 0.6)
        write_down()
        app.processEvents()
        time.sleep(0.005)


def serve() -> None:
    """Fork a session for each line."""
    import torch

    import napari_medsam2._widget
    import napari_medsam2.session.recorded  # noqa: F401

    torch.set_num_threads(1)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # those that were killed leave nothing behind
    for line in sys.stdin:
        seed, folder = line.split(maxsplit=1)
        child = os.fork()
        if child == 0:
            os.setpgid(0, 0)
            null = os.open(os.devnull, os.O_RDWR)
            for number in (0, 1):
                os.dup2(null, number)
            session(int(seed), Path(folder.strip()))
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve()

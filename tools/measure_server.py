"""What a server costs: the same engine here and behind `serve` on this computer, in turns.

Run as ``OMP_NUM_THREADS=1 .venv/bin/python tools/measure_server.py``: frames a second of SAM 2.1 tiny at 512 pixels
with random weights, and the seconds from a box to its preview with the bundled model, on images that were just opened.
"""

from __future__ import annotations

import queue
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
import torch

from napari_medsam2.engine.engine import Engine
from napari_medsam2.engine.events import Failed, Finished, ModelLoaded, ResultReady
from napari_medsam2.models.registry import MODELS
from napari_medsam2.network.sam2.config import LAYOUTS
from napari_medsam2.network.sam2.network import Sam2
from napari_medsam2.prompts import BoxPrompt
from napari_medsam2.remote.engine import RemoteEngine

FRAMES, ROUNDS, BOXES = 6, 5, 12


def volume(n_frames: int, side: int, seed: int) -> np.ndarray:
    """A bright disc that moves, in noise: uint16 ``(T, H, W)``."""
    pixels = np.random.default_rng(seed).normal(600, 120, (n_frames, side, side))
    yy, xx = np.mgrid[:side, :side]
    for t in range(n_frames):
        pixels[t][(yy - side / 2) ** 2 + (xx - side / 2 - 2 * t) ** 2 < (side / 8) ** 2] += 1500
    return np.clip(pixels, 0, 4095).astype(np.uint16)


def random_weights(folder: Path) -> Path:
    """A file of SAM 2.1 tiny that was never trained."""
    torch.manual_seed(0)
    path = folder / MODELS["medsam2"].file  # a SAM 2.1 tiny at 512 pixels, by its name
    torch.save({"model": Sam2(LAYOUTS["tiny"]).state_dict()}, path)
    return path


def start_server(weights: Path) -> tuple[subprocess.Popen[str], str]:
    """A server of this computer, and its address."""
    command = [sys.executable, "-m", "napari_medsam2", "serve", "--port", "0", "--model", str(weights)]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert server.stderr is not None
    for line in server.stderr:
        if found := re.search(r"serving on (http://\S+);", line):
            return server, found[1]
    raise SystemExit("the server did not start")


class Side:
    """An engine and what it tells, each event with its time."""

    def __init__(self, address: str = "") -> None:
        self._events: queue.Queue = queue.Queue()
        tell = lambda event: self._events.put((time.perf_counter(), event))  # noqa: E731
        self.engine = RemoteEngine(tell, address) if address else Engine(tell)

    def wait_for(self, kind: type) -> float:
        """When the next event of a kind came."""
        while True:
            when, event = self._events.get(timeout=600)
            if isinstance(event, Failed):
                raise SystemExit(event.report)
            if isinstance(event, kind):
                return when

    def seconds_a_frame(self, images: np.ndarray) -> float:
        """Of a run, from its second result on."""
        side = images.shape[1]
        self.engine.open(
            images, mode="flow", axis=0
        )  # where no frame is left out because the object seems to have ended
        self.engine.add_prompt(BoxPrompt(0, side * 0.3, side * 0.3, side * 0.7, side * 0.7))
        self.engine.propagate()
        times = [self.wait_for(ResultReady) for _ in range(len(images))]
        self.engine.cancel()
        self.wait_for(Finished)
        return (times[-1] - times[0]) / (len(times) - 1)

    def preview(self, images: np.ndarray) -> tuple[float, float]:
        """Seconds from the opening of images, and from a box on them that were opened before, to a preview."""
        side, began = images.shape[1], time.perf_counter()
        waits = []
        self.engine.open(images, mode="stack", axis=0)
        for frame in (len(images) // 2, len(images) // 3):
            self.engine.replace_prompts(1, frame, [BoxPrompt(frame, side * 0.3, side * 0.3, side * 0.7, side * 0.7)])
            self.engine.preview(frame, 1)
            waits.append(self.wait_for(ResultReady) - began)
            began = time.perf_counter()
        return waits[0], waits[1]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        weights = random_weights(Path(folder))
        server, address = start_server(weights)
        here, there = Side(), Side(address)
        try:
            for side, name in ((here, str(weights)), (there, weights.stem)):
                side.engine.load_model(name)
                side.wait_for(ModelLoaded)
            pairs = [[side.seconds_a_frame(volume(FRAMES, 512, n)) for side in (here, there)] for n in range(ROUNDS)]
            mine, theirs = (median(each[1:]) for each in zip(*pairs, strict=True))  # the first round warms up
            ratios = sorted(a / b for a, b in pairs[1:])
            print(f"SAM 2.1 tiny at 512: {1 / mine:.3f} frames/s here, {1 / theirs:.3f} there; ", end="")
            print(f"there/here {median(ratios):.3f} (pairs {ratios[0]:.3f} to {ratios[-1]:.3f})")
            for side in (here, there):
                side.engine.load_model("micro")
                side.wait_for(ModelLoaded)
            found = [[side.preview(volume(20, 512, n)) for side in (here, there)] for n in range(BOXES)][1:]
            for which, what in enumerate(("opening to the first preview", "box to preview")):
                one, other = (1e3 * median(pair[n][which] for pair in found) for n in (0, 1))
                print(f"micro, {what}: {one:.0f} ms here, {other:.0f} ms there")
        finally:
            here.engine.close()
            there.engine.close()
            server.terminate()


if __name__ == "__main__":
    main()

"""A labelled example to try training on: drawn images of two kinds of cells, of which one kind is labelled."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tifffile
from scipy import ndimage

from ...errors import TrainingError
from ..folder import prepare_folder

#: Images, and their side in pixels.
_COUNT, _SIDE = 32, 192


def write_example(folder: Path, *, count: int = _COUNT, seed: int = 0) -> None:
    """Write ``images/`` and ``labels/`` with one tif an image each.

    Cells lie about on a noisy background. Some are striped, the others chequered, with the same brightness and the same
    spacing; the striped ones are labelled, every cell with a number of its own.

    Raises
    ------
    TrainingError
        If there are images already, or the folder cannot be written to.
    """
    if (folder / "images").exists() or (folder / "labels").exists():
        raise TrainingError(f"{folder} has images or labels already; name another folder for the example")
    rng = np.random.default_rng(seed)
    prepare_folder(folder)
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".example-") as name:
            made = Path(name)
            for kind in ("images", "labels"):
                (made / kind).mkdir()
            for number in range(count):
                for kind, pixels in zip(("images", "labels"), draw_cells(rng), strict=True):
                    tifffile.imwrite(made / kind / f"cells_{number:02d}.tif", pixels, compression="zlib")
            for kind in ("images", "labels"):
                (made / kind).rename(folder / kind)
    except OSError as error:
        raise TrainingError(
            f"the example could not be written to {folder}, and nothing of it is there: {error.strerror or error}"
        ) from error


def draw_cells(rng: np.random.Generator, side: int = _SIDE) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """One image ``(side, side)`` and the labels of its striped cells."""
    bright = 60 + 25 * ndimage.gaussian_filter(rng.normal(size=(side, side)), 25) * 40
    labels = np.zeros((side, side), np.uint8)
    taken = np.zeros((side, side), bool)
    everywhere = np.indices((side, side)).astype(np.float64)
    striped = 0
    for number in range(200):
        centre = rng.uniform(10, side - 10, 2)
        long, short = rng.uniform(11, 17), rng.uniform(9, 13)
        turn = rng.uniform(0, np.pi)
        level, period = rng.uniform(110, 150), rng.uniform(4.5, 6.0)
        phases = rng.uniform(0, 2 * np.pi, 2)
        near = tuple(slice(max(int(at) - 20, 0), int(at) + 21) for at in centre)
        y, x = everywhere[(slice(None), *near)] - centre[:, None, None]
        along, across = y * np.sin(turn) + x * np.cos(turn), y * np.cos(turn) - x * np.sin(turn)
        cell = (along / long) ** 2 + (across / short) ** 2 <= 1
        if (cell & taken[near]).any():
            continue
        taken[near] |= ndimage.binary_dilation(cell, iterations=2)
        pattern = np.sin(2 * np.pi * across / period + phases[0])
        if number % 2:
            pattern *= 1.4 * np.sin(2 * np.pi * along / period + phases[1])
        else:
            striped += 1
            labels[near][cell] = striped
        bright[near][cell] = (level + 30 * pattern)[cell]
    noisy = ndimage.gaussian_filter(bright, 0.7) + rng.normal(0, 7, bright.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8), labels

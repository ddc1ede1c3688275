"""How small an object may be on a frame, for networks that are made for whole frames: from where on a window is better.

    python tools/measure_close_ups.py stack.npz

SAM 2 and its descendants draw a mask on every fourth pixel of their input. The first table is the best Dice that such a
grid allows, whatever the weights are, by the length of the object in pixels of the network's input.

The second follows objects through frames that are made larger by mirroring what is on them, so that everything on them
gets smaller in the network's input: on whole frames, and in a window where the session takes one by itself. Without
``--model`` the bundled model stands in for the published ones; it is given whole frames as they are.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from scipy import ndimage

from napari_medsam2.evaluation.evaluate import evaluate
from napari_medsam2.evaluation.protocol import Protocol
from napari_medsam2.evaluation.scores import means
from napari_medsam2.geometry.overlap import dice
from napari_medsam2.images.datasets import Dataset, read_dataset
from napari_medsam2.images.formats import as_frames
from napari_medsam2.models.loading import load_model
from napari_medsam2.types import Mask

LENGTHS = (8, 12, 16, 24, 32, 48, 64, 128)
STRIDE = 4
#: Points of the grid are the mean of this many places across, as precise as the comparison has to be.
FINE = 8


def shapes_of(dataset: Dataset, count: int, shortest: int = 24) -> list[Mask]:
    """Separate parts of objects, cut out, at random; small ones are left out, which are coarse themselves."""
    found: list[Mask] = []
    for t, object_id in ((t, k) for t in range(len(dataset.masks)) for k in dataset.objects):
        parts, _ = ndimage.label(dataset.truth(t, object_id))
        found += [parts[where] == k for k, where in enumerate(ndimage.find_objects(parts), 1)]
    found = [mask for mask in found if max(mask.shape) >= shortest]
    order = np.random.default_rng(0).permutation(len(found))[:count]
    return [found[k] for k in order]


def drawn_on_grid(mask: Mask, length: float, rng: np.random.Generator) -> Mask:
    """A mask as a grid of every fourth pixel shows it, where its longer side is ``length`` pixels of the input."""
    step = max(mask.shape) / (length / STRIDE)  # pixels of the mask between two points of the grid
    margin = 2 * int(np.ceil(step))
    padded = np.pad(mask, margin)
    count = int(np.ceil(max(padded.shape) / step)) + 1
    corner = -rng.uniform(0, step, 2)
    places = (np.arange(count * FINE) + 0.5) * step / FINE
    rows, columns = (np.floor(corner[axis] + places).astype(int) for axis in (0, 1))
    there = np.outer((rows >= 0) & (rows < padded.shape[0]), (columns >= 0) & (columns < padded.shape[1]))
    sampled = padded[np.ix_(rows.clip(0, padded.shape[0] - 1), columns.clip(0, padded.shape[1] - 1))] & there
    grid = torch.from_numpy(sampled.reshape(count, FINE, count, FINE).mean((1, 3)))[None, None]
    y, x = (
        torch.from_numpy((np.arange(size) + 0.5 - start) / step / count * 2 - 1)
        for size, start in zip(padded.shape, corner, strict=True)
    )
    at = torch.stack(torch.meshgrid(y, x, indexing="ij")[::-1], -1)[None]
    back: Mask = F.grid_sample(grid, at, align_corners=False)[0, 0].numpy() > 0.5
    return back[margin:-margin, margin:-margin]


def enlarged(dataset: Dataset, times: int) -> Dataset:
    """Frames ``times`` as long and wide, by mirroring; what is to be found stays where it was, in their middle."""

    def around(frame: npt.NDArray[Any], mode: Any) -> npt.NDArray[Any]:
        border = [((times - 1) * size // 2,) * 2 for size in frame.shape[:2]]
        return np.pad(frame, border + [(0, 0)] * (frame.ndim - 2), mode=mode)

    total = range(len(dataset.frames))
    frames = np.stack([around(dataset.frames[t], "symmetric") for t in total])
    masks = np.stack([around(dataset.masks[t], "constant") for t in total])
    return replace(dataset, frames=as_frames(frames, rgb=frames.ndim == 4), masks=masks)


def scores(model_name: str, dataset: Dataset, most: int) -> Iterator[str]:
    """Dice with a box and with a click, on whole frames and as the session does by itself."""
    dataset = replace(dataset, objects=dict(list(dataset.objects.items())[:most]))
    model = load_model(model_name, device="cpu")
    for kind in ("box", "point"):
        for region, told in ((False, "whole"), (None, "by itself")):
            rows = evaluate(replace(model, region=region), dataset, Protocol(prompt=kind))
            found = means(list(rows))["datasets"][dataset.name]
            yield f"{kind}, {told}: {found['dice']:.3f} ({found['dice_prompted']:.3f} prompted)"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("dataset", type=Path, nargs="+")
    parser.add_argument("--model", default="micro")
    parser.add_argument("--times", type=int, nargs="+", default=[1, 4, 8])
    parser.add_argument("--objects", type=int, default=8, help="at most so many of a stack")
    parser.add_argument("--shapes", type=int, default=40, help="at most so many of a dataset")
    arguments = parser.parse_args()
    datasets = [read_dataset(path) for path in arguments.dataset]
    rng = np.random.default_rng(0)
    print("best Dice by length:", *LENGTHS)
    for dataset in datasets:
        shapes = shapes_of(dataset, arguments.shapes)
        best = [[dice(drawn_on_grid(mask, length, rng), mask) for mask in shapes] for length in LENGTHS]
        print(f"{dataset.name} ({len(shapes)}):", *(f"{np.mean(row):.3f}" if row else "-" for row in best), flush=True)
    for dataset in datasets:
        for times in arguments.times if dataset.mode == "stack" else ():
            larger = enlarged(dataset, times)
            for line in scores(arguments.model, larger, arguments.objects):
                print(f"{dataset.name} {max(larger.frames.shape(0))} px, {line}", flush=True)


if __name__ == "__main__":
    main()

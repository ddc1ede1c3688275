"""How well one prompt finds small things in large images: frames of a flow set side by side as mosaics.

    python tools/measure_mosaics.py nuclei.npz --across 1 2 4 6

One box, and then one click, is on a thing of median size on the first mosaic; the Dice is that of the others. With
``--no-tiles`` every mosaic is seen as a whole.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_medsam2.evaluation.prompting import PromptKind, make_prompts
from napari_medsam2.geometry.overlap import dice
from napari_medsam2.images.datasets import Dataset, read_dataset
from napari_medsam2.models.loading import load_model
from napari_medsam2.prompts import Prompt
from napari_medsam2.segment.tiles import TileOptions
from napari_medsam2.session.options import SessionOptions
from napari_medsam2.session.session import Session
from napari_medsam2.types import Mask

KINDS: tuple[PromptKind, ...] = ("box", "point")


def mosaics(dataset: Dataset, across: int, count: int) -> tuple[list[npt.NDArray[np.uint8]], list[Mask]]:
    """``count`` images of ``across`` x ``across`` frames, cut to the size of the smallest, and what is on them."""
    rng = np.random.default_rng(0)
    total = len(dataset.frames)
    height, width = np.min([dataset.frames.shape(t) for t in range(total)], axis=0)
    images, masks = [], []
    for _ in range(count):
        order = rng.choice(total, across**2, replace=across**2 > total).reshape(across, across).tolist()
        images.append(_side_by_side([[dataset.frames[t][:height, :width] for t in row] for row in order]))
        masks.append(_side_by_side([[dataset.masks[t][:height, :width] > 0 for t in row] for row in order]))
    return images, masks


def _side_by_side(rows: list[list[npt.NDArray[Any]]]) -> npt.NDArray[Any]:
    return np.concatenate([np.concatenate(row, 1) for row in rows])


def prompt_on_median(mask: Mask, kind: PromptKind) -> Prompt:
    """A box around the thing of median size, or a click in the middle of it."""
    labels, _ = ndimage.label(mask)
    areas = np.bincount(labels.ravel())[1:]
    return make_prompts(labels == 1 + int(np.argsort(areas)[len(areas) // 2]), kind)[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("dataset", type=Path, nargs="+")
    parser.add_argument("--model", default="micro")
    parser.add_argument("--across", type=int, nargs="+", default=[1, 2, 4, 6])
    parser.add_argument("--mosaics", type=int, default=4)
    parser.add_argument("--no-tiles", action="store_true")
    arguments = parser.parse_args()
    model = load_model(arguments.model, device="cpu")
    options = SessionOptions(tiles=TileOptions(least=0.0) if arguments.no_tiles else TileOptions())
    for path in arguments.dataset:
        dataset = read_dataset(path)
        for across in arguments.across:
            images, masks = mosaics(dataset, across, arguments.mosaics)
            for kind in KINDS:
                session = Session(model, images, mode="flow", options=options)
                session.add(prompt_on_median(masks[0], kind))
                began = time.perf_counter()
                scores = [dice(r.mask, masks[r.frame]) for r in session.propagate() if not r.prompted]
                seconds = (time.perf_counter() - began) / len(images)
                side = max(masks[0].shape)
                print(f"{dataset.name} {side} px {kind}: {np.mean(scores):.3f}, {seconds:.1f} s a frame", flush=True)


if __name__ == "__main__":
    main()

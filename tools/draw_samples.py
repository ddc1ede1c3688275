"""Draw docs/images/synthetic.jpg, training sequences with their targets outlined: draw_samples.py OUT [SEED]."""

from __future__ import annotations

import sys

import numpy as np
from PIL import Image
from scipy import ndimage

from napari_medsam2.training.synthetic.flows import make_flow
from napari_medsam2.training.synthetic.sample import Sample
from napari_medsam2.training.synthetic.stacks import make_stack

SIZE, LENGTH, ROWS = 96, 7, 11


def strip(sample: Sample) -> np.ndarray:
    """The frames of a sequence side by side, uint8 ``(SIZE, LENGTH * SIZE, 3)``, the target outlined in red."""
    tiles = []
    for image, mask in zip(sample.images, sample.masks, strict=True):
        tile = (np.moveaxis(image, 0, -1) * 255).astype(np.uint8)
        tile[mask & ~ndimage.binary_erosion(mask)] = (230, 30, 30)
        tiles.append(tile)
    return np.concatenate(tiles, 1)


def main() -> None:
    rng = np.random.default_rng(int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    stacks = np.concatenate([strip(make_stack(rng, LENGTH, SIZE, followed=row % 2 == 1)) for row in range(ROWS)])
    flows = np.concatenate([strip(make_flow(rng, LENGTH, SIZE)) for _ in range(ROWS)])
    between = np.full((len(stacks), 16, 3), 255, np.uint8)
    Image.fromarray(np.concatenate([stacks, between, flows], 1)).save(sys.argv[1], quality=70)


if __name__ == "__main__":
    main()

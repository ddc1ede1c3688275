"""Where the objects of one label image are, and how large."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...types import AnyArray


@dataclass(frozen=True)
class Region:
    """All pixels of one number.

    Attributes
    ----------
    number
        Of the object.
    area
        In pixels.
    rows, columns
        The first pixel, and the one after the last.
    centroid
        (y, x); the centre of the first pixel is (0, 0).
    """

    number: int
    area: int
    rows: tuple[int, int]
    columns: tuple[int, int]
    centroid: tuple[float, float]


def regions_of(plane: AnyArray) -> list[Region]:
    """The objects of a label image ``(H, W)``, by their numbers in order."""
    from scipy import ndimage

    ys, xs = np.nonzero(plane)
    if not len(ys):
        return []
    numbers, ranks = np.unique(plane[ys, xs], return_inverse=True)
    ranked = np.zeros(plane.shape, np.intp)
    ranked[ys, xs] = ranks + 1
    areas = np.bincount(ranks)
    middles = np.bincount(ranks, ys) / areas, np.bincount(ranks, xs) / areas
    boxes = ndimage.find_objects(ranked)
    return [
        Region(int(number), int(area), (rows.start, rows.stop), (columns.start, columns.stop), (float(y), float(x)))
        for number, area, (rows, columns), y, x in zip(numbers, areas, boxes, *middles, strict=True)
    ]

"""The separate parts of an object in a mask, and the pixel where a careful user would click one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ..types import Mask

#: Things that have grown together are cut where they are thinner than this share of what is at the click.
_NECK = 0.7
#: A click is in the middle of a thing if it is at least so deep, as a share of the deepest there is.
_MIDDLE = 0.7

#: Parts that are smaller than this share of the largest are specks.
_SPECK = 0.01

#: Parts of an object that get a click or a box each, in the evaluation and in training.
MAX_PARTS = 10


def largest_parts(mask: Mask, limit: int = MAX_PARTS, *, corners: bool = True) -> list[Mask]:
    """The separate parts of a mask ``(H, W)``, largest first, at most ``limit`` of them.

    Parameters
    ----------
    corners
        Whether pixels that touch at a corner only belong together.
    """
    labels, count = ndimage.label(mask, structure=np.ones((3, 3)) if corners else None)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    return [labels == 1 + index for index in np.argsort(-sizes, kind="stable")[:limit]]


def parts_of(masks: Mapping[int, Mask]) -> tuple[dict[int, npt.NDArray[np.int32]], int]:
    """The separate parts of an object, the largest first, and how many there are; specks belong to the first.

    Parameters
    ----------
    masks
        Bool ``(H, W)`` by frame, of one shape; frames that follow each other are one volume.

    Returns
    -------
    tuple
        Numbers of the parts, from 1, int32 ``(H, W)`` by frame, and how many there are.
    """
    if not masks:
        return {}, 0
    frames = range(min(masks), max(masks) + 1)
    shown = np.logical_or.reduce(list(masks.values()))
    rows, columns = (np.flatnonzero(shown.any(axis=axis)) for axis in (1, 0))
    part = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    volume = np.zeros((len(frames), *shown[part].shape), bool)
    for t, mask in masks.items():
        volume[t - frames[0]] = mask[part]
    labels, count = ndimage.label(volume, structure=np.ones((3, 3, 3)))
    sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    order = np.argsort(-sizes, kind="stable")
    order = order[sizes[order] >= max(_SPECK * sizes[order[0]], 1)]
    places = np.ones(count + 1, np.int32)
    places[0] = 0
    places[order + 1] = np.arange(1, len(order) + 1)
    found = {}
    for t in masks:
        found[t] = np.zeros(shown.shape, np.int32)
        found[t][part] = places[labels[t - frames[0]]]
    return found, len(order)


def has_parts(mask: Mask) -> bool:
    """True if a mask ``(H, W)`` would be split into two objects or more."""
    return bool(mask.any()) and parts_of({0: mask})[1] > 1


def depth(mask: Mask) -> npt.NDArray[np.float64]:
    """Distance of each pixel from the outside of a mask, in pixels, ``(H, W)``; beyond the image is outside."""
    return np.asarray(ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1])


def most_interior(mask: Mask) -> tuple[int, int]:
    """The pixel (y, x) farthest from the outside of a mask ``(H, W)``."""
    y, x = np.unravel_index(int(np.argmax(depth(mask))), mask.shape)
    return int(y), int(x)


def largest_error(truth: Mask, found: Mask) -> tuple[Mask, bool] | None:
    """The largest separate part of what is wrong in a mask, and whether it is missing (else it is too much).

    Parameters
    ----------
    truth, found
        The true and the predicted mask, ``(H, W)``.

    Returns
    -------
    tuple of Mask and bool, or None
        ``None`` where they are the same.
    """
    errors = [
        (part, missing)
        for missing, wrong in ((True, truth & ~found), (False, found & ~truth))
        for part in largest_parts(wrong, 1)
    ]
    return max(errors, key=lambda error: int(error[0].sum())) if errors else None


def parts_at(mask: Mask, places: Sequence[tuple[int, int]]) -> Mask:
    """The separate parts of a mask ``(H, W)`` that lie at any of the pixels (y, x); places outside do not count."""
    labels, _ = ndimage.label(mask)
    height, width = mask.shape
    found = {int(labels[y, x]) for y, x in places if 0 <= y < height and 0 <= x < width} - {0}
    return np.asarray(np.isin(labels, sorted(found)))


def thing_at(mask: Mask, place: tuple[int, int]) -> Mask | None:
    """The thing that a pixel (y, x) is in the middle of: its part of a mask ``(H, W)``, cut off at its necks.

    ``None`` if the pixel is not on the mask, or nearer to the border of the thing than to its middle.
    """
    y, x = place
    height, width = mask.shape
    if not (0 <= y < height and 0 <= x < width and mask[y, x]):
        return None
    away = depth(mask)
    cores, count = ndimage.label(away > _NECK * away[y, x])
    core = cores == cores[y, x]
    if away[y, x] < _MIDDLE * away[core].max():
        return None
    part = parts_at(mask, [place])
    if count == 1:
        return part
    rows, columns = ndimage.distance_transform_edt(cores == 0, return_distances=False, return_indices=True)
    return np.asarray(part & (cores[rows, columns] == cores[y, x]))

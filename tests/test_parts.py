"""The separate parts of a mask."""

from __future__ import annotations

import numpy as np

from napari_medsam2.parts import largest_parts, most_interior, parts_at


def _two_parts() -> np.ndarray:
    mask = np.zeros((20, 20), bool)
    mask[2:9, 2:9] = True
    mask[12:15, 12:18] = True
    return mask


def test_parts_come_largest_first() -> None:
    first, second = largest_parts(_two_parts())
    assert first.sum() == 49 and second.sum() == 18
    assert most_interior(first) == (5, 5)


def test_parts_are_found_by_a_pixel_of_theirs() -> None:
    mask = _two_parts()
    assert parts_at(mask, [(13, 17)]).sum() == 18
    assert parts_at(mask, [(13, 17), (2, 2)]).sum() == 67
    assert not parts_at(mask, [(0, 0), (40, -3)]).any()

"""The separate parts of a mask."""

from __future__ import annotations

import numpy as np
from fakes import disc

from napari_medsam2.geometry.parts import largest_parts, most_interior, parts_at, thing_at


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


def test_a_thing_is_cut_off_from_what_it_has_grown_together_with() -> None:
    left, right = disc((40, 60), 20, 18, 10), disc((40, 60), 20, 36, 10)
    right[0:2, 58:60] = True
    both = left | right
    thing = thing_at(both, (20, 37))
    assert thing is not None and (thing & left).sum() < 0.05 * left.sum() and (thing & right).sum() > 0.9 * 314
    assert not thing[0, 59], "not another part"
    np.testing.assert_array_equal(thing_at(left, (21, 17)), left)
    assert thing_at(both, (20, 10)) is None, "near its border"
    assert thing_at(both, (5, 5)) is None and thing_at(both, (-1, 70)) is None


def test_parts_that_touch_at_a_corner_are_one() -> None:
    assert len(largest_parts(np.eye(4, dtype=bool))) == 1
    assert len(largest_parts(np.eye(4, dtype=bool), corners=False)) == 4

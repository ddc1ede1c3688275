"""Touching things are told apart, whole ones are left whole."""

from __future__ import annotations

import numpy as np
import pytest
from fakes import disc

from napari_medsam2.geometry.instances import told_apart, usual_radius

SHAPE = (64, 96)
CENTRES = [(20, 16), (20, 31), (33, 24), (44, 70)]
#: Three discs that touch, and one that does not.
DISCS = np.logical_or.reduce([disc(SHAPE, y, x, 8) for y, x in CENTRES])


def test_touching_discs_get_a_number_each_and_every_pixel_belongs_to_one():
    found = told_apart(DISCS, usual_radius([DISCS]))
    assert sorted({int(found[y, x]) for y, x in CENTRES}) == [1, 2, 3, 4] == sorted(np.unique(found[DISCS]).tolist())
    assert not found[~DISCS].any()
    areas = np.bincount(found.ravel())[1:]
    assert areas.max() < 1.2 * areas.min(), "each is cut at its neck"


def test_the_usual_radius_is_that_of_one_thing_and_specks_are_none():
    with_specks = DISCS.copy()
    with_specks[2, 2] = with_specks[60, 5] = True
    assert usual_radius([with_specks]) == pytest.approx(8, abs=1.5)
    assert len(np.unique(told_apart(with_specks, 8))) == 5
    assert usual_radius([np.zeros(SHAPE, bool)]) == 0


def test_one_long_thing_stays_whole_unless_a_smaller_radius_is_asked_for():
    bean = np.zeros(SHAPE, bool)
    bean[20:36, 10:40] = True
    assert told_apart(bean, usual_radius([bean])).max() <= 2
    assert told_apart(disc(SHAPE, 30, 30, 12), 12).max() == 1
    assert told_apart(DISCS, 40).max() < 4, "what is far smaller than the radius is not cut"


def test_an_empty_mask_has_nothing_and_a_tiny_one_is_one_thing():
    assert not told_apart(np.zeros(SHAPE, bool), 5).any()
    tiny = np.zeros(SHAPE, bool)
    tiny[3:5, 3:5] = True
    assert told_apart(tiny, 10).max() == 1

"""Bindings of Qt: what one of them gets wrong does not end the program."""

from __future__ import annotations

import sys

from qtpy.QtCore import QObject, Signal

from napari_medsam2._gui.binding import hold_constants


class Bell(QObject):
    rings = Signal()


def test_a_hundred_thousand_signals_leave_true_alone(qapp):
    hold_constants()
    bell = Bell()
    for _ in range(100_000):
        bell.rings.emit()
    assert sys.getrefcount(True) > 1000


def test_it_is_done_once(qapp):
    hold_constants()
    before = sys.getrefcount(None)
    hold_constants()
    assert abs(sys.getrefcount(None) - before) < 1000

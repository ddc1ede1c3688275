"""The sentences of the dock."""

from __future__ import annotations

import pytest

from napari_medsam2._gui.dock_state import Column, DockState, worst_frame
from napari_medsam2._gui.words import next_step, time_left


def test_the_next_step_is_always_said():
    prompted = DockState(image="scan", columns=(Column(prompted=True), Column()), has_prompts=True)
    assert "Shift+S for all 2 slices" in next_step(prompted)
    seen = DockState(image="scan", columns=(Column(0.9, prompted=True), Column()), has_prompts=True)
    assert "Shift+S finds it on all 2 slices" in next_step(seen)
    second = DockState(image="scan", columns=(Column(), Column()), has_prompts=True, current=2, tool="box")
    assert next_step(second) == "Drag a box tightly around one object on any slice, then press Shift+S."
    done = DockState(image="scan", columns=(Column(0.3), Column(0.9)), has_prompts=True)
    assert "Go to the worst slice" in next_step(done)
    sure = DockState(image="scan", columns=(Column(0.8), Column(0.9)), has_prompts=True)
    assert "Scroll to check" in next_step(sure)
    assert next_step(DockState(image="scan", columns=(Column(),))) == "Press Box (B) and drag a box around one object."


def test_the_worst_frame_has_the_object_and_no_prompt():
    assert worst_frame((Column(0.1, prompted=True), Column(0.2, absent=True), Column(0.6), Column(0.9))) == 2
    assert worst_frame((Column(), Column())) is None


@pytest.mark.parametrize(("seconds", "words"), [(None, ""), (0.2, "less than 1 s left"), (45, "45 s left")])
def test_time_left_is_said_as_people_say_it(seconds, words):
    assert time_left(seconds) == words

"""The sentences of the dock."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from napari_medsam2._gui.dock_state import Column, DockState, DownloadStatus, ModelPhase, worst_frame
from napari_medsam2._gui.guide import LONGEST, next_step
from napari_medsam2._gui.words import loading_words, model_line, time_left
from napari_medsam2.engine.events import RunState, RunStatus

PROMPTED = Column(0.9, prompted=True)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (DockState(), "Open an image"),
        (DockState(image="scan", columns=(Column(), Column())), "Press Box (B), and drag a box around it"),
        (DockState(image="scan", columns=(Column(),)), "Press Box (B) and drag a box around one object."),
        (DockState(image="scan", columns=(Column(), Column()), tool="box"), "Drag a box tightly around one object."),
        (DockState(image="scan", columns=(Column(prompted=True), Column()), has_prompts=True), "S for this slice only"),
        (DockState(image="scan", columns=(PROMPTED, Column()), has_prompts=True), "press Find on all 2 slices."),
        (DockState(image="scan", columns=(PROMPTED, Column(0.3)), done=2, has_prompts=True), "Go to worst slice"),
        (
            DockState(image="scan", columns=(PROMPTED, Column(0.3)), done=2, has_prompts=True, frame=1),
            "Wrong? Press Point",
        ),
        (DockState(image="scan", columns=(PROMPTED, Column(0.8)), done=2, has_prompts=True), "press Save labels..."),
        (DockState(image="scan", columns=(Column(),) * 2, tool="polygon", next_object=2), "Or press Save labels..."),
        (DockState(image="scan", columns=(PROMPTED, Column(0.8)), done=1, has_prompts=True), "once more"),
        (DockState(image="scan", columns=(PROMPTED, Column(0.8)), done=2, has_prompts=True, saved=Path("a")), "Saved"),
    ],
)
def test_one_thing_to_do_next_is_said(state, words):
    assert words in next_step(state) and len(next_step(state)) <= len(LONGEST)


def test_the_line_about_the_model_says_first_what_matters_of_it():
    state = DockState(image="scan", columns=(Column(), Column()), device="cpu")
    assert model_line(state) == "Micro on cpu, automatic contrast"
    assert model_line(replace(state, contrast_as_shown=True)) == "Micro on cpu, contrast as shown"
    assert model_line(replace(state, seconds_a_frame=12.0)) == "Micro on cpu, slow, about 12 s a slice"
    assert model_line(replace(state, download=DownloadStatus("Tiny"))) == "Tiny: asking the server..."
    loading = replace(state, model="/data/mine.pt", model_phase=ModelPhase.LOADING, status=RunStatus(RunState.LOADING))
    assert loading_words(loading) == "Loading mine.pt" and "/data" not in next_step(loading)


def test_the_second_object_is_pointed_out_like_the_first():
    second = DockState(image="scan", columns=(Column(), Column()), has_prompts=True, current=2, tool="point")
    assert next_step(second) == "Click on one object."


def test_the_worst_frame_has_the_object_and_no_prompt():
    assert worst_frame((Column(0.1, prompted=True), Column(0.2, absent=True), Column(0.6), Column(0.9))) == 2
    assert worst_frame((Column(), Column())) is None


@pytest.mark.parametrize(
    ("seconds", "words"), [(None, ""), (0.2, "less than 1 s left"), (44, "45 s left"), (200, "3 min left")]
)
def test_time_left_is_said_as_people_say_it(seconds, words):
    assert time_left(seconds) == words

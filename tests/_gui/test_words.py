"""The sentences of the dock."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from napari_medsam2._gui.dock_state import Column, DockState, DownloadStatus, ModelPhase
from napari_medsam2._gui.guide import LONGEST, next_step
from napari_medsam2._gui.words import cost_words, loading_words, model_line, review_summary, time_left
from napari_medsam2.engine.events import RunState, RunStatus
from napari_medsam2.session.cost import CostSummary

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
        (DockState(image="scan", columns=(PROMPTED, Column(0.3)), done=2, has_prompts=True), "Press Next to check (K)"),
        (
            DockState(image="scan", columns=(PROMPTED, Column(0.3)), done=2, has_prompts=True, frame=1),
            "Press Accept (A)",
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
    learned = replace(state, model="/state/learned/2026-11-30-193316/weights.safetensors")
    assert model_line(learned) == "Micro, learned 2026-11-30 19:33 on cpu, automatic contrast"


def test_the_second_object_is_pointed_out_like_the_first():
    second = DockState(image="scan", columns=(Column(), Column()), has_prompts=True, current=2, tool="point")
    assert next_step(second) == "Click on one object."


def test_what_was_checked_and_what_it_took_is_said_once_there_is_something():
    state = DockState(image="scan", columns=(Column(),) * 30)
    assert cost_words(state) == ""
    assert cost_words(replace(state, cost=CostSummary(prompted=1, clicks=1, seconds=4.2))) == ""
    one = replace(state, cost=CostSummary(accepted=1, prompted=1, clicks=1, seconds=4.2), has_results=True)
    assert review_summary(one) == "2 of 30 checked (1 accepted, 1 prompted), 1 click, 4 s; not saved yet"
    more = replace(state, cost=CostSummary(9, 2, 1, 14, 150.0))
    assert cost_words(more) == "12 of 30 checked (9 accepted, 2 corrected, 1 prompted), 14 clicks, 2.5 min"


@pytest.mark.parametrize(
    ("seconds", "words"), [(None, ""), (0.2, "less than 1 s left"), (44, "45 s left"), (200, "3 min left")]
)
def test_time_left_is_said_as_people_say_it(seconds, words):
    assert time_left(seconds) == words

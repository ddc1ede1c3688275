"""Edits of whole objects on the worker thread: what they tell, and that they wait for a frame boundary."""

from __future__ import annotations

from desk import CLICK

from napari_medsam2.engine.events import Failed, ModelLoaded, ObjectsCalled, Restored, ResultReady, SequenceOpened
from napari_medsam2.engine.requests import RequestKind
from napari_medsam2.images.opened import LabelledObject
from napari_medsam2.prompts import PointPrompt

SECOND = PointPrompt(0, 32, 21.3, object_id=2)


def test_edits_of_objects_tell_what_there_is_and_which_change_an_undo_took_back(desk):
    desk.open(let=100)
    for prompt in (CLICK, SECOND):
        desk.engine.add_prompt(prompt)
    desk.engine.call(2, LabelledObject("cell", "#00ff00"))
    assert desk.wait_for(ObjectsCalled).called == {2: LabelledObject("cell", "#00ff00")}
    desk.engine.preview(0, 1)
    desk.engine.preview(0, 2)
    desk.engine.merge(1, [2])
    merged = desk.wait_for(Restored)
    assert merged.kind is RequestKind.MERGE and list(merged.results) == [(0, 1)]
    assert merged.called == {1: LabelledObject("cell")}
    desk.engine.undo()
    undone = desk.wait_for(Restored)
    assert undone.change == merged.change and set(undone.results) == {(0, 1), (0, 2)}
    desk.engine.split(1, 0)
    assert "in one piece" in desk.wait_for(Failed).message
    desk.engine.reset(2)
    assert not desk.wait_for(Restored).called


def test_an_object_that_is_removed_during_a_run_is_gone_at_the_next_frame(desk):
    desk.open(let=0)
    for prompt in (CLICK, SECOND):
        desk.engine.add_prompt(prompt)
    desk.engine.propagate()
    desk.engine.reset(2)
    desk.let(100)
    assert {number for _, number in desk.wait_for(Restored).results} <= {1}
    desk.frames_until_finished()
    assert {number for _, number in desk.engine.session.results} == {1}


def test_after_an_undo_nothing_is_said_of_the_run_that_was_undone(desk):
    desk.open(let=100)
    desk.engine.add_prompt(CLICK)
    desk.engine.propagate()
    desk.frames_until_finished()
    assert desk.engine.status.total == 8
    desk.engine.undo()
    desk.wait_for(Restored)
    status = desk.engine.status
    assert (status.done, status.total, status.finish_reason) == (0, 0, None)


def test_names_stay_when_the_model_is_changed(desk):
    desk.open(let=100)
    desk.engine.add_prompt(CLICK)
    desk.engine.call(1, LabelledObject("cell"))
    desk.engine.load_model("other", device="cpu")
    desk.wait_for(ModelLoaded)
    desk.wait_for(SequenceOpened)
    assert desk.engine.session.called == {1: LabelledObject("cell")}
    desk.engine.preview(0, 1)
    assert desk.wait_for(ResultReady).result.object_id == 1

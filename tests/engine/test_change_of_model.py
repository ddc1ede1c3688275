"""Another model takes over what there is: prompts, erased frames and results."""

from __future__ import annotations

import numpy as np
from desk import CLICK, MASKS

from napari_medsam2.engine.events import (
    FinishReason,
    Restored,
    SequenceOpened,
)
from napari_medsam2.prompts import MaskPrompt, PointPrompt


def test_a_change_of_model_keeps_the_prompts(desk):
    desk.open()
    desk.engine.load_model("other blobs")
    assert desk.wait_for(SequenceOpened).n_frames == 8
    assert desk.engine.session.prompts == (CLICK,)
    assert desk.loaded == ["blobs", "other blobs"]


def test_a_change_of_model_keeps_the_results_until_they_are_found_again(desk):
    desk.open()
    desk.engine.propagate()
    desk.frames_until_finished()
    before = dict(desk.engine.session.results)
    desk.engine.load_model("other blobs")
    desk.wait_for(SequenceOpened)
    session = desk.engine.session
    assert dict(session.results) == before and not len(session.memory()) and not session.undo()
    desk.engine.propagate()
    assert desk.frames_until_finished() == (list(range(8)), FinishReason.DONE)
    assert all(session.results[key] is not before[key] for key in before)
    desk.engine.undo()
    assert dict(desk.wait_for(Restored).results) == before


def test_a_change_of_model_keeps_erased_frames(desk):
    desk.open()
    desk.engine.add_prompt(MaskPrompt(1, np.zeros_like(MASKS[1])))
    desk.engine.replace_prompts(1, 0, ())
    desk.engine.undo()
    desk.wait_for(Restored)
    before = desk.engine.session.prompts
    desk.engine.add_prompt(PointPrompt(3, *np.argwhere(MASKS[3]).mean(axis=0)))
    desk.engine.replace_prompts(1, 0, ())
    desk.engine.load_model("other blobs")
    desk.wait_for(SequenceOpened)
    assert len(before) == 2 and [prompt.frame for prompt in desk.engine.session.prompts] == [1, 3]

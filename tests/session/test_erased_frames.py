"""Empty masks: the object is not on this frame."""

from __future__ import annotations

import numpy as np
import pytest
from fakes import PLAIN, blob_model, moving_disc, stack_session, state

from napari_medsam2.errors import PromptError
from napari_medsam2.prompts import MaskPrompt, PointPrompt
from napari_medsam2.session.session import Session


def nothing(frame, **options):
    return MaskPrompt(frame, np.zeros((64, 64), bool), **options)


def test_an_empty_mask_beside_another_prompt_says_that_the_object_is_not_on_its_frame():
    session, _ = stack_session()
    session.add(PointPrompt(2, 32, 23))
    list(session.propagate())
    session.add(nothing(5))
    again = {result.frame for result in session.propagate()}
    erased = session.result(5)
    assert 5 in again and erased.absent and erased.prompted
    assert (erased.confidence, erased.objectness) == (1.0, 0.0)
    assert all(session.result(t).area for t in (0, 1, 2, 3, 4, 6, 7))
    assert 5 not in session.memory()
    assert session.undo() and session.undo()
    assert session.result(5).area


def test_an_erased_frame_is_no_source_and_two_in_a_row_end_the_object():
    session, _ = stack_session()
    session.add(PointPrompt(2, 32, 23))
    session.add(nothing(4))
    session.add(nothing(5))
    run = list(session.propagate())
    assert sorted(result.frame for result in run) == list(range(8))
    assert [t for t in range(8) if session.result(t).area] == [0, 1, 2, 3]


def test_an_empty_mask_without_another_prompt_is_refused_and_changes_nothing():
    session, masks = stack_session()
    for given in ((), (PointPrompt(5, 32, 26),), (PointPrompt(3, 5, 5, positive=False),)):
        for prompt in given:
            session.add(prompt)
        before = state(session)
        with pytest.raises(PromptError, match="mask on frame 5 is empty, and object 1 has no prompt on another frame"):
            session.add(nothing(5))
        assert state(session) == before
    session.add(MaskPrompt(5, masks[5]))  # beside a drawn mask it is no more than a part of the drawing
    session.add(nothing(5))
    assert session.segment(5).area == masks[5].sum()


def test_erased_frames_go_with_the_last_prompt_that_says_where_the_object_is():
    session, _ = stack_session()
    seed = PointPrompt(2, 32, 23)
    session.add(seed)
    session.add(nothing(5))
    list(session.propagate())
    session.remove(seed)
    assert session.prompts == () and not session.results
    assert session.undo()
    assert len(session.prompts) == 2 and session.result(5).absent


def test_erasing_works_in_a_flow_and_beside_a_region():
    for session in (
        stack_session(region=True)[0],
        Session(blob_model(), moving_disc()[0], mode="flow", contrast=PLAIN),
    ):
        session.add(PointPrompt(2, 32, 23))
        session.add(nothing(0))
        list(session.propagate())
        assert session.result(0).absent and session.result(7).area

"""What the user says is right: a template, final on its frame, and nothing is done again for it."""

from __future__ import annotations

import numpy as np
import pytest
from fakes import PLAIN, blob_model, click, moving_disc, stack_session
from two_discs import LEFT, RIGHT, one_object, two_objects, whole

from napari_medsam2.errors import PromptError
from napari_medsam2.prompts import MaskPrompt, PointPrompt
from napari_medsam2.session.session import Session


def test_accepting_changes_no_pixel_and_leaves_nothing_to_be_done():
    session, masks = stack_session(8)
    session.add(click(2, masks))
    list(session.propagate())
    before = {t: session.labels(t) for t in range(8)}
    assert session.accept(5) == (1,)
    assert session.accept(5) == (), "it is accepted already"
    assert all(np.array_equal(session.labels(t), before[t]) for t in range(8))
    assert session.plan() == 0 and session.n_up_to_date == 8
    found = session.result(5)
    assert found.drawn and found.prompted and found.confidence == 1
    (prompt,) = [p for p in session.prompts if p.frame == 5]
    assert isinstance(prompt, MaskPrompt) and prompt.accepted and np.array_equal(prompt.mask, before[5] == 1)


def test_an_accepted_frame_is_a_template_of_the_next_run_which_does_not_write_over_it():
    frames, masks = moving_disc(8)
    frames[5] = np.where(masks[5], 120, 25)  # darker, so that another answer would come with another prompt
    session = Session(blob_model(), frames, contrast=PLAIN)
    session.add(click(2, masks))
    list(session.propagate())
    session.accept(5)
    accepted = session.result(5).mask
    session.add(click(1, masks))
    list(session.propagate(anew=True))
    assert np.array_equal(session.result(5).mask, accepted)
    assert {e.frame for e in session.memory().entries if e.pinned} == {1, 2, 5}


def test_in_a_flow_the_run_in_progress_goes_on_with_the_new_template():
    frames, masks = moving_disc(8)
    session = Session(blob_model(), frames, mode="flow", contrast=PLAIN)
    session.add(click(0, masks))
    run = session.propagate()
    done = [next(run).frame for _ in range(3)]
    session.accept(done[-1])
    left = [result.frame for result in run]
    assert left == [done[-1], 3, 4, 5, 6, 7], "it is remembered first, and nothing that was found is found again"
    assert {e.frame for e in session.memory().entries if e.pinned} == {0, done[-1]}


def test_accepting_is_one_change_that_undo_takes_back():
    session = two_objects()
    before = whole(session)
    assert session.accept(3) == (1, 2)
    after = whole(session)
    assert session.undo() and whole(session) == before
    assert session.redo() and whole(session)[1].keys() == after[1].keys()
    assert [p.accepted for p in session.prompts if p.frame == 3] == [True, True]


def test_what_is_accepted_is_what_is_shown_where_objects_overlap():
    session = one_object()
    session.add(PointPrompt(1, 30, 46, object_id=2))  # the right disc, which the first object has, too
    list(session.propagate())
    shown = session.labels(3)
    session.accept(3)
    assert np.array_equal(session.labels(3), shown)
    areas = {n: session.result(3, n).area for n in (1, 2)}
    assert areas == {1: np.count_nonzero(shown == 1), 2: np.count_nonzero(shown == 2)}
    assert sum(areas.values()) <= np.count_nonzero(LEFT | RIGHT)


def test_that_an_object_is_not_there_can_be_accepted_and_a_run_finds_nothing_there_then():
    session, masks = stack_session(8, ends_after=5)
    session.add(click(2, masks))
    list(session.propagate())
    assert session.result(6).absent
    session.accept(6)
    (prompt,) = [p for p in session.prompts if p.frame == 6]
    assert prompt.accepted and not prompt.mask.any()
    list(session.propagate(anew=True))
    assert session.result(6).absent and session.plan() == 0


def test_a_click_on_an_accepted_frame_corrects_it_and_a_drawn_mask_needs_no_accepting():
    session, masks = stack_session(8)
    session.add(click(2, masks))
    list(session.propagate())
    session.add(MaskPrompt(4, masks[4]))
    list(session.propagate())
    assert session.accept(4) == (), "it is final, and it was the user's from the start"
    session.accept(5)
    session.replace_prompts(1, 5, [click(5, masks)])
    assert not any(p.accepted for p in session.prompts if isinstance(p, MaskPrompt))
    assert not session.result(5).drawn or session.plan()


def test_only_what_was_looked_for_can_be_accepted():
    session, masks = stack_session(4)
    session.add(click(1, masks))
    with pytest.raises(PromptError, match="nothing was found on frame 3 yet"):
        session.accept(3)
    with pytest.raises(PromptError, match="no frame 9: frames are 0 to 3"):
        session.accept(9)
    assert session.undo() and not session.undo(), "the click is all that was done"

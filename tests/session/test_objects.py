"""Objects as things of their own: names, merging, removing, each taken back by one undo."""

from __future__ import annotations

import numpy as np
import pytest
from fakes import box, click, stack_session
from two_discs import LEFT, RIGHT, SHAPE, two_discs, two_objects, whole

from napari_medsam2.errors import PromptError
from napari_medsam2.images.opened import LabelledObject
from napari_medsam2.prompts import MaskPrompt, PointPrompt

# ---- names and colours -----------------------------------------------------------------------------------------------


def test_an_object_is_called_something_before_it_has_a_prompt_and_one_undo_takes_that_back():
    session, _ = stack_session(2)
    session.call(3, LabelledObject("  Zellkern   \n1 ", "#FFB000"))
    assert session.called == {3: LabelledObject("Zellkern 1", "#ffb000")} and session.objects == ()
    session.call(3, LabelledObject("细胞核 ядро نواة", "#ffb000"))
    session.call(4, LabelledObject("细胞核 ядро نواة"))
    assert [known.name for known in session.called.values()] == ["细胞核 ядро نواة"] * 2
    session.undo()
    session.undo()
    assert session.called == {3: LabelledObject("Zellkern 1", "#ffb000")}
    session.redo()
    assert session.called[3].name == "细胞核 ядро نواة"
    session.call(3, LabelledObject())
    assert session.called == {}


@pytest.mark.parametrize(
    ("number", "called", "words"),
    [
        (1, LabelledObject("x" * 101), "a name may have 100 letters at most; got 101"),
        (1, LabelledObject("", "red"), "#rrggbb, such as #ffb000; got 'red'"),
        (1, LabelledObject("", "#ffb00"), "#rrggbb"),
        (0, LabelledObject("nothing"), "must be 1 or more"),
        (True, LabelledObject("nothing"), "must be 1 or more"),
    ],
)
def test_what_is_no_name_is_refused_in_words(number, called, words):
    session, _ = stack_session(2)
    with pytest.raises(PromptError, match=words):
        session.call(number, called)
    assert session.called == {} and not session.undo()


# ---- removing --------------------------------------------------------------------------------------------------------


def test_an_object_is_removed_with_its_name_and_comes_back_with_one_undo():
    session = two_objects()
    session.call(2, LabelledObject("right"))
    before = whole(session)
    session.reset(2)
    assert session.objects == (1,) and not session.called and {number for _, number in session.results} == {1}
    session.undo()
    assert whole(session) == before


def test_an_object_that_is_removed_during_a_run_is_not_looked_for_any_more():
    session = two_discs()
    session.add(PointPrompt(1, 30, 16, object_id=1))
    session.add(PointPrompt(1, 30, 46, object_id=2))
    run = session.propagate()
    for _ in range(5):
        next(run)
    session.reset(2)
    assert {result.object_id for result in run} == {1}
    assert sorted(session.results) == [(t, 1) for t in range(5)]


# ---- merging ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["stack", "flow"])
def test_merged_objects_are_one_on_all_frames_and_nothing_is_segmented_again(mode):
    session = two_objects(mode)
    session.call(2, LabelledObject("both", "#112233"))
    before = whole(session)
    session.merge(1, [2])
    assert session.objects == (1,) and session.called == {1: LabelledObject("both")}
    assert sorted(session.results) == [(t, 1) for t in range(5)]
    for result in session.results.values():
        np.testing.assert_array_equal(result.mask, LEFT | RIGHT)
    again = {result.frame for result in session.propagate()}
    assert again == {1}, "to be remembered as it is"
    for result in session.results.values():
        np.testing.assert_array_equal(result.mask, LEFT | RIGHT)
    session.undo()
    session.undo()
    assert whole(session) == before
    session.redo()
    assert session.objects == (1,)


def test_prompts_of_merged_objects_agree_and_a_click_on_their_frame_asks_anew():
    session = two_objects()
    session.add(PointPrompt(1, 30, 46, positive=False, object_id=1))
    session.add(PointPrompt(1, 5, 5, positive=False, object_id=2))
    list(session.propagate())
    session.merge(1, [2])
    given = session.prompts
    assert [type(prompt) for prompt in given] == [PointPrompt] * 3 + [MaskPrompt]
    assert [prompt.positive for prompt in given[:3]] == [True, True, False], "less the one on what it is now"
    session.replace_prompts(1, 1, given[:2])
    np.testing.assert_array_equal(session.segment(1).mask, LEFT | RIGHT)


def test_objects_of_different_frames_are_merged_and_the_next_run_looks_for_both_where_one_was_not():
    session = two_discs()
    session.add(PointPrompt(0, 30, 16, object_id=1))
    list(session.propagate(objects=[1]))
    session.add(PointPrompt(4, 30, 46, object_id=2))
    session.segment(4, 2)
    session.merge(1, [2])
    assert {prompt.frame for prompt in session.prompts} == {0, 4}
    np.testing.assert_array_equal(session.result(4).mask, LEFT | RIGHT)
    np.testing.assert_array_equal(session.result(2).mask, LEFT)
    list(session.propagate())
    assert session.result(4).drawn and session.result(2).mask[30, 16]


def test_objects_without_an_answer_are_merged_by_their_prompts_alone():
    session = two_discs()
    session.add(PointPrompt(1, 30, 16, object_id=4))
    session.add(PointPrompt(1, 30, 46, object_id=7))
    session.merge(7, [4])
    assert session.objects == (7,) and len(session.prompts) == 2
    np.testing.assert_array_equal(session.segment(1, 7).mask, LEFT | RIGHT)


def test_what_was_erased_of_one_object_is_there_if_the_other_is():
    session = two_objects()
    session.add(MaskPrompt(3, np.zeros(SHAPE, bool), 2))
    list(session.propagate())
    session.merge(2, [1])
    np.testing.assert_array_equal(session.result(3, 2).mask, LEFT)
    assert session.result(3, 2).drawn


@pytest.mark.parametrize(
    ("into", "others", "words"),
    [(1, [], "choose two objects"), (1, [1], "choose two objects"), (1, [9], "no object 9"), (9, [1], "no object 9")],
)
def test_what_cannot_be_merged_is_refused_and_nothing_changes(into, others, words):
    session = two_objects()
    before = whole(session)
    with pytest.raises(PromptError, match=words):
        session.merge(into, others)
    assert whole(session) == before


def test_a_prompt_that_was_not_answered_is_not_lost_in_a_merge():
    session = two_objects()
    session.add(PointPrompt(3, 30, 46, object_id=3))
    before = whole(session)
    with pytest.raises(PromptError, match="object 3 has a prompt on frame 3 that was not answered yet"):
        session.merge(1, [2, 3])
    assert whole(session) == before
    session.segment(3, 3)
    session.merge(1, [2, 3])
    assert session.objects == (1,)


def test_objects_are_merged_during_a_run_and_it_goes_on_with_the_one():
    session = two_discs(8)
    session.add(PointPrompt(0, 30, 16, object_id=1))
    session.add(PointPrompt(0, 30, 46, object_id=2))
    run = session.propagate()
    for _ in range(6):
        next(run)
    session.merge(2, [1])
    assert {result.object_id for result in run} == {2}
    assert sorted(session.results) == [(t, 2) for t in range(8)]
    for result in session.results.values():
        np.testing.assert_array_equal(result.mask, LEFT | RIGHT)


def test_merged_objects_follow_on_from_where_they_are():
    session, masks = stack_session(8)
    session.add(box(0, masks, 1))
    session.add(click(4, masks, object_id=2))
    list(session.propagate(objects=[1], stop=4))
    list(session.propagate(objects=[2], start=4))
    session.merge(1, [2])
    list(session.propagate())
    for t in range(8):
        np.testing.assert_array_equal(session.result(t).mask, masks[t])

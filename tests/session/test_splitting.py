"""The separate parts of an object become objects: on one frame, in a volume, during a run."""

from __future__ import annotations

import numpy as np
import pytest
from fakes import PLAIN, blob_model
from two_discs import LEFT, RIGHT, SHAPE, one_object, two_discs, whole

from napari_medsam2.errors import PromptError
from napari_medsam2.prompts import BoxPrompt, MaskPrompt
from napari_medsam2.session.session import Session


def test_parts_on_one_frame_become_objects_and_the_next_run_carries_each_of_them():
    session = one_object()
    before = whole(session)
    assert session.split(1, 1) == (2,)
    np.testing.assert_array_equal(session.result(1, 1).mask, LEFT)
    np.testing.assert_array_equal(session.result(1, 2).mask, RIGHT)
    list(session.propagate())
    for t in range(5):
        np.testing.assert_array_equal(session.result(t, 1).mask, LEFT)
        np.testing.assert_array_equal(session.result(t, 2).mask, RIGHT)
    session.undo()
    session.undo()
    assert whole(session) == before


def test_a_volume_is_split_on_all_frames_and_nothing_is_segmented_again():
    session = one_object()
    before = whole(session)
    assert session.split(1, first=7) == (7,)
    for t in range(5):
        np.testing.assert_array_equal(session.result(t, 1).mask, LEFT)
        np.testing.assert_array_equal(session.result(t, 7).mask, RIGHT)
    assert {(r.frame, r.object_id) for r in session.propagate()} == {(1, 1), (1, 7)}, "to be remembered as they are"
    session.undo()
    session.undo()
    assert whole(session) == before


def test_parts_that_are_joined_on_another_frame_are_one_in_the_volume():
    frames = np.where(LEFT | RIGHT, 204, 25).astype(np.uint8)[None].repeat(3, axis=0)
    frames[2, 28:32, 16:46] = 204
    session = Session(blob_model(), frames, mode="stack", contrast=PLAIN)
    session.add(BoxPrompt(0, 5, 5, 60, 60))
    list(session.propagate())
    with pytest.raises(PromptError, match="object 1 is in one piece on all frames"):
        session.split(1)
    assert session.split(1, 0) == (2,)


def test_a_part_that_is_on_few_frames_gets_a_prompt_where_it_is_largest_and_is_absent_elsewhere():
    frames = np.where(LEFT, 204, 25).astype(np.uint8)[None].repeat(5, axis=0)
    session = Session(blob_model(), frames, mode="stack", contrast=PLAIN)
    session.add(BoxPrompt(0, 5, 5, 60, 60))
    list(session.propagate())
    session.replace_prompts(1, 4, [MaskPrompt(4, LEFT | RIGHT)])
    list(session.propagate())
    session.split(1)
    assert [(prompt.frame, prompt.object_id) for prompt in session.prompts] == [(0, 1), (4, 1), (4, 2)]
    assert session.result(0, 2).absent and not session.result(4, 2).absent
    assert isinstance(session.prompts[0], BoxPrompt), "what was not cut is as it was"
    session.reset(1)
    assert session.objects == (2,)


def test_specks_stay_with_their_object_and_one_pixel_is_in_one_piece():
    session = two_discs(1)
    speck = np.zeros(SHAPE, bool)
    speck[60, 60] = True
    session.add(MaskPrompt(0, LEFT | RIGHT | speck))
    session.segment(0)
    assert session.split(1, 0) == (2,)
    np.testing.assert_array_equal(session.result(0, 1).mask, LEFT | speck)
    session.add(MaskPrompt(0, speck, 5))
    session.segment(0, 5)
    with pytest.raises(PromptError, match="object 5 is in one piece on frame 0"):
        session.split(5, 0)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda session: session.split(9), "there is no object 9 to split"),
        (lambda session: session.split(1, 4), "nothing was found of object 1 on frame 4"),
        (lambda session: session.split(1, 1, largest=1), "the labels hold numbers up to 1 only"),
    ],
)
def test_what_cannot_be_split_is_refused_and_nothing_changes(call, words):
    session = two_discs()
    session.add(BoxPrompt(1, 5, 5, 60, 60))
    session.segment(1)
    before = whole(session)
    with pytest.raises(PromptError, match=words):
        call(session)
    assert whole(session) == before


def test_images_without_an_order_are_split_one_at_a_time():
    session = one_object("flow")
    with pytest.raises(PromptError, match="no volume"):
        session.split(1)
    session.split(1, 1)
    assert session.objects == (1, 2)


def test_an_object_of_too_many_parts_is_not_split():
    session = two_discs(1)
    many = np.zeros(SHAPE, bool)
    many[::2, ::2] = True
    session.add(MaskPrompt(0, many))
    session.segment(0)
    with pytest.raises(PromptError, match="1024 separate parts on frame 0, and 500"):
        session.split(1, 0)


def test_an_object_is_split_during_a_run_and_the_run_carries_the_parts():
    session = two_discs(6)
    session.add(BoxPrompt(0, 5, 5, 60, 60))
    run = session.propagate()
    for _ in range(3):
        next(run)
    session.split(1, 0)
    list(run)
    for t in range(6):
        np.testing.assert_array_equal(session.result(t, 1).mask, LEFT)
        np.testing.assert_array_equal(session.result(t, 2).mask, RIGHT)


def test_what_was_split_can_be_merged_again():
    session = one_object()
    session.split(1)
    session.merge(1, [2])
    assert session.objects == (1,)
    for t in range(5):
        np.testing.assert_array_equal(session.result(t, 1).mask, LEFT | RIGHT)

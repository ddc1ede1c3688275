"""Undo and redo of prompts, results and memory, before, after and during a run."""

from __future__ import annotations

import pytest
from fakes import box, click, stack_session, state

from napari_medsam2.prompts import BoxPrompt, MaskPrompt


def test_undo_and_redo_restore_prompts_results_and_memory():
    session, masks = stack_session()
    states = [state(session)]
    session.add(click(2, masks))
    session.segment(2)
    states.append(state(session))
    list(session.propagate())
    states.append(state(session))
    session.replace_prompts(1, 4, [box(4, masks)])
    session.segment(4)
    states.append(state(session))
    session.reset()
    states.append(state(session))
    for expected in reversed(states[:-1]):
        assert session.undo()
        assert state(session) == expected
    assert not session.undo()
    for expected in states[1:]:
        assert session.redo()
        assert state(session) == expected
    assert not session.redo()
    session.undo()
    session.add(click(6, masks))
    assert not session.redo(), "a new change ends what can be redone"


def test_undo_of_a_prompt_during_a_run_goes_on_as_if_it_had_not_been():
    session, masks = stack_session()
    session.add(click(0, masks))
    run = session.propagate()
    for _ in range(4):
        next(run)
    session.add(MaskPrompt(2, masks[2]))
    assert next(run).frame == 2
    session.undo()
    assert [r.frame for r in run] == [4, 5, 6, 7]
    assert session.objects == (1,) and len(session.prompts) == 1


def test_undo_of_the_run_itself_ends_it():
    session, masks = stack_session()
    session.add(click(0, masks))
    run = session.propagate()
    for _ in range(4):
        next(run)
    session.undo()
    assert list(run) == []
    assert session.results == {} and len(session.prompts) == 1


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda session, masks: session.add(click(4, masks)), []),
        (lambda session, masks: session.segment(3), [0, 3]),
        (lambda session, masks: session.redo(), [0, 1, 2, 3, 4, 5, 6, 7]),
    ],
)
def test_a_run_that_was_undone_does_not_go_on_when_something_else_is_done_meanwhile(change, found):
    session, masks = stack_session()
    session.add(click(0, masks))
    run = session.propagate()
    next(run)
    session.undo()
    change(session, masks)
    list(run)
    assert sorted(frame for frame, _ in session.results) == found


def test_removing_the_last_prompt_leaves_nothing():
    session, masks = stack_session()
    prompt = box(1, masks)
    session.add(prompt)
    list(session.propagate())
    session.remove(BoxPrompt(1, prompt.y0, prompt.x0, prompt.y1, prompt.x1))
    assert session.results == {} and session.prompts == () and len(session.memory()) == 0


def test_changes_that_belong_together_are_undone_as_one():
    session, masks = stack_session(3)
    session.add(click(0, masks, object_id=1))
    stroke = object()
    for number in (1, 2):
        session.replace_prompts(number, 1, [MaskPrompt(1, masks[1], number)], together=stroke)
        session.segment(1, number)
    session.replace_prompts(3, 1, [MaskPrompt(1, masks[1], 3)], together=object())
    for expected in ({(0, 1), (1, 1), (1, 2)}, {(0, 1)}, set()):
        assert session.undo()
        assert {(prompt.frame, prompt.object_id) for prompt in session.prompts} == expected
    assert session.redo() and session.redo() and len(session.prompts) == 3
    session.replace_prompts(3, 1, [MaskPrompt(1, masks[1], 3)], together=stroke)
    assert session.undo() and len(session.prompts) == 3, "after an undo it is another change"


def test_frames_that_ran_since_a_click_are_taken_back_before_it_once_the_run_is_over():
    session, masks = stack_session()
    session.add(click(0, masks))
    run = session.propagate()
    for _ in range(4):
        next(run)
    before = state(session)
    session.add(MaskPrompt(2, masks[2]))
    clicked = state(session)
    list(run)
    assert session.undo() and state(session) == clicked, "only what ran since"
    assert session.undo() and state(session) == before, "only the prompt"
    assert session.undo() and session.results == {} and len(session.prompts) == 1


def test_undo_of_a_prompt_while_a_run_goes_on_keeps_what_ran_since():
    session, masks = stack_session()
    session.add(click(0, masks))
    run = session.propagate()
    next(run)
    session.add(MaskPrompt(2, masks[2]))
    assert [next(run).frame for _ in range(4)] == [2, 1, 3, 4]
    session.undo()
    assert len(session.prompts) == 1
    assert sorted(frame for frame, _ in session.results) == [0, 1, 3, 4]
    assert {r.frame for r in run} == {1, 2, 3, 4, 5, 6, 7}, "and is done again without the prompt"
    session.undo()
    assert session.results == {}


def test_undo_of_another_objects_prompt_while_a_run_goes_on_does_nothing_again():
    session, masks = stack_session()
    session.add(click(0, masks))
    run = session.propagate()
    next(run)
    session.add(click(2, masks, object_id=2))
    done = [next(run) for _ in range(6)]
    session.undo()
    assert session.objects == (1,)
    frames = [0, *(result.frame for result in (*done, *run) if result.object_id == 1)]
    assert sorted(frames) == list(range(8)), "each once"


def test_what_was_undone_while_a_run_goes_on_can_be_redone():
    session, masks = stack_session()
    session.add(click(0, masks))
    run = session.propagate()
    next(run)
    session.add(MaskPrompt(2, masks[2]))
    next(run)
    session.undo()
    next(run)
    assert session.redo() and len(session.prompts) == 2
    assert {r.frame for r in run} == set(range(1, 8)) - {2}

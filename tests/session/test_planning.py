"""The order of a propagation: every frame once, away from the prompts."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from napari_medsam2.memory_bank import Fifo
from napari_medsam2.prompts import BoxPrompt, FramePrompts, PointPrompt
from napari_medsam2.results import FrameResult
from napari_medsam2.session.object_state import Kept, ObjectState
from napari_medsam2.session.planning import Step, affected_frames, flow_steps, interleave, stack_steps

PROMPTED = st.sets(st.integers(0, 29), min_size=1, max_size=6)


@given(PROMPTED, st.integers(0, 29), st.integers(1, 30))
def test_both_ways_reach_every_frame_once_from_the_nearest_prompt(prompted, start, length):
    stop = min(start + length, 30)
    steps = stack_steps(1, sorted(prompted), "both", start, stop)
    assert sorted(step.frame for step in steps) == [t for t in range(start, stop) if t not in prompted]
    for step in steps:
        assert abs(step.frame - step.source) == min(abs(step.frame - t) for t in prompted)
        assert step.reverse == (step.source > step.frame)


@given(PROMPTED)
def test_each_step_comes_after_those_between_it_and_its_prompt(prompted):
    seen = set(prompted)
    for step in stack_steps(1, sorted(prompted), "both", 0, 30):
        assert step.frame + (1 if step.reverse else -1) in seen
        seen.add(step.frame)


def test_one_direction_goes_on_to_the_next_prompt():
    assert [(s.frame, s.source) for s in stack_steps(1, [2, 5], "forward", 0, 8)] == [(3, 2), (4, 2), (6, 5), (7, 5)]
    assert [(s.frame, s.source) for s in stack_steps(1, [2, 5], "backward", 0, 8)] == [(1, 2), (0, 2), (4, 5), (3, 5)]


@given(PROMPTED, st.sets(st.integers(0, 29)), st.sampled_from(["both", "forward", "backward"]))
def test_corrections_are_carried_on_and_not_back(prompted, corrected, direction):
    corrected &= prompted
    steps = stack_steps(1, sorted(prompted), direction, 0, 30, corrected)
    plain = stack_steps(1, sorted(prompted), direction, 0, 30)
    assert sorted(s.frame for s in steps) == sorted(s.frame for s in plain), "every frame once, as without them"
    seen = set(prompted)
    for step in steps:
        assert step.frame + (1 if step.reverse else -1) in seen
        seen.add(step.frame)
    firm = prompted - corrected
    if direction == "both" and firm:
        for step in steps:
            if step.source in corrected:
                origin = min(firm, key=lambda t: (abs(t - step.source), t))
                assert step.reverse == (origin > step.source)


def test_between_a_prompt_and_a_correction_the_prompt_counts():
    def sources(prompted, corrected):
        return {s.frame: s.source for s in stack_steps(1, prompted, "both", 0, 9, corrected)}

    assert sources([1, 6], {6}) == {0: 1, 2: 1, 3: 1, 4: 1, 5: 1, 7: 6, 8: 6}
    assert sources([1, 4, 8], {4}) == {0: 1, 2: 1, 3: 1, 5: 4, 6: 4, 7: 8}
    assert sources([1, 4], {1, 4}) == sources([1, 4], ()), "nothing to prefer"


def test_a_correction_changes_what_lies_away_from_its_prompt():
    assert affected_frames("stack", [2, 8], 5, 12, {5}) == range(5, 8)
    assert affected_frames("stack", [2, 8], 7, 12, {7}) == range(3, 8)
    assert affected_frames("stack", [2, 5], 2, 12, {5}) == range(5)
    assert affected_frames("flow", [2, 8], 5, 12, {5}) == range(12)


@given(PROMPTED, st.integers(0, 29), st.sets(st.integers(0, 29)))
def test_a_new_prompt_changes_what_is_reached_from_elsewhere(prompted, frame, corrected):
    before_prompts = {t: FrameResult(t, 1, np.ones((2, 2), bool), 1.0, 1.0, 1.0, False, 0.0) for t in range(30)}
    known = ObjectState(1, Fifo(), correcting=before_prompts)
    for t in sorted(prompted - {frame}):
        red = PointPrompt(t, 1, 1, positive=t not in corrected)
        known.prompts[t] = FramePrompts.of(red if t in corrected else BoxPrompt(t, 0, 0, 1, 1))
    known.kept = {t: Kept(result, 1, 0, None, None) for t, result in before_prompts.items()}
    before = {s.frame: s.source for s in stack_steps(1, known.sources, "both", 0, 30, known.corrections)}
    known.set_prompts(FramePrompts.of(BoxPrompt(frame, 0, 0, 1, 1)), "stack", 30)
    after = {s.frame: s.source for s in stack_steps(1, known.sources, "both", 0, 30, known.corrections)}
    assert {t for t, source in after.items() if before.get(t) != source} <= known.stale


def test_a_flow_is_all_other_frames_in_order():
    assert [step.frame for step in flow_steps(1, [3], 1, 6)] == [1, 2, 4, 5]


def test_a_prompt_changes_what_lies_up_to_the_next_ones():
    assert affected_frames("stack", [2, 8], 5, 12) == range(3, 8)
    assert affected_frames("stack", [5], 5, 12) == range(12)
    assert affected_frames("flow", [2, 8], 5, 12) == range(12)


def test_objects_take_turns():
    a, b = [Step(1, 0), Step(1, 1)], [Step(2, 0)]
    assert interleave([a, b]) == [a[0], b[0], a[1]]
    assert interleave([]) == []

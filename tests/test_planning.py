"""The order of a propagation: every frame once, away from the prompts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from napari_medsam2.planning import Step, affected_frames, flow_steps, interleave, stack_steps

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

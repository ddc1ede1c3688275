"""Which frame is to be checked next, and why."""

from __future__ import annotations

from dataclasses import replace

from fakes import click, stack_session

from napari_medsam2.session.review import Doubt, Finding, suspects


def finding(frame: int, **values) -> Finding:
    """A sure one, of a middling size."""
    usual = {"object_id": 1, "confidence": 0.9, "objectness": 0.99, "area": 100, "on_border": False, "prompted": False}
    return Finding(frame, **{**usual, **values})


def row(n_frames: int = 9, prompted: int = 4) -> list[Finding]:
    return [finding(t, prompted=t == prompted) for t in range(n_frames)]


def first(findings, mode="stack"):
    """The frame that comes first, and why."""
    suspect = suspects(findings, mode)[0]
    return suspect.frame, suspect.doubts[0]


def test_an_object_that_is_lost_between_two_frames_comes_first_in_a_stack():
    findings = row()
    findings[6] = replace(findings[6], area=0, confidence=0.01, objectness=0.02)
    assert first(findings) == (6, Doubt.MISSING)


def test_that_an_object_has_ended_is_no_doubt_but_where_it_ends():
    findings = row()
    for t in (6, 7, 8):
        findings[t] = replace(findings[t], area=0, confidence=0.02, objectness=0.02)
    ranked = [suspect.frame for suspect in suspects(findings, "stack")]
    assert ranked[0] in (5, 6) and ranked.index(6) < ranked.index(7)
    assert ranked[-2:] == [7, 8]


def test_a_jump_in_size_low_confidence_and_the_border_are_told():
    findings = row()
    findings[5] = replace(findings[5], area=260)
    assert first(findings) == (5, Doubt.JUMP)
    findings = row()
    findings[2] = replace(findings[2], confidence=0.3)
    assert first(findings) == (2, Doubt.UNSURE)
    findings = [replace(f, on_border=f.frame == 3) for f in row()]
    doubts = {suspect.frame: suspect.doubts for suspect in suspects(findings, "stack")}
    assert Doubt.BORDER in doubts[3] and not any(Doubt.BORDER in told for t, told in doubts.items() if t != 3)
    beside = [replace(f, on_border=True) for f in row()]
    assert not any(Doubt.BORDER in suspect.doubts for suspect in suspects(beside, "stack")), "it is there on the prompt"


def test_far_from_the_prompt_comes_before_near_and_accepting_brings_the_far_nearer():
    findings = row()
    assert {suspect.frame for suspect in suspects(findings, "stack")[:2]} == {0, 8}
    findings[8] = replace(findings[8], prompted=True)
    ranked = [suspect.frame for suspect in suspects(findings, "stack")]
    assert ranked[0] == 0 and 8 not in ranked and ranked.index(7) > ranked.index(1)


def test_in_a_flow_what_was_not_found_comes_first_and_nothing_is_compared_with_its_neighbours():
    findings = row()
    findings[2] = replace(findings[2], area=0, confidence=0.03, objectness=0.05)
    findings[7] = replace(findings[7], confidence=0.4)
    ranked = suspects(findings, "flow")
    assert [suspect.frame for suspect in ranked[:2]] == [2, 7]
    assert ranked[2].score == ranked[-1].score, "those beside it are as good as all others"


def test_of_several_objects_the_one_in_doubt_counts_and_frames_with_a_prompt_of_each_are_none():
    both = [*row(), *[replace(f, object_id=2, confidence=0.2 if f.frame == 1 else 0.9) for f in row()]]
    ranked = suspects(both, "flow")
    assert (ranked[0].frame, ranked[0].object_id) == (1, 2)
    assert sorted(suspect.frame for suspect in ranked) == [0, 1, 2, 3, 5, 6, 7, 8]
    assert suspects([], "stack") == suspects([finding(0, prompted=True)], "flow") == []


def test_a_session_tells_what_is_to_be_checked():
    session, masks = stack_session(8)
    assert session.to_check() == []
    session.add(click(2, masks))
    list(session.propagate())
    ranked = [suspect.frame for suspect in session.to_check()]
    assert sorted(ranked) == [0, 1, 3, 4, 5, 6, 7] and ranked[0] == 7
    session.accept(7)
    assert 7 not in [suspect.frame for suspect in session.to_check()]

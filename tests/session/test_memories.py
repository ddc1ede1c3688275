"""The memory bank changed by hand: pinned, evicted, made of what was found; each of these can be taken back."""

from __future__ import annotations

import pytest
from fakes import PLAIN, blob_model, click, stack_session
from flows import flow_frames

from napari_medsam2.errors import SessionError
from napari_medsam2.memory_bank import Fifo, SelfSorting
from napari_medsam2.prompts import PointPrompt
from napari_medsam2.session.options import SessionOptions
from napari_medsam2.session.session import Session


def found_flow(n: int = 6, capacity: int = 16) -> Session:
    """A flow of red discs with a click on the first image, found on all."""
    options = SessionOptions(make_bank=lambda: SelfSorting(capacity=capacity))
    session = Session(blob_model(), flow_frames([(200, 40, 40)] * n), mode="flow", contrast=PLAIN, options=options)
    session.add(PointPrompt(0, 14, 15))
    list(session.propagate())
    return session


def remembered(session: Session) -> dict[int, bool]:
    return {entry.frame: entry.pinned for entry in session.memory().entries}


def test_a_pinned_memory_is_a_template_through_runs_and_prompts_until_it_is_unpinned():
    session = found_flow()
    session.pin(3)
    assert remembered(session)[3] and session.picks(5)[0].weight == pytest.approx(session.picks(5)[3].weight)
    assert session.plan() == 5, "all that was found without a prompt is to be found with it"
    session.add(PointPrompt(1, 19, 24))  # the others are forgotten, but this one is held
    assert set(remembered(session)) == {0, 1, 3}
    list(session.propagate())
    assert {frame for frame, pinned in remembered(session).items() if pinned} == {0, 1, 3}
    session.unpin(3)
    assert not remembered(session)[3]
    with pytest.raises(SessionError, match="it has a prompt"):
        session.unpin(0)


def test_an_evicted_memory_stays_out_until_its_frame_gets_a_prompt():
    session = found_flow()
    before = session.result(2)
    session.evict(2)
    assert 2 not in remembered(session) and session.result(2) is before
    list(session.propagate())
    assert 2 not in remembered(session)
    session.add(PointPrompt(2, 24, 33))
    list(session.propagate())
    assert remembered(session)[2]
    session.evict(3)
    session.accept(3)
    list(session.propagate())
    assert remembered(session)[3]
    session.evict(3)
    list(session.propagate(anew=True))
    assert 3 not in remembered(session), "that it was accepted before does not bring it back"
    assert session.accept(3) == (1,)
    session.add(PointPrompt(4, 19, 24))
    list(session.propagate())
    assert remembered(session)[3]


def test_an_evicted_memory_stays_out_through_a_merge_and_in_another_session_of_these_images():
    session = found_flow()
    session.add(PointPrompt(1, 19, 24, True, 2))
    list(session.propagate())
    session.evict(3)
    session.evict(4, 2)
    session.merge(1, [2])
    assert session.evicted() == {3, 4}
    list(session.propagate(anew=True))
    assert not {3, 4} & remembered(session).keys()
    other = found_flow()
    other.keep_out(session.evicted())
    list(other.propagate(anew=True))
    assert not {3, 4} & remembered(other).keys() and 2 in remembered(other)


def test_the_other_bank_is_compared_with_what_was_pinned_and_evicted_by_hand():
    session = found_flow()
    session.pin(2)
    session.evict(3)
    list(session.propagate())
    network = session.model.network
    network.calls.segmented.clear()
    other = session.other_bank()
    list(other.run())
    heard = {recall.memory for recall in network.calls.segmented[-1].recalls}
    assert {e.payload for e in session.memory().entries if e.held} <= heard
    kept = {frame.frame: frame.kept_by_other for frame in other.comparison().frames}
    assert kept[2] and not kept[3]


def test_without_the_last_template_nothing_would_say_what_to_look_for():
    session = found_flow()
    with pytest.raises(SessionError, match="only template"):
        session.evict(0)
    session.pin(4)
    session.evict(0)
    assert 0 not in remembered(session) and session.prompts
    for lose in (session.evict, session.unpin):
        with pytest.raises(SessionError, match="only template"):
            lose(4)


def test_more_than_the_bank_holds_cannot_be_pinned():
    session = Session(blob_model(), flow_frames([(200, 40, 40)] * 6), mode="flow", contrast=PLAIN, bank="fifo")
    session.add(PointPrompt(0, 14, 15))
    list(session.propagate())
    session._state.edit(1).bank.capacity = 2
    session.pin(3)
    with pytest.raises(SessionError, match="holds 2 entries, and 2 are templates"):
        session.pin(4)
    assert not remembered(session)[4]


def test_each_edit_of_the_memory_is_undone_by_itself():
    session = found_flow()
    before = remembered(session)
    session.pin(2)
    session.evict(3)
    pinned = before | {2: True}
    assert session.undo() and remembered(session) == pinned and session.undo() and remembered(session) == before
    assert session.redo() and remembered(session) == pinned
    assert session.result(3).mask.any()


def test_during_a_run_an_edit_takes_effect_at_the_next_frame():
    session = found_flow()
    steps = session.propagate(anew=True)
    for _ in range(3):
        next(steps)
    kept = next(frame for frame in remembered(session) if frame)
    session.evict(kept)
    calls = session.model.network.calls.segmented
    calls.clear()
    next(steps)
    assert len(calls[-1].recalls) == len(session.memory()) - 1 and kept not in remembered(session)
    assert {result.frame for result in steps} >= {kept}


def test_in_a_stack_a_pinned_slice_is_heard_like_a_prompted_one():
    session, masks = stack_session(8)
    session.add(click(2, masks))
    list(session.propagate())
    session.pin(5)
    list(session.propagate())
    picks = session.picks(0)
    assert isinstance(session.memory(), Fifo) and 5 in [pick.entry.frame for pick in picks if pick.slot is None]

"""The memory bank's rules on cases small enough to check by hand."""

from __future__ import annotations

import numpy as np
import pytest

from napari_medsam2.memory_bank import Fifo, SelfSorting
from napari_medsam2.memory_entry import MemoryEntry


def entry(frame: int, degrees: float = 0.0, confidence: float = 0.9, pinned: bool = False) -> MemoryEntry:
    """An entry whose descriptor points in a direction of the plane, so that similarities are cosines of angles."""
    angle = np.deg2rad(degrees)
    return MemoryEntry(frame, confidence, np.array([np.cos(angle), np.sin(angle)]), pinned, payload=f"memory {frame}")


def frames(bank) -> list[int]:
    return [kept.frame for kept in bank.entries]


def full_bank(*, pinned: tuple[int, ...] = ()) -> SelfSorting:
    """Three members at 0, 10 and 60 degrees: frames 0, 1 and 2."""
    bank = SelfSorting(capacity=3)
    for frame, degrees in ((0, 0.0), (1, 10.0), (2, 60.0)):
        bank.add(entry(frame, degrees, 0.8, pinned=frame in pinned))
    return bank


# ---- self-sorting: what comes in -----------------------------------------------------------------------------------


def test_with_room_the_confident_come_in_and_the_others_do_not():
    bank = SelfSorting(capacity=3, threshold=0.5)
    assert bank.add(entry(0, confidence=0.5))
    assert not bank.add(entry(1, confidence=0.49))
    assert frames(bank) == [0]


def test_a_full_bank_gives_its_most_redundant_member_for_one_that_is_unlike_the_others():
    # candidate at 100: least similar is frame 0 (100 degrees away); of the others frame 1 is nearest to it (10)
    bank = full_bank()
    assert bank.add(entry(7, 100.0, 0.8))
    assert frames(bank) == [0, 2, 7]


def test_a_full_bank_stays_if_the_candidate_would_not_make_it_more_diverse():
    # candidate at 52: least similar is frame 0 (52 degrees); its nearest is frame 1 (10): more diverse, so it enters;
    # candidate at 5: least similar is frame 2 (55 degrees), whose nearest is frame 1 (50): cos 55 < cos 50, enters;
    # candidate at 15: least similar is frame 2 (45 degrees), whose nearest is frame 1 (50): less diverse, stays out
    assert full_bank().add(entry(7, 52.0, 0.8))
    assert full_bank().add(entry(7, 5.0, 0.8))
    bank = full_bank()
    assert not bank.add(entry(7, 15.0, 1.0))
    assert frames(bank) == [0, 1, 2]


@pytest.mark.parametrize(("confidence", "comes_in"), [(0.701, True), (0.699, False)])
def test_a_candidate_may_be_a_little_less_confident_than_its_victim(confidence, comes_in):
    assert full_bank().add(entry(7, 100.0, confidence)) is comes_in


def test_pinned_entries_are_never_evicted():
    # without the pin frame 1 would go; the only other choice is frame 2
    bank = full_bank(pinned=(0, 1))
    assert bank.add(entry(7, 100.0))
    assert frames(bank) == [0, 1, 7]
    for frame, degrees in zip(range(10, 40), np.linspace(0, 350, 30), strict=True):
        bank.add(entry(frame, degrees, 1.0))
    assert {0, 1} <= set(frames(bank)) and len(bank) == 3


def test_a_bank_of_pinned_entries_takes_in_nothing_but_further_pinned_ones():
    bank = full_bank(pinned=(0, 1, 2))
    assert not bank.add(entry(7, 180.0, 1.0))
    assert bank.add(entry(8, 180.0, 0.1, pinned=True))
    assert frames(bank) == [0, 1, 2, 8]


def test_a_pinned_entry_takes_the_place_of_the_least_confident():
    bank = full_bank()
    bank.add(entry(1, 10.0, 0.6))
    assert bank.add(entry(7, confidence=0.0, pinned=True))
    assert sorted(frames(bank)) == [0, 2, 7]


@pytest.mark.parametrize("bank", [SelfSorting(), Fifo()])
def test_a_frame_that_is_segmented_again_replaces_its_entry(bank):
    bank.add(entry(3, confidence=0.6))
    bank.add(entry(3, confidence=0.9))
    assert [kept.confidence for kept in bank.entries] == [0.9]
    bank.add(entry(3, confidence=0.1, pinned=True))
    assert not bank.add(entry(3, confidence=1.0)), "a prediction must not take the place of a prompt"
    assert [kept.pinned for kept in bank.entries] == [True]


# ---- self-sorting: what is picked up -------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 3, 7, 16])
def test_equal_descriptors_weigh_exactly_one(n):
    bank = SelfSorting()
    for frame in range(n):
        bank.add(entry(frame, 33.0))
    picks = bank.pick(99, entry(99, 70.0).descriptor, n_frames=100)
    assert [pick.weight for pick in picks] == [1.0] * n


def test_memories_of_similar_images_weigh_more_and_the_mean_weight_is_one():
    bank = full_bank()
    picks = {pick.entry.frame: pick.weight for pick in bank.pick(9, entry(9, 65.0).descriptor, n_frames=10)}
    assert picks[2] > picks[1] > picks[0] > 0
    assert sum(picks.values()) == pytest.approx(3)
    expected = np.exp(np.cos(np.deg2rad([65.0, 55.0, 5.0])) / bank.temperature)
    np.testing.assert_allclose([picks[0], picks[1], picks[2]], 3 * expected / expected.sum(), rtol=1e-6)


def test_a_frame_does_not_pick_up_its_own_memory():
    bank = full_bank()
    assert [pick.entry.frame for pick in bank.pick(1, entry(1).descriptor, n_frames=3)] == [0, 2]


def test_sampling_draws_as_many_as_there_are_and_repeats_with_the_same_seed():
    def draw(seed: int, frame: int) -> list[tuple[int, float]]:
        bank = SelfSorting(sample_seed=seed, temperature=0.25)
        for f in range(10):
            bank.add(entry(f, 30.0 * f))
        picks = bank.pick(frame, entry(frame, 45.0).descriptor, n_frames=30)
        assert sum(pick.weight for pick in picks) == 10
        assert all(pick.weight == int(pick.weight) >= 1 for pick in picks)
        return [(pick.entry.frame, pick.weight) for pick in picks]

    assert draw(1, 20) == draw(1, 20)
    assert draw(1, 20) != draw(2, 20)
    assert draw(1, 20) != draw(1, 21)


@pytest.mark.parametrize("descriptor", [0.0, 90.0])
def test_templates_share_evenly_and_have_most_beside_what_was_found(descriptor):
    bank = SelfSorting(template_share=0.8)
    for frame, degrees in ((0, 0.0), (1, 90.0)):
        bank.add(entry(frame, degrees, pinned=True))
    now = entry(99, descriptor).descriptor
    assert [pick.weight for pick in bank.pick(9, now, n_frames=10)] == [1, 1]
    for frame in range(2, 8):  # more alike than the templates, or than one of them
        bank.add(entry(frame, descriptor))
    weights = [pick.weight for pick in bank.pick(9, now, n_frames=10)]
    assert weights[:2] == pytest.approx([3.2, 3.2]) and sum(weights) == pytest.approx(8)


def test_templates_keep_what_they_have_by_likeness_if_that_is_more():
    bank = SelfSorting(template_share=0.5)
    for frame, degrees, pinned in ((0, 0.0, True), (1, 10.0, True), (2, 90.0, False)):
        bank.add(entry(frame, degrees, pinned=pinned))
    first, second, other = (pick.weight for pick in bank.pick(9, entry(9).descriptor, n_frames=10))
    assert first == second > 1.49 and other < 0.01


# ---- first in, first out -------------------------------------------------------------------------------------------


def fifo(pinned: tuple[int, ...], others: range, **options) -> Fifo:
    bank = Fifo(**options)
    for frame in pinned:
        bank.add(entry(frame, pinned=True))
    for frame in others:
        bank.add(entry(frame))
    return bank


def test_six_nearest_behind_have_slots_and_further_ones_give_their_pointer_alone():
    picks = fifo((0,), range(1, 20)).pick(20, None, n_frames=30)
    assert (picks[0].entry.frame, picks[0].slot, picks[0].offset) == (0, None, 20)
    assert [(p.entry.frame, p.slot) for p in picks if p.spatial][1:] == [(20 - r, r) for r in range(1, 7)]
    assert [p.offset for p in picks if not p.spatial] == list(range(7, 16))
    assert {p.weight for p in picks} == {1.0}


def test_backwards_the_frames_above_are_behind():
    # the golden case `reverse0`: frame 0, backwards, prompt on 3, others 2 and 1
    picks = fifo((3,), range(1, 3)).pick(0, None, n_frames=4, reverse=True)
    assert [(p.entry.frame, p.slot, p.offset) for p in picks] == [
        (3, None, 3),
        (1, 1, 1),
        (2, 2, 2),
    ]


def test_a_prompted_frame_ahead_lies_behind_by_less_than_nothing():
    # the golden case `twocond2`: frame 2, prompts on 0 and 3, other 1
    picks = fifo((0, 3), range(1, 2)).pick(2, None, n_frames=4)
    assert [(p.entry.frame, p.offset, p.spatial) for p in picks] == [
        (0, 2, True),
        (3, -1, True),
        (1, 1, True),
    ]


def test_pointers_reach_no_further_than_the_sequence():
    # a short sequence has no pointers beyond it (SAM 2: min(number of frames, 16) - 1)
    assert max(p.offset for p in fifo((0,), range(1, 9)).pick(9, None, n_frames=10) if p.slot) == 8


def test_the_number_of_prompted_frames_can_be_limited_to_the_nearest():
    picks = fifo((0, 5, 9, 20), range(0), max_pinned=2).pick(7, None, n_frames=30)
    assert [p.entry.frame for p in picks] == [5, 9]


def test_a_long_run_needs_no_more_memory_and_never_loses_a_prompt():
    bank = fifo((0, 50), range(1, 50), capacity=10)
    assert frames(bank) == [0, 50, *range(40, 50)]


def test_remove_clear_and_copy():
    bank = full_bank()
    twin = bank.copy()
    bank.remove(1)
    bank.remove(77)
    assert frames(bank) == [0, 2] and frames(twin) == [0, 1, 2]
    assert twin.entries[0] is bank.entries[0], "entries are shared, not copied"
    twin.forget_frames()
    assert len(twin) == 0 and 0 in bank

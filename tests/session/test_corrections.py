"""Prompts that come late, and those that correct what was found."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from fakes import PLAIN, BlobNetwork, blob_model, box, click, disc, moving_disc, stack_session

from napari_medsam2.geometry.overlap import dice
from napari_medsam2.models.device import Model
from napari_medsam2.models.loading import load_model
from napari_medsam2.prompts import MaskPrompt, PointPrompt
from napari_medsam2.session.options import SessionOptions
from napari_medsam2.session.session import Session


def test_a_prompt_in_the_middle_of_a_run_takes_effect_at_the_next_frame():
    session, masks = stack_session()
    session.add(click(0, masks))
    run = session.propagate()
    seen = [next(run).frame for _ in range(6)]
    assert seen == [0, 1, 2, 3, 4, 5]
    drawn = np.roll(masks[3], 1, axis=1)
    session.add(MaskPrompt(3, drawn))
    rest = list(run)
    # the frames on both sides of it up to the next prompted one, and those not done yet
    assert [r.frame for r in rest] == [3, 1, 4, 5, 6, 7, 2]
    assert rest[0].prompted
    np.testing.assert_array_equal(session.result(3).mask, drawn)
    assert [e.frame for e in session.memory().entries if e.pinned] == [0, 3]


def test_a_prompt_from_another_thread():
    session, masks = stack_session(20)
    session.add(click(0, masks))
    added = threading.Event()

    def correct():
        session.add(MaskPrompt(10, masks[10]))
        added.set()

    frames = []
    for result in session.propagate():
        frames.append((result.frame, result.prompted))
        if len(frames) == 3:
            threading.Thread(target=correct).start()
            assert added.wait(10)
    assert (10, True) in frames
    assert frames.index((10, True)) == 3
    assert {t for t, _ in frames} == set(range(20))


def test_frames_beyond_the_next_prompted_frame_are_not_done_again():
    session, masks = stack_session()
    session.add(click(0, masks))
    session.add(MaskPrompt(4, masks[4]))
    run = session.propagate()
    for result in run:
        if result.frame == 7:
            break
    session.add(MaskPrompt(2, masks[2]))
    frames = [r.frame for r in run]
    assert sorted(frames) == [1, 2, 3]


def test_a_drawn_mask_is_final_and_feeds_the_memory():
    session, masks = stack_session()
    drawn = np.zeros_like(masks[3])
    drawn[10:13, 20:31] = True
    drawn[11, 25] = False
    session.add(MaskPrompt(3, drawn))
    session.add(PointPrompt(3, 50, 50))
    list(session.propagate())
    result = session.result(3)
    np.testing.assert_array_equal(result.mask, drawn)
    assert (result.confidence, result.iou, result.objectness) == (1.0, 1.0, 1.0)
    assert session.memory().entries[0].pinned


def test_a_negative_click_on_a_followed_frame_corrects_it_from_memory():
    frames, masks = moving_disc()
    frames[4][disc((64, 64), 50, 50, 5)] = 204  # a second blob that looks alike, out of the way
    session = Session(blob_model(), frames, contrast=PLAIN, options=SessionOptions(show_neighbour=False))
    session.add(click(0, masks))
    list(session.propagate())
    assert session.result(4).mask[50, 50]
    session.add(PointPrompt(4, 50, 50, positive=False))
    corrected = session.segment(4)
    np.testing.assert_array_equal(corrected.mask, masks[4])
    assert session.model.network.calls.segmented[-1].recalls, "a correction needs the memory"


def followed_session(mode):
    """A session that a click on frame 0 was propagated in, and the true masks."""
    frames, masks = moving_disc()
    session = Session(blob_model(), frames, mode=mode, contrast=PLAIN)
    session.add(click(0, masks))
    list(session.propagate())
    return session, masks


@pytest.mark.parametrize("mode", ["stack", "flow"])
def test_clicks_on_a_followed_frame_correct_the_mask_that_it_had(mode):
    session, masks = followed_session(mode)
    network = session.model.network

    def shown(*prompts):
        session.replace_prompts(1, 4, prompts)
        session.segment(4)
        return network.calls.segmented[-1].prompts.correcting

    red = PointPrompt(4, 50, 50, positive=False)
    assert shown(red).sum() > 0 and session.result(4).prompted
    first = shown(red, PointPrompt(4, 24, 25, positive=False))
    assert torch.equal(first, shown(red)), "all clicks correct what was there before the first"
    shown(red, box(4, masks))
    anew = network.calls.segmented[-1 if mode == "stack" else -2].prompts
    assert anew.correcting is None and len(anew.boxes), "a box says it all anew; in a flow the click corrects that"
    assert session.undo() and torch.equal(shown(red, PointPrompt(4, 2, 2, positive=False)), first)


@pytest.mark.parametrize(("mode", "order"), [("stack", [0, 1, 2, 3, 4, 5]), ("flow", [0, 4, 1, 2, 3, 5])])
def test_red_clicks_that_come_first_wait_for_what_they_correct(mode, order):
    frames, masks = moving_disc(6)
    session = Session(blob_model(), frames, mode=mode, contrast=PLAIN)
    session.add(PointPrompt(4, 50, 50, positive=False))
    session.add(click(0, masks))
    assert session.plan() == 6
    assert [r.frame for r in session.propagate()] == order
    assert session.result(4).prompted and session.steps_left == 0
    corrections = [c.prompts.correcting for c in session.model.network.calls.segmented if c.prompts is not None]
    np.testing.assert_array_equal(corrections[-1][0, 0].numpy() > 0.5, masks[4])
    assert [r.frame for r in session.propagate(anew=True)][:2] == [0, 4], "then it is one of the prompted frames"


def test_a_preview_of_a_frame_with_red_clicks_alone_looks_where_the_object_is():
    session, masks = stack_session(region=True)
    session.add(click(0, masks))
    session.segment(0)
    session.add(PointPrompt(1, 22, 30, positive=False))
    session.segment(1)
    call = session.model.network.calls.segmented[-1]
    assert call.prompts.correcting is not None and session.result(1).window.size_y < 64
    session.undo()
    assert session.objects == (1,) and session.result(1) is None


def test_a_red_click_can_say_that_the_object_has_ended():
    frames, masks = moving_disc(12)
    session = Session(blob_model(), frames, contrast=PLAIN, options=SessionOptions(show_neighbour=False))
    session.add(click(2, masks))
    list(session.propagate())
    session.add(PointPrompt(7, *np.argwhere(masks[7]).mean(axis=0), positive=False))
    run = [r for r in session.propagate() if r.frame > 6]
    assert [r.frame for r in run] == [7, 8, 9, 10, 11] and all(r.absent for r in run)
    assert run[0].prompted and all(r.seconds == 0 for r in run[1:]), "nothing is looked for where it has ended"
    assert 7 not in [e.frame for e in session.memory().entries]


def test_red_clicks_are_carried_to_although_they_were_previewed():
    session, masks = stack_session(12)
    session.add(click(0, masks))
    session.add(PointPrompt(6, 2, 2, positive=False))
    assert not session.segment(6).absent, "the prompted frame is seen to first"
    assert [r.frame for r in session.propagate()] == list(range(12))
    assert all(session.result(t).area == masks[t].sum() for t in range(12))


def test_a_click_after_a_deleted_correction_is_a_correction_again():
    session, _ = followed_session("stack")
    for positive in (False, True):
        session.add(PointPrompt(4, 2, 2, positive=positive))
        session.segment(4)
        call = session.model.network.calls.segmented[-1]
        assert call.prompts.correcting is not None and call.recalls
        session.replace_prompts(1, 4, [])


def test_a_box_on_a_corrected_frame_counts_on_both_sides():
    session, masks = stack_session(12)
    session.add(click(0, masks))
    session.add(click(11, masks))
    run = session.propagate()
    for _ in range(12):
        next(run)
    session.add(PointPrompt(4, 2, 2, positive=False))
    assert next(run).frame == 4
    assert sorted(next(run).frame for _ in range(6)) == [5, 6, 7, 8, 9, 10]
    session.add(box(4, masks))
    assert sorted(r.frame for r in run) == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]


def test_a_run_after_a_correction_does_only_what_that_can_change():
    session, masks = stack_session(40)
    session.add(click(0, masks))
    session.add(click(39, masks))
    assert len(list(session.propagate())) == 40 and session.plan() == 0
    session.add(PointPrompt(8, 2, 2, positive=False))
    assert session.plan() == 31, "itself and all up to the next prompt; those before it were nearer to the better one"
    assert len(list(session.propagate(anew=True))) == 40 and list(session.propagate()) == []


def test_a_run_that_was_ended_goes_on_where_it_was():
    session, masks = stack_session(12)
    session.add(click(0, masks))
    run = session.propagate()
    first = [next(run).frame for _ in range(5)]
    run.close()
    assert first + [r.frame for r in session.propagate()] == list(range(12))


def test_where_frames_come_out_as_they_were_the_rest_is_left_as_it_is():
    session, masks = stack_session(40)
    session.add(click(0, masks))
    list(session.propagate())
    before = {t: session.result(t) for t in range(40)}
    session.add(PointPrompt(10, 2, 2, positive=False))
    assert [r.frame for r in session.propagate()] == [10, 11, 12, 13]
    assert all(session.result(t) is before[t] for t in range(14, 40)) and session.plan() == 0


def test_where_frames_come_out_differently_none_is_left_as_it_was():
    frames, masks = moving_disc(20, (64, 128))
    other = np.roll(masks, 60, axis=2)
    session = Session(blob_model(), np.where(other, 204, frames).astype(np.uint8), contrast=PLAIN)
    session.add(click(0, masks))
    list(session.propagate())
    session.add(MaskPrompt(8, other[8]))
    assert {r.frame for r in session.propagate()} >= set(range(8, 20))
    assert all(dice(session.result(t).mask, other[t]) > 0.8 for t in range(8, 20))


def test_corrections_on_the_way_back_recall_what_was_seen_on_the_way():
    session, masks = stack_session(12)
    session.add(click(11, masks))
    list(session.propagate())
    session.add(PointPrompt(5, 2, 2, positive=False))
    session.segment(5)
    recalled = session.model.network.calls.segmented[-1].recalls
    assert sorted(r.offset for r in recalled if not r.pinned) == [1, 2, 3, 4, 5]


def test_a_red_click_where_nothing_was_found_looks_where_the_object_was():
    frames, masks = moving_disc(12, (128, 128), ends_after=6)
    session = Session(blob_model(region=True), frames, contrast=PLAIN)
    session.add(click(2, masks))
    list(session.propagate())
    assert session.result(7).absent
    session.add(PointPrompt(7, 100, 100, positive=False))
    assert session.segment(7).window.size_y < 128


@pytest.mark.parametrize("mode", ["stack", "flow"])
def test_a_frame_without_its_correction_is_what_it_was_before(mode):
    session, masks = followed_session(mode)
    before = session.result(4)
    drawn = MaskPrompt(4, np.roll(masks[4], 9, axis=0))
    session.add(drawn)
    session.segment(4)
    assert not np.array_equal(session.result(4).mask, before.mask)
    session.remove(drawn)
    assert session.result(4) is before
    assert 4 in {r.frame for r in session.propagate()}, "what comes next may have another answer"
    assert not session.result(4).prompted


def test_clicks_correct_nothing_where_nothing_was_found():
    session, masks = stack_session(12, ends_after=6)
    session.add(click(2, masks))
    list(session.propagate())
    assert session.result(8).absent
    session.add(PointPrompt(8, 20, 20))
    session.segment(8)
    assert session.model.network.calls.segmented[-1].prompts.correcting is None


def test_prompting_again_replaces_the_entry_of_the_frame():
    session, masks = stack_session()
    session.add(click(2, masks))
    session.segment(2)
    session.add(box(2, masks))
    session.segment(2)
    assert [(e.frame, e.pinned) for e in session.memory().entries] == [(2, True)]
    assert session.model.network.calls.segmented[-1].recalls == ()


class Deaf(BlobNetwork):
    """Finds the bright blob near the one before, whatever is clicked away."""

    def _chosen(self, blobs, count, image, prompts, recalls, neighbour_mask):
        prompts = None if neighbour_mask is not None else prompts
        return super()._chosen(blobs, count, image, prompts, recalls, neighbour_mask)


def test_results_that_were_taken_over_come_back_when_their_correction_goes():
    session, masks = stack_session()
    session.add(click(0, masks))
    list(session.propagate())
    other, _ = stack_session()
    other.add(click(0, masks))
    other.take_results(session.results.values())
    assert not other.undo()
    correction = click(4, masks, positive=False)
    other.add(correction)
    other.segment(4)
    assert not other.result(4).area
    other.remove(correction)
    assert other.result(4).area == session.result(4).area
    run = other.propagate()
    next(run)
    other.take_results([])
    assert len(list(run)) == 7, "a run goes on"


@pytest.mark.parametrize("region", [True, False])
def test_a_red_click_in_the_middle_of_what_was_followed_ends_it_there(region):
    frames, masks = moving_disc(8)
    network = Deaf().eval()
    session = Session(Model("deaf", network, torch.device("cpu"), region), frames, mode="stack", contrast=PLAIN)
    session.add(box(0, masks))
    list(session.propagate())
    y, x = np.argwhere(masks[4]).mean(0)
    session.add(PointPrompt(4, float(y), float(x), positive=False))
    list(session.propagate())
    assert [session.result(t).area > 0 for t in range(8)] == [True] * 4 + [False] * 4


@pytest.mark.parametrize(("mode", "kind"), [("stack", "box"), ("flow", "box"), ("stack", "click")])
def test_what_was_lost_is_prompted_again_with_the_bundled_model(mode, kind):
    masks = np.stack([disc((96, 96), 48, 22 if t < 3 else 72, 12) for t in range(6)])  # it jumps, in a stack too far
    noise = np.random.default_rng(0).normal(0, 6, masks.shape)
    frames = (np.where(masks, 190, 60) + noise).astype(np.uint8)
    session = Session(load_model("micro"), frames, mode=mode, contrast=PLAIN)
    session.add(box(0, masks))
    list(session.propagate())
    assert session.result(4).absent == (mode == "stack")
    session.add(box(4, masks) if kind == "box" else click(4, masks))
    assert dice(session.segment(4).mask, masks[4]) > 0.8
    list(session.propagate())
    assert dice(session.result(5).mask, masks[5]) > 0.8

"""What a user of a session notices: results, order, memory, several objects, caches, errors."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from fakes import PLAIN, blob_model, box, click, disc, moving_disc, stack_session, state

from napari_medsam2.errors import PromptError, SessionError
from napari_medsam2.models.device import Model
from napari_medsam2.network.micro.config import MicroConfig
from napari_medsam2.network.micro.network import MicroNetwork
from napari_medsam2.prompts import BoxPrompt, MaskPrompt, PointPrompt
from napari_medsam2.session.options import SessionOptions
from napari_medsam2.session.session import Session

# ---- stacks ----------------------------------------------------------------------------------------------------------


def test_one_click_becomes_a_volume():
    session, masks = stack_session()
    session.add(click(3, masks))
    results = list(session.propagate())
    assert [r.frame for r in results] == [3, 4, 5, 6, 7, 2, 1, 0]
    assert [r.prompted for r in results] == [True] + [False] * 7
    for r in results:
        np.testing.assert_array_equal(r.mask, masks[r.frame])
        assert 0.7 < r.confidence < 0.9
    np.testing.assert_array_equal(session.labels(5), masks[5].astype(np.uint16))
    assert not np.isnan(session.confidences()).any()


@pytest.mark.parametrize(
    ("limits", "frames"),
    [
        ({"direction": "forward"}, [3, 4, 5, 6, 7]),
        ({"direction": "backward"}, [3, 2, 1, 0]),
        ({"start": 2, "stop": 6}, [3, 4, 5, 2]),
        ({"start": 5}, [3, 5, 6, 7]),
    ],
)
def test_a_direction_or_a_range(limits, frames):
    session, masks = stack_session()
    session.add(click(3, masks))
    assert session.plan(**limits) == len(frames)
    assert [r.frame for r in session.propagate(**limits)] == frames


def test_two_prompted_frames_meet_half_way():
    session, masks = stack_session()
    session.add(click(1, masks))
    session.add(click(6, masks))
    assert [r.frame for r in session.propagate()] == [1, 6, 2, 3, 0, 7, 5, 4]


def test_memory_follows_sam2_rules_in_a_stack():
    session, masks = stack_session()
    session.add(click(0, masks))
    list(session.propagate())
    calls = session.model.network.calls.segmented
    assert calls[0].recalls == () and calls[0].prompted
    pinned, *others = calls[4].recalls
    assert (pinned.pinned, pinned.offset, pinned.slot) == (True, 4, None)
    assert [(r.slot, r.offset, r.pinned) for r in others] == [(1, 1, False), (2, 2, False), (3, 3, False)]
    assert all(call.mode == "stack" for call in calls)
    assert all(call.neighbour_mask is not None for call in calls[1:])


def test_nothing_is_run_after_the_object_has_ended():
    session, masks = stack_session(12, ends_after=6)
    session.add(click(2, masks))
    results = {r.frame: r for r in session.propagate()}
    assert len(results) == 12
    for t, r in results.items():
        assert r.mask.any() == (t < 6)
    looked_at = [t for t, r in results.items() if r.seconds > 0]
    assert sorted(looked_at) == list(range(8)), "two frames without the object are enough"
    assert results[11].confidence == results[7].confidence < 0.1
    assert all(entry.frame < 6 for entry in session.memory().entries)


def test_patience_can_be_endless():
    session, masks = stack_session(12, ends_after=6, options=SessionOptions(patience=None))
    session.add(click(2, masks))
    assert all(r.seconds > 0 for r in session.propagate())


# ---- several objects -------------------------------------------------------------------------------------------------


def test_objects_have_their_own_memory_and_share_the_image_features():
    frames, masks = moving_disc(5)
    other = disc((64, 64), 50, 20, 5)
    frames[:, other] = 204
    session = Session(blob_model(), frames, contrast=PLAIN)
    session.add(click(0, masks, object_id=1))
    session.add(PointPrompt(0, 50, 20, object_id=7))
    results = list(session.propagate())
    assert [(r.frame, r.object_id) for r in results[:4]] == [(0, 1), (0, 7), (1, 1), (1, 7)]
    assert session.model.network.calls.encoded == 5
    expected = masks[4] * 1 + other * 7
    np.testing.assert_array_equal(session.labels(4), expected)
    assert len(session.memory(1)) == len(session.memory(7)) == 5
    session.reset(7)
    assert session.objects == (1,)
    assert session.result(4, 7) is None and session.result(4, 1) is not None


def test_where_objects_overlap_the_drawn_mask_wins():
    session, masks = stack_session(2)
    drawn = np.zeros_like(masks[0])
    drawn[28:33, 10:40] = True
    session.add(MaskPrompt(0, drawn, object_id=1))
    session.add(click(0, masks, object_id=2))
    list(session.propagate())
    labels = session.labels(0)
    assert np.all(labels[drawn] == 1)
    assert np.all(labels[masks[0] & ~drawn] == 2)


def test_only_the_objects_asked_for():
    session, masks = stack_session(3)
    session.add(click(0, masks, object_id=1))
    session.add(click(0, masks, object_id=2))
    assert {r.object_id for r in session.propagate(objects=[2])} == {2}


# ---- previews, caches ------------------------------------------------------------------------------------------------


def test_a_preview_of_an_unprompted_frame_uses_the_memory_and_is_not_remembered():
    session, masks = stack_session()
    session.add(click(2, masks))
    result = session.segment(4)
    np.testing.assert_array_equal(result.mask, masks[4])
    assert not result.prompted
    assert [e.frame for e in session.memory().entries] == [2]
    assert session.result(2).prompted, "the prompted frame was needed for it"


def test_a_second_propagation_encodes_nothing_and_gives_the_same():
    for region in (False, True):
        session, masks = stack_session(region=region)
        session.add(box(3, masks))
        first = {r.frame: r for r in session.propagate()}
        session.model.network.calls.clear()
        second = {r.frame: r for r in session.propagate(anew=True)}
        assert session.model.network.calls.encoded == 0, f"{region=}"
        assert first.keys() == second.keys()
        for t in first:
            np.testing.assert_array_equal(first[t].mask, second[t].mask)
            assert first[t].window == second[t].window


def test_the_feature_cache_keeps_to_its_budget():
    one = 64 * 64 * 3 * 4 + 3 * 4
    session, masks = stack_session(cache_bytes=3 * one)
    session.add(click(0, masks))
    list(session.propagate())
    assert session.segmenter.predictor.cache.nbytes == 3 * one
    session.model.network.calls.clear()
    session.segment(7)
    assert session.model.network.calls.encoded == 0
    session.segment(1)
    assert session.model.network.calls.encoded == 1


def test_a_result_keeps_only_the_part_with_the_object():
    session, masks = stack_session(12, ends_after=6)
    session.add(click(2, masks))
    results = list(session.propagate())
    assert all(r.nbytes <= 13 * 13 and r.area == masks[r.frame].sum() for r in results)
    assert [r.frame for r in results if r.absent] == list(range(6, 12))
    assert results[0].shape == results[0].mask.shape == (64, 64)


# ---- errors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        (PointPrompt(8, 1, 1), "no frame 8: frames are 0 to 7"),
        (PointPrompt(0, 64, 3), "outside the image of 64 x 64"),
        (PointPrompt(0, -0.6, 3), "outside"),
        (BoxPrompt(0, 70, 70, 80, 80), "box .* outside"),
        (MaskPrompt(2, np.zeros((64, 64))), "empty"),
        (MaskPrompt(0, np.ones((32, 64))), r"shape of its frame, \(64, 64\); got \(32, 64\)"),
        (PointPrompt(2, 32.2, 23.4, positive=False), "contradict .* y=32, x=23"),
    ],
)
def test_a_prompt_that_cannot_be_used_says_why_and_changes_nothing(prompt, words):
    session, _ = stack_session()
    session.add(PointPrompt(2, 32, 23))
    before = state(session)
    with pytest.raises(PromptError, match=words):
        session.add(prompt)
    assert state(session) == before
    assert session.undo() and not session.undo()


def test_a_run_without_a_usable_prompt_says_what_is_missing():
    session, masks = stack_session()
    with pytest.raises(PromptError, match="nothing has a prompt yet"):
        list(session.propagate())
    session.add(click(2, masks, positive=False))
    with pytest.raises(PromptError, match="only negative clicks"):
        session.segment(2)
    with pytest.raises(PromptError, match="object 9 has no prompt"):
        list(session.propagate(objects=[9]))
    with pytest.raises(PromptError, match="no object is chosen"):
        list(session.propagate(objects=[]))
    with pytest.raises(PromptError, match="no frame 20"):
        session.segment(20)
    with pytest.raises(SessionError, match="no frames from 6 up to 2"):
        session.propagate(start=6, stop=2)


def test_results_of_other_images_are_not_taken_over():
    session, masks = stack_session()
    other, _ = stack_session(n_frames=12)
    other.add(click(9, masks[:1].repeat(12, 0)))
    with pytest.raises(SessionError, match="a result of frame 9"):
        session.take_results([other.segment(9)])
    assert not session.results


# ---- the bundled network ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["stack", "flow"])
def test_the_bundled_network_runs_and_repeats(mode):
    torch.manual_seed(0)
    network = MicroNetwork(MicroConfig(image_size=64)).eval()
    model = Model(name="micro", network=network, device=torch.device("cpu"), region=True)
    frames, masks = moving_disc(5)
    runs = []
    for _ in range(2):
        session = Session(model, frames, mode=mode, options=SessionOptions(patience=None))
        session.add(box(2, masks))
        session.add(PointPrompt(2, 5, 5, positive=False))
        runs.append([(r.frame, r.confidence, r.mask.tobytes()) for r in session.propagate()])
    assert len(runs[0]) == 5
    assert runs[0] == runs[1]

"""Flows: one prompt over unrelated images, and which of them are remembered."""

from __future__ import annotations

import numpy as np
import pytest
from fakes import PLAIN, blob_model, disc
from flows import flow_frames

from napari_medsam2.prompts import PointPrompt
from napari_medsam2.session.session import Session


def flow_session(colours=((200, 40, 40),) * 6, **options) -> Session:
    return Session(blob_model(), flow_frames(colours), mode="flow", contrast=PLAIN, **options)


def test_one_prompt_in_a_flow_finds_the_object_in_every_image():
    session = flow_session()
    session.add(PointPrompt(2, 24, 33))
    results = list(session.propagate())
    assert [r.frame for r in results] == [2, 0, 1, 3, 4, 5]
    for t, frame in enumerate(session.frames):
        np.testing.assert_array_equal(session.result(t).mask, frame[..., 0] > 100)
    calls = session.model.network.calls.segmented
    assert all(call.mode == "flow" for call in calls)
    assert all(call.neighbour_mask is None for call in calls)
    assert all(recall.slot is None and recall.offset is None for call in calls for recall in call.recalls)
    assert {len(call.recalls) for call in calls} == {0, 1, 2, 3, 4, 5}


def test_only_confident_frames_are_remembered_in_a_flow():
    session = flow_session([(200, 40, 40)] * 3 + [(90, 18, 18)] + [(200, 40, 40)])
    session.add(PointPrompt(0, 14, 15))
    list(session.propagate())
    assert session.result(3).mask.any() and session.result(3).confidence < 0.5
    assert [e.frame for e in session.memory().entries] == [0, 1, 2, 4]


@pytest.mark.parametrize("bank", ["self-sorting", "fifo"])
def test_all_templates_are_heard_everywhere_and_together_more_than_what_was_found(bank):
    colours = [(200, 40, 40), (200, 150, 40)] * 12  # more images than the bank has room for
    session = flow_session(colours, bank=bank)
    templates = {0: (14, 15), 1: (19, 24), 8: (29, 15)}
    for t, place in templates.items():
        session.add(PointPrompt(t, *place))
    list(session.propagate())
    for call in session.model.network.calls.segmented[3:]:
        weights = [recall.weight for recall in call.recalls if recall.pinned and recall.spatial]
        assert len(weights) == 3 and len(set(weights)) == 1, "all alike, however unlike the image they are"
        heard = sum(recall.weight for recall in call.recalls if recall.spatial)
        assert sum(weights) > heard / 2


def test_answers_on_similar_images_weigh_more():
    session = flow_session([(200, 40, 40), (200, 40, 40), (200, 90, 40), (200, 40, 40), (200, 90, 40)])
    session.add(PointPrompt(0, 14, 15))
    list(session.propagate())
    _, red, yellow = session.model.network.calls.segmented[3].recalls
    assert red.weight > yellow.weight > 0


def test_a_second_pass_does_the_early_frames_again():
    session = flow_session(passes=2)
    session.add(PointPrompt(0, 14, 15))
    frames = [r.frame for r in session.propagate()]
    assert frames[:6] == list(range(6))
    assert frames[6:] == [1, 2, 3, 4], "frame 5 saw all there is the first time"
    assert [e.frame for e in session.memory().entries if e.pinned] == [0]


def test_a_late_template_queues_the_frames_done_so_far_once():
    session = flow_session()
    session.add(PointPrompt(0, 14, 15))
    run = session.propagate()
    assert [next(run).frame for _ in range(4)] == [0, 1, 2, 3]
    session.add(PointPrompt(2, 24, 33))
    assert [r.frame for r in run] == [2, 4, 5, 1, 3]


def test_what_was_found_before_a_correction_teaches_no_more():
    session = flow_session()
    session.add(PointPrompt(0, 14, 15))
    list(session.propagate())
    session.add(PointPrompt(3, 29, 42))
    assert [e.frame for e in session.memory().entries if e.frame != 3] == [0]
    assert session.plan() == 5, "all images are to be done again, the template is known"
    session.model.network.calls.clear()
    list(session.propagate())
    first = next(call for call in session.model.network.calls.segmented if not call.prompted)
    assert [recall.pinned for recall in first.recalls] == [True, True]
    assert sorted(e.frame for e in session.memory().entries if e.pinned) == [0, 3]


def test_the_bank_can_be_chosen_and_sampling_repeats():
    session = flow_session(bank="fifo")
    session.add(PointPrompt(0, 14, 15))
    list(session.propagate())
    *_, last = session.model.network.calls.segmented
    assert [recall.weight for recall in last.recalls] == pytest.approx([4.0, *[0.25] * 4])
    session.add(PointPrompt(2, 24, 33))
    list(session.propagate())
    *_, last = session.model.network.calls.segmented
    assert [recall.weight for recall in last.recalls] == pytest.approx([2.0, 2.0, 1 / 3, 1 / 3, 1 / 3])

    def weights(seed):
        session = flow_session(seed=seed)
        session.add(PointPrompt(0, 14, 15))
        list(session.propagate())
        return [[recall.weight for recall in call.recalls] for call in session.model.network.calls.segmented]

    assert weights(1) == weights(1) != weights(5)


@pytest.mark.parametrize(("least", "remembered"), [(0.5, [0, 2, 3]), (0.25, [0, 1, 2, 3])])
def test_the_network_says_how_sure_an_answer_is_to_be_remembered(least, remembered):
    session = flow_session(((200, 40, 40), (100, 20, 20), (200, 40, 40), (200, 40, 40)))  # the second: 0.39 * 0.95
    session.model.network.least_remembered = least
    session.add(PointPrompt(0, 14, 15))
    list(session.propagate())
    assert 0.25 < session.result(1).confidence < 0.5
    assert sorted(e.frame for e in session.memory().entries) == remembered


def test_a_red_click_on_a_prompted_image_leaves_what_the_other_prompts_mean():
    """They are answered without it; then it takes away what it is on, and that is remembered."""
    session = flow_session()
    frame = session.frames[0]
    session.add(PointPrompt(0, 14, 15))
    meant = session.segment(0).mask
    session.add(PointPrompt(0, 12, 12, positive=False))
    assert meant[12, 12]
    network = session.model.network
    network.calls.clear()
    result = session.segment(0)
    first, second = network.calls.segmented
    assert first.prompts.point_labels.tolist() == [1] and first.prompts.correcting is None
    assert second.prompts.point_labels.tolist() == [1, 0] and second.prompts.correcting is not None
    assert result.prompted and not result.mask[12, 12] and result.mask[14, 15]
    assert not (result.mask & ~(frame[..., 0] > 100)).any()
    assert result.mask.sum() > 0.5 * meant.sum()


def test_a_red_click_on_an_image_takes_away_what_it_is_on_though_nothing_else_is_sure():
    """The network then says that nothing is there; what was found elsewhere on the image stays."""
    frames = flow_frames(((200, 40, 40),) * 6)
    frames[3][disc((48, 64), 8, 52, 5)] = (200, 40, 40)
    session = Session(blob_model(), frames, mode="flow", contrast=PLAIN)
    session.add(PointPrompt(0, 14, 15))
    list(session.propagate())
    both = session.result(3).mask
    assert both[8, 52] and both[29, 42]
    session.add(PointPrompt(3, 8, 52, positive=False))
    result = session.segment(3)
    assert not result.mask[8, 52] and result.mask[29, 42]
    np.testing.assert_array_equal(result.mask, both & ~disc((48, 64), 8, 52, 5))


def test_an_image_that_clicks_have_changed_is_no_template_and_one_that_they_confirm_is():
    frames = flow_frames(((200, 40, 40),) * 6)
    frames[3][disc((48, 64), 8, 52, 5)] = (200, 40, 40)
    session = Session(blob_model(), frames, mode="flow", contrast=PLAIN)
    session.add(PointPrompt(0, 14, 15))
    list(session.propagate())
    session.add(PointPrompt(2, 24, 33))
    session.add(PointPrompt(3, 8, 52, positive=False))
    list(session.propagate())
    assert sorted(e.frame for e in session.memory().entries if e.pinned) == [0, 2]
    assert session.result(3).prompted and not session.result(3).mask[8, 52]

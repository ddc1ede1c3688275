"""Objects with prompts on the same frame: each is remembered without what the others took."""

from __future__ import annotations

import numpy as np
import pytest
from fakes import PLAIN, blob_model, disc, state

from napari_medsam2.geometry.overlap import dice
from napari_medsam2.models.loading import load_model
from napari_medsam2.prompts import BoxPrompt, FramePrompts, MaskPrompt, PointPrompt
from napari_medsam2.results import FrameResult
from napari_medsam2.session.rivals import asks_for_more
from napari_medsam2.session.session import Session

RED, BLUE = (200, 40, 40), (40, 40, 200)
#: Around the red disc of the first frame, the blue one, and both.
RED_BOX, BLUE_BOX, BOTH = (6, 8, 23, 25), (6, 34, 23, 51), (6, 8, 23, 51)


def session(mode: str = "flow") -> Session:
    """A red and a blue disc on every frame, in a flow elsewhere each time."""
    frames = []
    for t in range(5):
        frame = np.full((48, 64, 3), 10, np.uint8)
        down = 4 * t if mode == "flow" else 0
        frame[disc((48, 64), 14 + down, 16, 7)] = RED
        frame[disc((48, 64), 14 + down, 42, 7)] = BLUE
        frames.append(frame)
    return Session(blob_model(), frames, mode=mode, contrast=PLAIN)


def around(corners: tuple[int, int, int, int], object_id: int) -> BoxPrompt:
    return BoxPrompt(0, *corners, object_id)


def colours(one: Session, frame: int, object_id: int) -> set[str]:
    """Which discs an object has on a frame."""
    image, result = one.frames[frame], one.result(frame, object_id)
    assert result is not None
    known = {RED: "red", BLUE: "blue", (10, 10, 10): "background"}
    return {known[tuple(int(v) for v in colour)] for colour in np.unique(image[result.mask], axis=0)}


@pytest.mark.parametrize("first", [1, 2])
def test_what_another_object_took_is_not_looked_for_elsewhere(first):
    one = session()
    for prompt in sorted((around(BOTH, 1), around(BLUE_BOX, 2)), key=lambda p: p.object_id != first):
        one.add(prompt)
    results = [(r.frame, r.object_id) for r in one.propagate()]
    assert (
        results[:3] == [(0, 1), (0, 2), (0, 1)]
        and len(results) == one.plan(anew=True) + 1 == 11
        and one.steps_left == 0
    )
    assert colours(one, 0, 1) == {"red"} and colours(one, 0, 2) == {"blue"}
    assert [colours(one, t, 1) for t in range(1, 5)] == [{"red"}] * 4
    assert [colours(one, t, 2) for t in range(1, 5)] == [{"blue"}] * 4


def test_alone_again_an_object_is_remembered_whole_again():
    one = session()
    both, blue = around(BOTH, 1), around(BLUE_BOX, 2)
    one.add(both)
    list(one.propagate())
    purple = [colours(one, t, 1) for t in range(1, 5)]
    one.add(blue)
    list(one.propagate())
    assert [colours(one, t, 1) for t in range(1, 5)] != purple
    one.remove(blue)
    list(one.propagate())
    assert [colours(one, t, 1) for t in range(1, 5)] == purple


def prompted_late(after: int) -> Session:
    """A session whose second object got its box after so many results of the run."""
    one = session()
    one.add(around(BOTH, 1))
    run = one.propagate()
    for _ in range(after):
        next(run)
    one.add(around(BLUE_BOX, 2))
    list(run)
    return one


def test_a_prompt_that_comes_while_it_runs_counts_for_what_was_done():
    one = prompted_late(3)
    assert [colours(one, t, 1) for t in range(1, 5)] == [{"red"}] * 4


def test_only_frames_where_something_was_taken_are_looked_at_again():
    for boxes, looks in (((RED_BOX, BLUE_BOX), 10), ((BOTH, BLUE_BOX), 11), ((BLUE_BOX, BLUE_BOX), 10)):
        one = session()
        for number, corners in enumerate(boxes, 1):
            one.add(around(corners, number))
        list(one.propagate())
        calls = one.model.network.calls
        assert len(calls.segmented) == looks, "of the same thing prompted twice, both are remembered whole"
        calls.clear()
        list(one.propagate(anew=True))
        assert len(calls.segmented) == 8, "in another run the answers are the same"


def test_the_network_gets_the_mask_that_is_left_and_a_click_where_there_were_clicks():
    for prompts, labels in (
        ([around(BOTH, 1)], []),
        ([around(BOTH, 1), PointPrompt(0, 14, 16)], [1, 0]),
    ):
        one = session()
        for prompt in (*prompts, around(BLUE_BOX, 2)):
            one.add(prompt)
        run = one.propagate()
        for _ in range(3):
            next(run)
        asked = one.model.network.calls.segmented[-1].prompts
        assert asked.point_labels.tolist() == labels and asked.correcting.any()
        assert asked.correcting[0, 0].numpy()[:, 30:].sum() == 0, "the blue disc is not part of it any more"


def test_in_a_stack_objects_are_told_apart_by_where_they_are():
    one = session("stack")
    one.add(around(BOTH, 1))
    one.add(around(BLUE_BOX, 2))
    assert len(list(one.propagate())) == one.plan(anew=True)
    assert colours(one, 0, 1) == colours(one, 4, 1) == {"red", "blue"}


def test_what_was_drawn_is_final():
    one = session()
    mask = np.zeros((48, 64), bool)
    mask[2:28, 30:56] = True  # around the blue disc, which is shown on it as its part
    one.add(MaskPrompt(0, mask, 1))
    one.add(around(BLUE_BOX, 2))
    assert len(list(one.propagate())) == one.plan(anew=True), "the drawn object is not asked for again"
    np.testing.assert_array_equal(one.result(0, 1).mask, mask)
    assert np.count_nonzero(one.labels(0) == 2) == one.result(0, 2).area


def test_without_the_other_object_the_frame_is_whole_at_once():
    for away in (lambda one: one.reset(2), lambda one: one.remove(around(BLUE_BOX, 2))):
        one = session()
        one.add(around(BOTH, 1))
        one.add(around(BLUE_BOX, 2))
        list(one.propagate())
        away(one)
        assert colours(one, 0, 1) == {"red", "blue"}
        assert one.segment(0, 1).area == one.result(0, 1).area
        assert one.undo() and colours(one, 0, 1) == {"red"}


def test_a_run_of_one_object_heeds_only_what_others_say_now():
    one = session()
    one.add(around(BOTH, 1))
    one.add(around(BLUE_BOX, 2))
    list(one.propagate())
    one.replace_prompts(2, 0, [BoxPrompt(0, 30, 2, 40, 10, 2)])  # elsewhere, and not asked yet
    list(one.propagate(objects=[1]))
    assert colours(one, 0, 1) == {"red", "blue"}


def test_what_was_remembered_of_both_is_forgotten():
    for entry in prompted_late(4).memory(1).entries:
        red, _, blue = entry.payload.tokens["colour"][0].tolist()
        assert red > 2 * blue, f"frame {entry.frame}"


@pytest.mark.parametrize("loose", [(0.0, 0.0), (0.1, 0.1), (0.0, 0.1)])
def test_of_a_thing_that_is_prompted_twice_both_keep_all(loose):
    rng = np.random.default_rng(0)
    truth = disc((96, 96), 48, 48, 17)
    frames = [(np.where(truth, 170, 70) + rng.normal(0, 12, truth.shape)).astype(np.uint8) for _ in range(2)]
    one = Session(load_model("micro"), frames, mode="flow", contrast=PLAIN)
    for number, (y0, x0, y1, x1) in enumerate([(30.5, 30.5, 65.5, 65.5), (32, 29, 64, 66.5)], 1):
        out = 35 * loose[number - 1]
        one.add(BoxPrompt(0, y0 - out, x0 - out, y1 + out, x1 + out, number))
    list(one.propagate())
    assert min(dice(one.result(0, number).mask, truth) for number in (1, 2)) > 0.9


def found(*corners: int) -> FrameResult:
    mask = np.zeros((60, 60), bool)
    mask[corners[0] : corners[2], corners[1] : corners[3]] = True
    return FrameResult(0, 2, mask, 0.9, 0.9, 1.0, True, seconds=0.1)


@pytest.mark.parametrize(
    ("prompt", "more"),
    [
        (BoxPrompt(0, 9.5, 9.5, 39.5, 39.5), False),
        (BoxPrompt(0, 8, 8, 41, 41), False),  # as careless as a user is
        (BoxPrompt(0, 6.5, 6.5, 42.5, 42.5), False),  # a tenth too large on each side
        (BoxPrompt(0, 2, 2, 47, 47), True),
        (BoxPrompt(0, 15, 15, 30, 30), False),  # a part of it
        (BoxPrompt(0, 9.5, 30, 39.5, 59), True),
        (PointPrompt(0, 25, 25), False),
        (PointPrompt(0, 25, 42), False),
        (PointPrompt(0, 25, 45), True),
        (PointPrompt(0, 25, 45, positive=False), False),
    ],
)
def test_prompts_that_ask_for_more_than_another_object_mean_another_thing(prompt, more):
    assert asks_for_more(FramePrompts.of(prompt), FramePrompts(2, 0), found(10, 10, 40, 40)) is more
    assert not asks_for_more(FramePrompts.of(prompt), FramePrompts(2, 0), found(0, 0, 0, 0)), (
        "of nothing nothing is told"
    )


def test_boxes_are_compared_with_boxes():
    loose, tight = BoxPrompt(0, 2, 2, 47, 47), BoxPrompt(0, 9.5, 9.5, 39.5, 39.5)
    assert not asks_for_more(FramePrompts.of(loose), FramePrompts.of(loose), found(10, 10, 40, 40)), (
        "as loose as the other one"
    )
    assert asks_for_more(FramePrompts.of(loose), FramePrompts.of(tight), found(2, 2, 47, 47))


def test_what_was_taken_is_undone_with_the_run():
    one = session()
    one.add(around(BOTH, 1))
    one.add(around(BLUE_BOX, 2))
    one.segment(0, 1)
    one.segment(0, 2)
    before = state(one)
    list(one.propagate())
    assert colours(one, 0, 1) == {"red"}
    assert one.undo()
    assert state(one) == before and colours(one, 0, 1) == {"red", "blue"}


def test_overlap_counts_against_the_confidence():
    one = session("stack")
    one.add(PointPrompt(0, 14, 42, object_id=2))
    list(one.propagate())
    alone = one.confidences(2)
    np.testing.assert_allclose(alone, [one.result(t, 2).confidence for t in range(5)])
    one.add(around(BLUE_BOX, 3))
    list(one.propagate())
    for number in (2, 3):
        np.testing.assert_allclose(one.confidences(number), alone / 2, err_msg="two on the same thing")
    assert np.isnan(one.confidences(9)).all()

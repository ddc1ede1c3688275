"""How little a click changes in a flow, where a frame may show many things."""

from __future__ import annotations

import numpy as np
import pytest

from napari_medsam2.memory_bank import Fifo
from napari_medsam2.prompts import BoxPrompt, FramePrompts, PointPrompt, Prompt
from napari_medsam2.segment.corrections import clicked_away, settle, settled
from napari_medsam2.segment.task import FrameTask
from napari_medsam2.types import Mask


def squares(*corners: tuple[int, int], side: int = 8) -> Mask:
    mask = np.zeros((40, 60), bool)
    for y, x in corners:
        mask[y : y + side, x : x + side] = True
    return mask


def task(before: Mask | None, *prompts: Prompt) -> FrameTask:
    return FrameTask(FramePrompts.of(*prompts), Fifo(), correcting=before)


BEFORE = squares((4, 4), (4, 40))


def test_a_part_that_a_click_adds_is_added_and_nothing_else() -> None:
    answer = squares((24, 4), (24, 40))  # it also lost what was there, and found a part that nobody asked for
    done = settled(answer, task(BEFORE, PointPrompt(0, 27, 7)))
    np.testing.assert_array_equal(done, BEFORE | squares((24, 4)))


def test_a_part_that_a_click_takes_away_goes_and_nothing_else() -> None:
    done = settled(squares((24, 4)), task(BEFORE, PointPrompt(0, 7, 43, positive=False)))
    np.testing.assert_array_equal(done, squares((4, 4)))


def test_clicks_that_add_and_take_away_count_each() -> None:
    clicks = PointPrompt(0, 27, 7), PointPrompt(0, 7, 43, positive=False)
    done = settled(squares((4, 4), (24, 4)), task(BEFORE, *clicks))
    np.testing.assert_array_equal(done, squares((4, 4), (24, 4)))


def test_a_red_click_on_what_has_grown_onto_a_thing_leaves_the_thing() -> None:
    grown = squares((4, 4), (4, 12))
    done = settled(squares((4, 4)), task(grown, PointPrompt(0, 8, 16, positive=False)))
    np.testing.assert_array_equal(done, squares((4, 4)))


def test_a_click_that_the_answer_did_not_follow_changes_a_disc() -> None:
    """As large as fits into what is wrong: for a hole up to its rim, for a red click up to the border of the thing."""
    holed = squares((4, 4), side=24) & ~squares((12, 12), side=8)
    done = settled(holed, task(holed, PointPrompt(0, 15.6, 15.6)))
    assert done is not None and done[16, 16] and not done[12, 12], "the corners are for a second click"
    assert 20 <= np.count_nonzero(done & ~holed) <= 52
    assert not (holed & ~done).any()
    thing = squares((4, 4), side=24)
    done = settled(thing, task(thing, PointPrompt(0, 8, 16, positive=False)))
    assert done is not None and not done[8, 16] and done[16, 16]
    assert not (done & ~thing).any()


def test_a_click_that_says_otherwise_keeps_a_part_from_being_turned_over() -> None:
    clicks = PointPrompt(0, 10, 10), PointPrompt(0, 6, 6, positive=False)
    thing = squares((4, 4), side=24)
    done = settled(np.zeros_like(thing), task(thing, *clicks))
    assert done is not None and done[10, 10] and not done[6, 6]


@pytest.mark.parametrize("y", [0, 39])
def test_clicks_at_the_edge_of_the_image_stay_in_it(y: int) -> None:
    done = settled(BEFORE, task(BEFORE, PointPrompt(0, y + (0.4 if y else -0.4), 59.4)))
    assert done is not None and done[y, 59]


def test_a_click_on_what_is_right_confirms_it() -> None:
    done = settled(squares((24, 4)), task(BEFORE, PointPrompt(0, 7, 7), PointPrompt(0, 30, 30, positive=False)))
    np.testing.assert_array_equal(done, BEFORE)


@pytest.mark.parametrize("before", [None, np.zeros((40, 60), bool)])
def test_nothing_is_settled_where_nothing_was_found(before: Mask | None) -> None:
    assert settled(BEFORE, task(before, PointPrompt(0, 7, 7))) is None


def test_a_box_says_it_all_anew() -> None:
    assert settled(squares((4, 4)), task(BEFORE, BoxPrompt(0, 4, 4, 12, 12), PointPrompt(0, 7, 7))) is None


def test_the_mask_that_clicks_settled_did_not_change_for_the_question() -> None:
    before = BEFORE.copy()
    settled(squares((4, 4)), task(before, PointPrompt(0, 7, 43, positive=False)))
    np.testing.assert_array_equal(before, BEFORE)


def test_logits_say_what_is_shown_and_stay_where_they_said_it() -> None:
    logits = np.where(squares((4, 4), (24, 4)), np.float32(6), np.float32(-5))
    mask, done = logits > 0, squares((4, 4), (4, 40))
    settle(logits, mask, done)
    np.testing.assert_array_equal(logits > 0, done)
    np.testing.assert_array_equal(mask, done)
    assert logits[5, 5] == 6 and logits[35, 50] == -5 and logits[5, 45] == 1 and logits[25, 5] == -1


def red(y: float, x: float) -> PointPrompt:
    return PointPrompt(0, y, x, positive=False)


def logits_of(mask: Mask) -> np.ndarray:
    """Surer to the right."""
    return np.where(mask, np.linspace(1, 8, mask.shape[1], dtype=np.float32), np.float32(-8))


def test_a_red_click_takes_away_the_whole_part_that_it_is_on_wherever_it_is_on_it() -> None:
    for x in (40, 44, 47):
        away = clicked_away(logits_of(BEFORE), BEFORE, FramePrompts.of(BoxPrompt(0, 2, 2, 14, 50), red(7, x)))
        np.testing.assert_array_equal(away, squares((4, 40)))


def test_of_the_only_part_or_one_with_a_green_click_what_is_surer_than_at_the_red_click_stays() -> None:
    for prompts, mask in (((), squares((4, 40))), ((PointPrompt(0, 7, 46),), BEFORE)):
        away = clicked_away(logits_of(mask), mask, FramePrompts.of(*prompts, red(7, 42)))
        assert away is not None and away[7, 42] and not away[7, 47] and not away[:, :30].any()


@pytest.mark.parametrize("green", [(), (PointPrompt(0, 8, 30),)])
def test_a_red_click_takes_what_is_around_it_however_sure_the_network_is(green: tuple[PointPrompt, ...]) -> None:
    """As large a disc as fits into the part, and nothing of what a green click is on."""
    mask = np.zeros((40, 60), bool)
    mask[2:18, 4:56] = True
    surest = np.where(mask, -np.abs(np.arange(60) - 20.0) * 0.1 + 9, -8).astype(np.float32)
    surest[9, 19:22] = 1  # of all only this is less sure
    away = clicked_away(surest, mask, FramePrompts.of(BoxPrompt(0, 2, 4, 18, 56), *green, red(9, 20)))
    assert away is not None
    rows, columns = np.ogrid[:40, :60]
    distance = np.hypot(rows - 9, columns - 20)
    assert away[distance < (4 if green else 8)].all() and not away[distance > 8.5].any()
    assert not any(away[int(click.y), int(click.x)] for click in green)


def test_a_red_click_beside_the_object_takes_nothing_away() -> None:
    assert clicked_away(logits_of(BEFORE), BEFORE, FramePrompts.of(BoxPrompt(0, 2, 2, 14, 50), red(30, 30))) is None

"""Prompts of one object on one frame as one value: what they say, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest

from napari_medsam2.errors import PromptError
from napari_medsam2.prompts import (
    BoxPrompt,
    FramePrompts,
    MaskPrompt,
    PointPrompt,
    by_object_and_frame,
    in_replay_order,
)

GREEN, RED = PointPrompt(0, 3, 4), PointPrompt(0, 8, 9, positive=False)
BOX = BoxPrompt(0, 1, 1, 6, 7)
EMPTY = MaskPrompt(0, np.zeros((20, 30), bool))


def drawn(*rows: int) -> MaskPrompt:
    mask = np.zeros((20, 30), bool)
    mask[list(rows)] = True
    return MaskPrompt(0, mask)


def test_they_are_told_apart_by_kind_in_the_order_given() -> None:
    prompts = FramePrompts.of(RED, BOX, GREEN)
    assert prompts.points == (RED, GREEN) and prompts.positive == (GREEN,) and prompts.negative == (RED,)
    assert prompts.boxes == (BOX,) and prompts.mask is None and not prompts.only_clicks
    assert list(prompts) == [RED, BOX, GREEN] and len(prompts) == 3


@pytest.mark.parametrize(
    ("prompts", "says_where", "erases", "only_clicks"),
    [
        (FramePrompts(1, 0), False, False, True),
        (FramePrompts.of(RED), False, False, True),
        (FramePrompts.of(RED, GREEN), True, False, True),
        (FramePrompts.of(BOX), True, False, False),
        (FramePrompts.of(EMPTY), True, True, False),
        (FramePrompts.of(EMPTY, drawn(3)), True, False, False),
    ],
)
def test_what_they_say(prompts: FramePrompts, says_where: bool, erases: bool, only_clicks: bool) -> None:
    assert (prompts.says_where, prompts.erases, prompts.only_clicks) == (says_where, erases, only_clicks)
    assert prompts.shows_object == (says_where and not erases)


def test_several_masks_are_one() -> None:
    mask = FramePrompts.of(drawn(2), GREEN, drawn(5)).mask
    assert mask is not None and np.flatnonzero(mask.any(1)).tolist() == [2, 5]


def test_more_and_less_make_new_ones() -> None:
    prompts = FramePrompts.of(GREEN)
    more = prompts.plus(drawn(2), RED)
    assert len(prompts) == 1 and len(more) == 3
    assert more.less(drawn(2)).same_as(FramePrompts.of(GREEN, RED)), "an equal mask is the same prompt"
    assert more.without_masks().same_as(FramePrompts.of(GREEN, RED))
    assert not FramePrompts.of(GREEN, RED).same_as(FramePrompts.of(RED, GREEN))
    assert not more.less(GREEN).less(RED).less(drawn(2))


def test_another_object_s_or_frame_s_prompt_is_refused() -> None:
    with pytest.raises(PromptError, match="object 2 on frame 0 was given for object 1 on frame 0"):
        FramePrompts(1, 0, (PointPrompt(0, 1, 1, object_id=2),))
    with pytest.raises(PromptError, match="object 1 on frame 3"):
        FramePrompts.of(GREEN, PointPrompt(3, 1, 1))


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        (PointPrompt(0, 20, 4), "the click at y=20, x=4 is outside the image of 20 x 30 pixels"),
        (BoxPrompt(0, 25, 4, 28, 9), "is outside the image of 20 x 30 pixels"),
        (MaskPrompt(0, np.ones((20, 31), bool)), r"the shape of its frame, \(20, 30\); got \(20, 31\)"),
        (PointPrompt(0, 3.2, 4.1, positive=False), "contradict each other on pixel y=3, x=4"),
    ],
)
def test_what_does_not_fit_the_frame_is_refused_in_words(prompt: object, words: str) -> None:
    with pytest.raises(PromptError, match=words):
        FramePrompts.of(GREEN, prompt).check((20, 30))  # type: ignore[arg-type]


def test_they_are_gathered_by_object_and_frame_and_replayed_with_not_here_last() -> None:
    other = PointPrompt(2, 5, 5, object_id=2)
    groups = by_object_and_frame([EMPTY, other, PointPrompt(1, 2, 2), other])
    assert list(groups) == [(1, 0), (2, 2), (1, 1)] and len(groups[2, 2]) == 2
    assert [(g.object_id, g.frame) for g in in_replay_order([EMPTY, other, PointPrompt(1, 2, 2)])] == [
        (2, 2),
        (1, 1),
        (1, 0),
    ]

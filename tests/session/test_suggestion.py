"""Which frame the session asks for next."""

from __future__ import annotations

import numpy as np
import pytest
from fakes import PLAIN, blob_model, disc, stack_session

from napari_medsam2.errors import PromptError
from napari_medsam2.prompts import PointPrompt
from napari_medsam2.session.session import Session

BRIGHT, DARK, OTHER = (200, 40, 40), (120, 24, 24), (200, 190, 40)


def flow_session(*colours: tuple[int, int, int]) -> Session:
    """A disc of the given colour on each image, at the same place; the darker it is, the less sure the network is."""
    frames = np.full((len(colours), 48, 64, 3), 10, np.uint8)
    for frame, colour in zip(frames, colours, strict=True):
        frame[disc((48, 64), 24, 30, 7)] = colour
    return Session(blob_model(), frames, mode="flow", contrast=PLAIN)


def test_the_least_sure_frame_is_asked_for_until_none_is_left() -> None:
    session = flow_session(BRIGHT, BRIGHT, OTHER, DARK)
    asked = []
    frame: int | None = 0
    while frame is not None:
        asked.append(frame)
        session.add(PointPrompt(frame, 24, 30))
        list(session.propagate())
        frame = session.next_to_prompt()
    assert asked == [0, 2, 3, 1], "what was not found at all, what is dark, the rest"


def test_frames_without_a_result_count_as_unsure() -> None:
    session = flow_session(BRIGHT, DARK, BRIGHT, BRIGHT, BRIGHT)
    session.add(PointPrompt(0, 24, 30))
    assert session.next_to_prompt() == 1, "nothing is known yet"
    run = session.propagate()
    for _ in range(3):
        next(run)
    assert session.next_to_prompt() == 3
    assert [result.frame for result in run] == [3, 4]
    assert session.next_to_prompt() == 1


def test_several_objects_are_asked_for_together_or_one_alone() -> None:
    session = flow_session(BRIGHT, BRIGHT, OTHER)
    session.add(PointPrompt(0, 24, 30, object_id=1))
    session.add(PointPrompt(0, 24, 30, object_id=2))
    session.add(PointPrompt(2, 24, 30, object_id=2))
    list(session.propagate())
    assert session.next_to_prompt() == 2, "the first object was not prompted there"
    assert session.next_to_prompt(1) == 2
    assert session.next_to_prompt(2) == 1
    session.add(PointPrompt(1, 24, 30, object_id=2))
    assert session.next_to_prompt(2) is None and session.next_to_prompt() is not None


def test_in_a_stack_frames_far_from_the_prompts_come_first_before_anything_is_known() -> None:
    session, masks = stack_session(8)
    y, x = np.argwhere(masks[0]).mean(axis=0)
    session.add(PointPrompt(0, float(y), float(x)))
    assert session.next_to_prompt() == 7


def test_without_a_prompt_nothing_can_be_named() -> None:
    session = flow_session(BRIGHT, BRIGHT)
    with pytest.raises(PromptError, match="nothing has a prompt yet"):
        session.next_to_prompt()
    session.add(PointPrompt(0, 24, 30))
    with pytest.raises(PromptError, match="object 2 has no prompt yet"):
        session.next_to_prompt(2)

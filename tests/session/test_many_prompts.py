"""Thousands of prompts are taken without planning the whole stack for each."""

from __future__ import annotations

import numpy as np
import pytest
from fakes import PLAIN, blob_model
from hypothesis import given
from hypothesis import strategies as st

from napari_medsam2.prompts import PointPrompt
from napari_medsam2.session import object_state
from napari_medsam2.session.planning import origins_of, stack_steps
from napari_medsam2.session.session import Session


def test_prompts_before_the_first_result_plan_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    planned: list[int] = []

    def counted(*arguments: object) -> object:
        planned.append(1)
        return stack_steps(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(object_state, "stack_steps", counted)
    frames = np.broadcast_to(np.uint8(0), (400, 64, 64))
    session = Session(blob_model(), frames, mode="stack", contrast=PLAIN)
    for t in range(200):
        session.add(PointPrompt(t, 5, 5, object_id=1 + t % 3))
    assert len(session.prompts) == 200 and not planned
    session.segment(7, object_id=2)
    session.add(PointPrompt(300, 5, 5, object_id=2))
    assert planned, "what was found may be stale"


@given(st.sets(st.integers(0, 40), min_size=1), st.sets(st.integers(0, 40)))
def test_a_correction_comes_from_the_nearest_prompt_that_is_none(prompted: set[int], corrections: set[int]) -> None:
    first = sorted(prompted - corrections) or sorted(prompted)
    nearest = {t: min(first, key=lambda other: (abs(other - t), other)) for t in prompted}
    assert origins_of(sorted(prompted), corrections) == nearest

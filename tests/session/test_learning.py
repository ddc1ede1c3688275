"""Learning from drawn masks: a few at once, hundreds only if asked for, and what it costs is said before."""

from __future__ import annotations

import numpy as np
import pytest
from fakes import blob_model

from napari_medsam2.prompts import BoxPrompt, MaskPrompt
from napari_medsam2.segment.options import MOST_LEARNED
from napari_medsam2.session.learning import learning_of
from napari_medsam2.session.options import SessionOptions
from napari_medsam2.session.session import Session


def crowd(count: int, adapt: bool | None = None, mode: str = "stack") -> tuple[Session, list[int]]:
    """A session on small squares, each with a mask on the first frame, and how often its network learned."""
    labels = np.zeros((80, 80), int)
    for k in range(count):
        y, x = divmod(k, 10)
        labels[8 * y + 1 : 8 * y + 6, 8 * x + 1 : 8 * x + 6] = k + 1
    model = blob_model(region=True)
    learned: list[int] = []
    model.network.adapts = True
    model.network.adapt = lambda views: learned.append(1)  # type: ignore[method-assign]
    frames = np.stack([np.where(labels > 0, 204, 25).astype(np.uint8)] * 2)
    session = Session(model, frames, mode=mode, options=SessionOptions(adapt=adapt))  # type: ignore[arg-type]
    for k in range(count):
        session.add(MaskPrompt(0, labels == k + 1, k + 1))
    return session, learned


@pytest.mark.parametrize("mode", ["stack", "flow"])
@pytest.mark.parametrize(
    ("count", "adapt", "learns"),
    [(3, None, True), (MOST_LEARNED + 1, None, False), (MOST_LEARNED + 1, True, True), (3, False, False)],
)
def test_from_how_many_masks_the_network_learns(count: int, adapt: bool | None, learns: bool, mode: str) -> None:
    session, learned = crowd(count, adapt, mode)
    results = list(session.propagate())
    assert len(learned) == (count if learns else 0)
    assert {result.object_id for result in results if result.frame == 1} == set(range(1, count + 1))


def test_what_it_costs_is_said_before_the_run() -> None:
    few, _ = crowd(2)
    assert learning_of(few) is None  # a moment
    some, learned = crowd(12)
    told = learning_of(some)
    assert told is not None and not told.left_out and told.words == "Learning from 12 drawn masks takes about 24 s."
    assert not learned
    many = learning_of(crowd(MOST_LEARNED + 5)[0])
    assert many is not None and many.left_out
    assert many.words == "Learning from 45 drawn masks would take about 2 min, so it is left out."
    asked = learning_of(crowd(MOST_LEARNED + 5, adapt=True)[0])
    assert asked is not None and not asked.left_out and "takes about" in asked.words
    assert learning_of(crowd(12, adapt=False)[0]) is None


def test_other_prompts_and_networks_that_do_not_learn_cost_nothing() -> None:
    session, _ = crowd(0)
    for k in range(1, 30):
        session.add(BoxPrompt(0, 1, 1, 9, 9, k))
    assert learning_of(session) is None
    session, _ = crowd(30)
    session.model.network.adapts = False
    assert learning_of(session) is None

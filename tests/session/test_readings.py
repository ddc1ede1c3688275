"""An ambiguous prompt: the second-best reading is kept, and one more click chooses it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from two_readings import BOX, CELL, NUCLEUS, cells, model_of_parts

from napari_medsam2.images.formats import as_frames
from napari_medsam2.network.sam2.decoded import Decoded, as_chosen
from napari_medsam2.network.sam2.mask_decoder import Candidates
from napari_medsam2.prompts import PointPrompt
from napari_medsam2.session.recorded import RecordedSession
from napari_medsam2.session.replay import replay
from napari_medsam2.session.session import Session
from napari_medsam2.types import Mask, Mode
from napari_medsam2.wire.codec import decode, encode


def open_cells(kind: type[Session] = Session, mode: Mode = "stack", n_frames: int = 3) -> Any:
    return kind(model_of_parts(), as_frames(cells(n_frames)), mode=mode)


def shown(session: Session) -> Mask:
    return session.segment(0).mask


@pytest.mark.parametrize("mode", ["stack", "flow"])
def test_one_click_chooses_the_second_best_reading_and_undo_brings_the_first_back(mode: Mode) -> None:
    session = open_cells(mode=mode)
    session.add(BOX)
    assert session.other_reading(0) is None, "nothing is segmented yet"
    assert (shown(session) == CELL).all()
    click = session.other_reading(0)
    assert click is not None and not click.positive and CELL[int(click.y), int(click.x)]
    session.add(click)
    assert session.other_reading(0) is None
    assert (shown(session) == NUCLEUS).all()
    assert session.other_reading(0) is None, "the click says which is meant"
    while not (session.result(0) is not None and session.result(0).area == CELL.sum()):
        assert session.undo()
    assert session.other_reading(0) == click


def test_a_click_that_the_shown_reading_agrees_with_changes_nothing() -> None:
    session = open_cells()
    session.add(BOX)
    session.add(PointPrompt(0, 32, 44))
    assert (shown(session) == CELL).all()


def test_what_no_reading_agrees_with_corrects_the_one_that_was_chosen() -> None:
    session = open_cells(mode="flow")
    for prompt in (BOX, PointPrompt(0, 32, 44, False), PointPrompt(0, 32, 38)):
        session.add(prompt)
    found = shown(session)
    assert found[32, 38] and found[NUCLEUS].all() and not found[32, 44]


def test_a_chosen_reading_is_carried_on_and_comes_again_from_a_journal() -> None:
    session = open_cells(RecordedSession)
    session.add(BOX)
    shown(session)
    session.add(session.other_reading(0))
    results = {(r.frame, r.object_id): r for r in session.propagate()}
    again = replay(session.noted(), results, session.frames, lambda name: session.model)
    assert not again.others and not again.not_computed and (again.results[0, 1].mask == NUCLEUS).all()


def test_the_click_for_the_other_reading_goes_over_the_network() -> None:
    session = open_cells()
    session.add(BOX)
    result = session.segment(0)
    assert result.other is not None
    assert decode(type(result), encode(result), lambda frame: (64, 64)).other == result.other


def test_sam_2_keeps_its_several_masks() -> None:
    def logits(mask: Mask) -> Tensor:
        return torch.from_numpy(np.where(mask, 5.0, -5.0).astype(np.float32))[None, None]

    masks = torch.cat([logits(NUCLEUS), logits(CELL), logits(NUCLEUS), logits(CELL)], 1)
    found = Candidates(masks, torch.tensor([[0.9, 0.8, 0.7, 0.6]]), torch.arange(4.0).view(1, 4, 1), torch.ones(1, 1))
    run = Decoded(masks[:, :1], found.iou[:, :1], found.score, torch.zeros(1, 1), found, torch.zeros(1).long())
    same, readings = as_chosen(run, None, 64, lambda token: token)
    assert same is run and [int((reading > 0).sum()) for reading in readings] == [NUCLEUS.sum(), CELL.sum()]
    other, readings = as_chosen(run, torch.tensor([[44.0, 32.0, 1.0]]), 64, lambda token: token)
    assert other.pointer.item() == 1 and other.iou.item() == pytest.approx(0.8) and other.logits is readings[0]
    assert int((other.logits > 0).sum()) == CELL.sum()

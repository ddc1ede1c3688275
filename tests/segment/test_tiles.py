"""Large frames in tiles: how large tiles are, where they lie, how answers become one, and that crowds are found."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from fakes import PLAIN, blob_model, disc

from napari_medsam2.geometry.boxes import box_of_mask
from napari_medsam2.geometry.window import OUTSIDE_LOGIT, Window
from napari_medsam2.prompts import BoxPrompt, FramePrompts, MaskPrompt, PointPrompt, Prompt
from napari_medsam2.segment.tiles import (
    PROMPTED_WEIGHT,
    TileOptions,
    blended,
    fullest,
    inside,
    length_of_things,
    tile_side,
    tile_windows,
    windows_on,
)
from napari_medsam2.session.session import Session

OPTIONS = TileOptions()


def drawn(*boxes: tuple[int, int, int, int], shape: tuple[int, int] = (100, 100)) -> np.ndarray:
    mask = np.zeros(shape, bool)
    for y0, x0, y1, x1 in boxes:
        mask[y0:y1, x0:x1] = True
    return mask


# ---- how large -------------------------------------------------------------------------------------------------------


def test_the_length_of_a_thing_is_that_of_the_box_in_the_middle() -> None:
    boxes = [BoxPrompt(0, 0, 0, 10, 12), BoxPrompt(0, 0, 0, 30, 20), BoxPrompt(0, 0, 0, 90, 5)]
    assert length_of_things(FramePrompts.of(*boxes)) == 30
    assert length_of_things(FramePrompts.of(boxes[0], PointPrompt(0, 5, 5))) == 12


def test_in_a_mask_specks_do_not_count_for_much() -> None:
    specks = [(2 * k, 90, 2 * k + 1, 91) for k in range(20)]
    assert length_of_things(FramePrompts.of(MaskPrompt(0, drawn((10, 10, 30, 40), (60, 10, 80, 35), *specks)))) == 30


def test_clicks_and_empty_masks_have_no_length() -> None:
    assert length_of_things(FramePrompts.of(PointPrompt(0, 3, 4))) is None
    assert length_of_things(FramePrompts.of(MaskPrompt(0, drawn()))) is None
    assert length_of_things(FramePrompts(1, 0)) is None


def test_things_that_are_large_enough_in_the_whole_frame_need_no_tiles() -> None:
    assert tile_side(60, (360, 360), 256, OPTIONS) is None
    assert tile_side(60, (2160, 2160), 256, OPTIONS) is not None


@pytest.mark.parametrize("length", [3, 10, 30, 60, 110])
def test_in_a_tile_things_are_about_as_large_as_wanted_and_there_are_not_too_many(length: float) -> None:
    shape = (2048, 1500)
    side = tile_side(length, shape, 256, OPTIONS)
    assert side is not None
    count = len(tile_windows(shape, side, OPTIONS))
    assert 1 < count <= OPTIONS.most
    assert side >= 256 / OPTIONS.magnified / 1.2
    if length >= 60:
        assert length * 256 / side == pytest.approx(OPTIONS.wanted, rel=0.2)


def test_kinds_of_about_one_size_share_their_tiles() -> None:
    assert tile_side(60, (2048, 2048), 256, OPTIONS) == tile_side(64, (2048, 2048), 256, OPTIONS)


# ---- where -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(100, 100), (64, 300), (301, 47), (65, 64)])
def test_tiles_cover_the_frame_on_whole_pixels_and_overlap(shape: tuple[int, int]) -> None:
    windows = tile_windows(shape, 64, OPTIONS)
    seen = np.zeros(shape, int)
    for window in windows:
        y, x = window.y0 + 0.5, window.x0 + 0.5
        assert y == int(y) and x == int(x) and window.size_y == window.size_x == 64
        seen[max(int(y), 0) : int(y) + 64, max(int(x), 0) : int(x) + 64] += 1
    assert seen.min() >= 1
    corners = sorted({window.x0 for window in windows})
    assert all(b - a <= 64 * (1 - OPTIONS.overlap) + 1 for a, b in pairwise(corners))
    if shape[1] > 64:
        assert corners[0] == -0.5 and corners[-1] + 64 == shape[1] - 0.5


def test_places_that_lie_together_share_a_window() -> None:
    windows = windows_on([(10, 10, 20, 20), (30, 30, 30, 30), (80, 80, 90, 90)], (100, 100), 50)
    assert windows == [Window(-0.5, -0.5, 50, 50), Window(49.5, 49.5, 50, 50)]


def test_a_window_shows_the_clicks_in_it_and_the_boxes_whose_middle_it_holds() -> None:
    prompts: list[Prompt] = [
        BoxPrompt(0, 5, 5, 20, 20),
        BoxPrompt(0, 30, 30, 90, 90),
        PointPrompt(0, 8, 8, positive=False),
        PointPrompt(0, 60, 8),
    ]
    assert inside(FramePrompts.of(*prompts), Window(-0.5, -0.5, 50, 50)).given == (prompts[0], prompts[2])


def test_the_fullest_window_shows_most_of_a_mask() -> None:
    windows = tile_windows((100, 100), 40, OPTIONS)
    assert fullest(windows, drawn((70, 70, 95, 95), (5, 5, 10, 10))) == windows[-1]


# ---- one answer ------------------------------------------------------------------------------------------------------


def flat(value: float, side: int = 16) -> torch.Tensor:
    return torch.full((1, 1, side, side), value)


def test_tiles_that_agree_make_an_even_frame() -> None:
    windows = tile_windows((100, 70), 40, OPTIONS)
    answers = [(window, flat(3.0)) for window in windows]
    assert blended(answers, [1.0] * len(windows), (100, 70)) == pytest.approx(3.0, abs=1e-5)


def test_where_tiles_disagree_the_one_that_sees_more_around_counts_for_more() -> None:
    left, right = Window(-0.5, -0.5, 40, 40), Window(-0.5, 19.5, 40, 40)
    answers = [(left, flat(-4.0)), (right, flat(4.0))]
    row = blended(answers, [1.0, 1.0], (40, 60))[20]
    assert (row[:20] == -4).all() and (row[40:] == 4).all()
    assert (np.diff(row[20:40]) > 0).all() and row[20:30].max() < 0 < row[30:40].min()
    prompted = blended(answers, [1.0, PROMPTED_WEIGHT], (40, 60))[20]
    assert (prompted[25:39] > row[25:39]).all()


def test_pixels_that_no_window_shows_are_outside() -> None:
    frame = blended([(Window(9.5, 9.5, 20, 20), flat(1.0))], [1.0], (40, 40))
    assert frame[5, 5] == OUTSIDE_LOGIT and frame[20, 20] == 1


# ---- in a session ----------------------------------------------------------------------------------------------------

SHAPE = (640, 480)


def crowds(n_frames: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Frames with a grid of discs of radius 6, elsewhere on each, and the true masks."""
    masks = np.zeros((n_frames, *SHAPE), bool)
    for t in range(n_frames):
        for y in range(30 + 5 * t, SHAPE[0] - 10, 60):
            for x in range(25 + 7 * t, SHAPE[1] - 10, 60):
                masks[t] |= disc(SHAPE, y, x, 6)
    return np.where(masks, 204, 20).astype(np.uint8), masks


def crowd_session(**options: object) -> tuple[Session, np.ndarray]:
    frames, masks = crowds()
    return Session(blob_model(region=True), frames, mode="flow", contrast=PLAIN, **options), masks


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return float(2 * (a & b).sum() / (a.sum() + b.sum()))


PROMPTS: dict[str, list[Prompt]] = {
    "box": [BoxPrompt(0, 83.5, 78.5, 96.5, 91.5)],
    "click": [PointPrompt(0, 90, 85)],
    "far apart": [BoxPrompt(0, 83.5, 78.5, 96.5, 91.5), PointPrompt(0, 570, 385)],
    "mask": [MaskPrompt(0, crowds(1)[1][0])],
}


@pytest.mark.parametrize("kind", PROMPTS)
def test_one_of_many_small_things_finds_the_others_on_all_large_frames(kind: str) -> None:
    session, masks = crowd_session()
    for prompt in PROMPTS[kind]:
        session.add(prompt)
    results = {result.frame: result for result in session.propagate()}
    assert sorted(results) == [0, 1, 2]
    for t, result in results.items():
        assert dice(result.mask, masks[t]) > 0.9, f"frame {t}"
        assert result.window == Window.whole(SHAPE)
        assert result.objectness > 0.9
        assert result.prompted == (t == 0)
        assert result.iou == 1 if kind == "mask" and t == 0 else 0.6 < result.iou < 0.8, "of discs with soft edges"


def test_without_tiles_they_would_be_lost() -> None:
    session, masks = crowd_session(region=False)
    session.add(PROMPTS["box"][0])
    assert all(dice(result.mask, masks[result.frame]) < 0.7 for result in session.propagate())


def test_a_red_click_takes_a_thing_out_of_a_frame_in_tiles_and_nothing_else() -> None:
    session, masks = crowd_session()
    session.add(PROMPTS["box"][0])
    session.add(PointPrompt(0, 330, 265, positive=False))
    result = session.segment(0)
    away = disc(SHAPE, 330, 265, 8)
    assert not result.mask[away].any()
    assert dice(result.mask, masks[0] & ~away) > 0.9


def test_the_largest_of_the_prompted_windows_is_remembered_and_says_how_large_tiles_are() -> None:
    session, _ = crowd_session()
    session.add(PROMPTS["box"][0])
    list(session.propagate())
    memory = session.memory()
    assert memory is not None
    first = next(entry for entry in memory.entries if entry.pinned)
    assert first.tile == tile_side(13, SHAPE, 64, OPTIONS)
    assert {entry.tile for entry in memory.entries} == {first.tile}


def test_a_thing_that_is_alone_is_looked_for_without_tiles() -> None:
    masks = np.stack([disc(SHAPE, 100 + 150 * t, 90 + 100 * t, 14) for t in range(3)])
    session = Session(blob_model(region=True), np.where(masks, 204, 20).astype(np.uint8), mode="flow", contrast=PLAIN)
    session.add(BoxPrompt(0, *box_of_mask(masks[0])))
    session.segment(0)
    calls = session.model.network.calls
    calls.clear()
    for result in session.propagate():
        assert dice(result.mask, masks[result.frame]) > 0.9
    assert calls.encoded <= 2 * 2, "a look at the whole and a closer one, on two frames"


def test_frames_that_are_hardly_larger_than_a_tile_are_seen_as_a_whole() -> None:
    frames, masks = crowds(2)
    small = masks[1][:40, :45]
    both = [frames[0], np.where(small, 204, 20).astype(np.uint8)]
    session = Session(blob_model(region=True), both, mode="flow", contrast=PLAIN)
    session.add(PROMPTS["box"][0])
    last = list(session.propagate())[-1]
    assert dice(last.mask, small) > 0.8
    memory = session.memory()
    assert memory is not None and [entry.tile is None for entry in memory.entries] == [False, True]

"""Networks that are made for whole frames are shown a window where an object is too small on those, and only there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch.nn.functional as F
from fakes import PLAIN, BlobNetwork, box, click, disc

from golden.cases import build
from napari_medsam2.geometry.overlap import dice
from napari_medsam2.geometry.window import Window
from napari_medsam2.memory_bank import MemoryBank
from napari_medsam2.models.device import Model, choose_device
from napari_medsam2.network.interface import Prediction
from napari_medsam2.network.sam2.config import BEHAVIOURS
from napari_medsam2.prompts import BoxPrompt, MaskPrompt, PointPrompt, Prompt
from napari_medsam2.segment.close_up import WORTH_A_WINDOW
from napari_medsam2.segment.tiles import FOR_WHOLE_FRAMES, TileOptions, is_small
from napari_medsam2.session.options import SessionOptions
from napari_medsam2.session.session import Session

SHAPE = (900, 700)
SIZE = 128
Masks = npt.NDArray[np.bool_]


class CoarseBlobs(BlobNetwork):
    """Draws on every fourth pixel of its input, as SAM 2 does."""

    def segment(self, *args: Any, **kwargs: Any) -> Prediction:
        answer = super().segment(*args, **kwargs)
        return replace(answer, logits=F.avg_pool2d(answer.logits, 4))


def discs(radii: list[float], *, step: float = 4) -> Masks:
    """A disc that moves right by ``step`` pixels a frame, with a radius for each."""
    return np.stack([disc(SHAPE, 400, 250 + step * t, radius) for t, radius in enumerate(radii)])


def session_on(masks: Masks, *, region: bool | None = None, mode: str = "stack") -> Session:
    """On bright things in the dark, with a network that sees whole frames as 128 x 128 pixels."""
    model = Model("blobs", CoarseBlobs(SIZE).eval(), choose_device("cpu"), None)
    return Session(model, np.where(masks, 204, 20).astype(np.uint8), mode=mode, contrast=PLAIN, region=region)


def windows(session: Session) -> list[Window]:
    return [result.window for result in sorted(session.propagate(), key=lambda result: result.frame)]


PROMPTS = {
    "box": lambda masks: box(2, masks),
    "click": lambda masks: click(2, masks),
    "mask": lambda masks: MaskPrompt(2, masks[2]),
}


@pytest.mark.parametrize("kind", PROMPTS)
def test_a_small_object_is_followed_in_a_window(kind: str) -> None:
    masks = discs([12] * 6)
    session = session_on(masks)
    session.add(PROMPTS[kind](masks))
    for result in session.propagate():
        assert dice(result.mask, masks[result.frame]) > 0.95, f"frame {result.frame}"
        assert result.window.size_y < 0.2 * max(SHAPE)
        middle = result.window.x0 + result.window.size_x / 2
        assert abs(middle - (250 + 4 * result.frame)) < 10, "it follows"


def test_on_whole_frames_it_has_no_shape() -> None:
    masks = discs([12] * 6)
    session = session_on(masks, region=False)
    session.add(box(2, masks))
    for result in session.propagate():
        assert dice(result.mask, masks[result.frame]) < 0.9
        assert result.window in (Window.whole(SHAPE), None), "none where it was given up"


@pytest.mark.parametrize("kind", PROMPTS)
def test_what_is_large_enough_is_seen_on_whole_frames_also_where_it_gets_small(kind: str) -> None:
    masks = discs([20, 60, 80, 80, 40, 20])
    session = session_on(masks)
    session.add(PROMPTS[kind](masks))
    assert set(windows(session)) == {Window.whole(SHAPE)}


def test_an_object_that_grows_is_kept_whole_by_larger_windows() -> None:
    masks = discs([10, 12, 16, 22, 30, 40, 52, 66, 80], step=0)
    session = session_on(masks)
    session.add(box(0, masks))
    found = {result.frame: result for result in session.propagate()}
    assert all(dice(found[t].mask, masks[t]) > 0.9 for t in found)
    assert found[8].window.size_y > 2 * found[0].window.size_y


def test_each_object_has_its_own() -> None:
    small, large = discs([12] * 4), discs([90] * 4)
    small = np.roll(small, 300, axis=1)
    session = session_on(small | large)
    session.add(box(0, small, object_id=1))
    session.add(box(0, large, object_id=2))
    list(session.propagate())
    for (t, object_id), result in session.results.items():
        assert (result.window == Window.whole(SHAPE)) == (object_id == 2)
        assert dice(result.mask, (small, large)[object_id - 1][t]) > 0.9


def test_a_click_on_a_followed_slice_corrects_it_in_a_window_too() -> None:
    masks = discs([12] * 6)
    session = session_on(masks)
    session.add(box(2, masks))
    list(session.propagate())
    session.add(PointPrompt(4, 400, 266, positive=False))
    corrected = session.segment(4)
    assert not corrected.mask[400, 266]
    assert corrected.window.size_y < 0.2 * max(SHAPE)


def test_clicks_on_several_parts_are_all_seen() -> None:
    masks = np.stack([disc(SHAPE, 200, 150, 54) | disc(SHAPE, 700, 500, 54)] * 3)
    session = session_on(masks)
    session.add(PointPrompt(0, 200, 150))
    session.add(PointPrompt(0, 700, 500))
    for result in session.propagate():
        assert dice(result.mask, masks[result.frame]) > 0.9
        assert result.window == Window.whole(SHAPE)


def test_a_corrected_leak_does_not_lose_the_object() -> None:
    masks = discs([12] * 7, step=0)
    leaking = masks.copy()
    leaking[3, 395:405, 255:600] = True
    session = session_on(leaking)
    session.add(box(0, masks))
    list(session.propagate())
    session.add(PointPrompt(3, 400, 300, positive=False))
    found = {result.frame: result for result in session.propagate()}
    for t in (4, 5, 6):
        assert found[t].window is not None and found[t].window.size_y < WORTH_A_WINDOW * max(SHAPE)
        assert dice(found[t].mask, masks[t]) > 0.9


def test_a_box_that_reaches_beyond_the_frame_is_as_long_as_what_is_on_it() -> None:
    masks = np.stack([disc(SHAPE, 3, 300, 12)] * 3)
    session = session_on(masks)
    session.add(BoxPrompt(0, -300, 287.5, 15.5, 312.5))
    assert all(dice(result.mask, masks[result.frame]) > 0.9 for result in session.propagate())


def test_a_window_that_has_grown_as_large_as_the_frame_is_the_frame() -> None:
    masks = discs([10, 14, 20, 30, 45, 65, 95, 140, 200, 300, 380], step=0)
    session = session_on(masks)
    session.add(box(0, masks))
    last = windows(session)[-1]
    assert last == Window.whole(SHAPE)


def test_erasing_it_and_finding_nothing_leave_the_window_where_it_was() -> None:
    masks = discs([12, 12, 12, 0, 12, 12], step=0)
    masks[3] = False
    session = session_on(masks)
    session.add(box(0, masks))
    session.add(MaskPrompt(1, np.zeros(SHAPE, bool)))
    found = {result.frame: result for result in session.propagate()}
    assert not found[1].mask.any() and not found[3].mask.any()
    assert dice(found[2].mask, masks[2]) > 0.95
    assert found[3].window == found[4].window


def test_a_click_where_nothing_is_looks_at_the_whole_frame() -> None:
    session = session_on(discs([12] * 3))
    session.add(PointPrompt(0, 850, 650))
    assert session.segment(0).window == Window.whole(SHAPE)


@pytest.mark.parametrize("at", [(0, 0), (899, 699)])
def test_in_a_corner_the_window_stays_on_the_frame(at: tuple[int, int]) -> None:
    masks = np.stack([disc(SHAPE, *at, 12)] * 3)
    session = session_on(masks)
    session.add(box(0, masks))
    for result in session.propagate():
        assert dice(result.mask, masks[result.frame]) > 0.9
        assert result.window.y0 >= -0.5 and result.window.y1 <= SHAPE[0] - 0.5


def test_small_things_in_a_flow_are_looked_for_in_tiles() -> None:
    masks = np.zeros((3, *SHAPE), bool)
    for t in range(3):
        for y in range(60 + 9 * t, SHAPE[0] - 40, 150):
            for x in range(50 + 7 * t, SHAPE[1] - 40, 150):
                masks[t] |= disc(SHAPE, y, x, 11)
    session = session_on(masks, mode="flow")
    session.add(box_on(masks[0], 60, 50))
    for result in session.propagate():
        assert dice(result.mask, masks[result.frame]) > 0.7, "on a grid of every fourth pixel"
    assert session.model.network.calls.encoded <= 3 * (FOR_WHOLE_FRAMES.most + 2), (
        "not many more than large networks can"
    )
    memory = session.memory()
    assert isinstance(memory, MemoryBank)
    assert all(entry.tile for entry in memory.entries)


def box_on(mask: npt.NDArray[np.bool_], y: int, x: int) -> Prompt:
    only = np.zeros((1, *SHAPE), bool)
    only[0, y - 15 : y + 15, x - 15 : x + 15] = mask[y - 15 : y + 15, x - 15 : x + 15]
    return box(0, only)


def test_small_is_what_has_no_room_on_the_grid_that_masks_are_drawn_on() -> None:
    assert is_small(60, (4096, 4096), 1024, TileOptions())
    assert not is_small(64, (4096, 3000), 1024, TileOptions())
    assert not is_small(16, (1024, 1024), 1024, TileOptions())
    assert FOR_WHOLE_FRAMES.least == TileOptions().least


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
@pytest.mark.parametrize("mode", ["stack", "flow"])
def test_the_network_of_sam_2_runs_on_windows_and_tiles(mode: str, behaviour: str) -> None:
    """A small one with weights that mean nothing; what it finds does not matter."""
    masks = discs([9] * 3)
    model = Model("small", build("small_128", BEHAVIOURS[behaviour]), choose_device("cpu"), None)
    tiles = TileOptions(wanted=64, most=4)
    session = Session(
        model,
        np.where(masks, 204, 20).astype(np.uint8),
        mode=mode,
        contrast=PLAIN,
        options=SessionOptions(tiles=tiles, patience=None),
    )
    session.add(box(0, masks))
    results = list(session.propagate())
    assert [result.frame for result in results] == [0, 1, 2]
    memory = session.memory()
    assert memory is not None
    if mode == "stack":
        assert results[0].window.size_y < 0.2 * max(SHAPE)
    else:
        assert next(entry for entry in memory.entries if entry.pinned).tile

"""The region of interest: where the window is put, how it follows, and that small objects profit."""

from __future__ import annotations

import numpy as np
import pytest
from fakes import PLAIN, blob_model, disc, moving_disc

from napari_medsam2.geometry.boxes import box_of_mask
from napari_medsam2.geometry.window import Window
from napari_medsam2.prompts import BoxPrompt, FramePrompts, MaskPrompt, PointPrompt
from napari_medsam2.segment.windows import (
    RegionOptions,
    clicked_extent,
    connected,
    extent_of_prompts,
    follow,
    grown,
    touches_border,
    window_around,
    windows_around_clicks,
)
from napari_medsam2.session.session import Session

OPTIONS = RegionOptions(scale=2.0)


def rectangle(y0, x0, y1, x1, shape=(200, 200)):
    mask = np.zeros(shape, bool)
    mask[y0:y1, x0:x1] = True
    return mask


def test_the_box_of_a_mask_has_the_outer_edges_of_its_pixels():
    assert box_of_mask(rectangle(3, 4, 4, 5)) == (2.5, 3.5, 3.5, 4.5)
    assert box_of_mask(rectangle(0, 0, 0, 0)) is None


def test_the_extent_of_prompts_covers_boxes_masks_and_positive_clicks():
    prompts = [BoxPrompt(0, 10, 10, 20, 20), BoxPrompt(0, 30, 12, 40, 18), PointPrompt(0, 50, 15)]
    assert extent_of_prompts(FramePrompts.of(*prompts)) == (10, 10, 50.5, 20)
    assert extent_of_prompts(FramePrompts.of(*prompts[:2], PointPrompt(0, 90, 15, positive=False))) == (10, 10, 40, 20)
    assert extent_of_prompts(FramePrompts.of(MaskPrompt(0, rectangle(5, 6, 8, 9)))) == (4.5, 5.5, 7.5, 8.5)
    assert extent_of_prompts(FramePrompts.of(*prompts[2:])) is None


def test_the_window_is_a_square_twice_the_box():
    assert window_around((80, 90, 120, 110), (200, 200), 2.0, OPTIONS) == Window(60, 60, 80, 80)
    assert window_around((80, 90, 84, 94), (200, 200), 2.0, OPTIONS) == Window(72, 82, 20, 20)


def test_a_window_as_large_as_the_frame_is_centred_on_it():
    assert window_around((20, 20, 190, 190), (200, 200), 2.0, OPTIONS) == Window(-25.5, -25.5, 250, 250)
    window = window_around((10, 10, 60, 60), (64, 200), 2.0, OPTIONS)
    assert (window.y0, window.size_y) == (-18.5, 100)


def test_a_window_that_fits_into_the_frame_stays_inside():
    window = window_around((10, 10, 60, 60), (64, 200), 2.0, OPTIONS)
    assert window.x0 == -0.5  # not -15, where nothing is
    assert window_around((80, 150, 120, 190), (200, 200), 2.0, OPTIONS).x1 == 199.5
    moved = follow(Window(60, 60, 80, 80), rectangle(160, 100, 199, 140), OPTIONS)
    assert moved.y1 == 199.5


def test_following_moves_with_the_object_and_keeps_the_size_within_bounds():
    window = Window(60, 60, 80, 80)
    moved = follow(window, rectangle(90, 100, 130, 140), OPTIONS)
    assert (moved.y0 + moved.size_y / 2, moved.x0 + moved.size_x / 2) == (109.5, 119.5)
    assert moved.size_y == 80
    assert follow(window, rectangle(95, 95, 115, 115), OPTIONS).size_y == 80, "twice what it asks for is kept"
    assert follow(window, rectangle(98, 98, 102, 102), OPTIONS).size_y == 64, "far too large: smaller, but gently"
    assert follow(window, rectangle(60, 60, 140, 140), OPTIONS).size_y == 80, "growing is for the second look"
    assert follow(window, rectangle(0, 0, 0, 0), OPTIONS) == window


def test_touching_counts_only_where_the_frame_goes_on():
    window = Window(60, 60, 80, 80)
    assert touches_border(rectangle(60, 90, 100, 110), window, OPTIONS)
    assert touches_border(rectangle(90, 90, 110, 140), window, OPTIONS)
    assert not touches_border(rectangle(90, 90, 110, 110), window, OPTIONS)
    assert not touches_border(rectangle(0, 0, 200, 200), Window.whole((200, 200)), OPTIONS)
    assert grown(window, (200, 200), OPTIONS) == Window(40, 40, 120, 120)


def test_of_what_is_found_only_the_part_that_was_clicked_counts():
    mask = rectangle(10, 10, 20, 20) | rectangle(100, 100, 140, 140)
    assert clicked_extent(mask, FramePrompts.of(PointPrompt(0, 15, 15))) == (9.5, 9.5, 19.5, 19.5)
    assert clicked_extent(mask, FramePrompts.of(PointPrompt(0, 60, 60))) == (9.5, 9.5, 139.5, 139.5)
    assert clicked_extent(rectangle(0, 0, 0, 0), FramePrompts.of(PointPrompt(0, 15, 15))) is None


def test_a_click_is_looked_at_in_windows_of_several_sizes_that_hold_all_clicks():
    clicks = FramePrompts.of(PointPrompt(0, 20, 30), PointPrompt(0, 60, 30), PointPrompt(0, 190, 190, positive=False))
    windows = windows_around_clicks(clicks.positive, (200, 200), OPTIONS)
    sides = [w.size_y for w in windows]
    assert sides[0] == 180 and sides == sorted(sides, reverse=True)
    assert all(w.y0 <= 19 and w.y1 >= 61 for w in windows)


# ---- in a session ----------------------------------------------------------------------------------------------------


def small_disc_in_a_large_frame():
    """A disc of radius 6 in frames of 400 x 300: four network pixels across when the whole frame is shown."""
    return moving_disc(6, (400, 300))


@pytest.mark.parametrize("kind", ["box", "click", "mask"])
def test_a_small_object_in_a_large_frame_comes_out_sharp(kind):
    frames, masks = small_disc_in_a_large_frame()
    (y0, x0), (y1, x1) = np.argwhere(masks[2]).min(0) - 0.5, np.argwhere(masks[2]).max(0) + 0.5
    prompt = {
        "box": BoxPrompt(2, y0, x0, y1, x1),
        "click": PointPrompt(2, (y0 + y1) / 2, (x0 + x1) / 2),
        "mask": MaskPrompt(2, masks[2]),
    }[kind]
    session = Session(blob_model(region=True), frames, contrast=PLAIN)
    session.add(prompt)
    for result in session.propagate():
        overlap = 2 * (result.mask & masks[result.frame]).sum() / (result.mask.sum() + masks[result.frame].sum())
        assert overlap > 0.97, f"frame {result.frame}"
        assert result.window.size_y == result.window.size_x < 40
        assert abs(result.window.x0 + result.window.size_x / 2 - (100 + result.frame)) <= 1.5
    looks = len(session.model.network.calls.segmented)
    assert looks == 6 + (len(OPTIONS.click_sides) if kind == "click" else 0), "a click says nothing about the size"


def test_the_window_grows_with_the_object():
    masks = np.stack([disc((300, 300), 150, 150, 6 + 6 * t) for t in range(8)])
    session = Session(blob_model(region=True), np.where(masks, 204, 20).astype(np.uint8), contrast=PLAIN)
    session.add(BoxPrompt(0, 143.5, 143.5, 156.5, 156.5))
    for result in session.propagate():
        truth = masks[result.frame]
        assert 2 * (result.mask & truth).sum() / (result.mask.sum() + truth.sum()) > 0.95, f"frame {result.frame}"


def test_after_a_click_the_window_is_as_close_as_after_a_box():
    frames, masks = small_disc_in_a_large_frame()
    sides = {}
    y, x = np.argwhere(masks[2]).mean(0)
    for prompt in (PointPrompt(2, y, x), BoxPrompt(2, *box_of_mask(masks[2]))):
        session = Session(blob_model(region=True), frames, contrast=PLAIN)
        session.add(prompt)
        sides[type(prompt)] = [result.window.size_y for result in session.propagate()]
    clicked, boxed = sides[PointPrompt], sides[BoxPrompt]
    assert clicked[0] > boxed[0], "a click leaves more room for what the object may be"
    assert clicked[1:] == pytest.approx(boxed[1:])


@pytest.mark.parametrize("boxes_clicked", [False, True])
def test_what_clicks_found_is_looked_at_again_with_a_box_around_it_where_the_model_gains_by_that(boxes_clicked):
    frames, masks = small_disc_in_a_large_frame()
    model = blob_model(region=True)
    model.network.boxes_clicked = boxes_clicked
    session = Session(model, frames, contrast=PLAIN)
    y, x = np.argwhere(masks[0]).mean(0).round()
    session.add(PointPrompt(0, y, x))
    session.add(PointPrompt(0, y + 8, x, positive=False))
    result = session.segment(0)
    given = [call.prompts for call in model.network.calls.segmented]
    assert [len(prompts.boxes) for prompts in given] == [0] * (len(given) - boxes_clicked) + [1] * boxes_clicked
    assert given[-1].point_labels.tolist() == [1, 0], "the clicks stay"
    if boxes_clicked:
        side = result.window.size_y
        box = (given[-1].boxes[0] / 64 * side).tolist()
        assert max(box[2] - box[0], box[3] - box[1]) == pytest.approx(side / 1.6, abs=1)
        assert session.prompts[0] == PointPrompt(0, y, x) and len(session.prompts) == 2, "no prompt of the user's"
    assert 2 * (result.mask & masks[0]).sum() / (result.mask.sum() + masks[0].sum()) > 0.95


def test_parts_that_were_clicked_get_a_box_each_and_what_lies_between_them_stays_out():
    masks = [disc((200, 200), 100, x, 8) for x in (70, 100, 130)]
    frames = np.where(np.logical_or.reduce(masks), 204, 20).astype(np.uint8)[None].repeat(2, 0)
    model = blob_model(region=True)
    model.network.boxes_clicked = True
    session = Session(model, frames, contrast=PLAIN)
    for x in (70, 130):
        session.add(PointPrompt(0, 100, x))
    mask = session.segment(0).mask
    assert not mask[masks[1]].any() and np.count_nonzero(mask ^ (masks[0] | masks[2])) < 0.15 * mask.sum()
    assert len(model.network.calls.segmented[-1].prompts.boxes) == 2


def test_the_region_is_a_choice():
    frames, masks = small_disc_in_a_large_frame()
    for model_region, mode, region, expected in [
        (True, "stack", None, True),
        (False, "stack", None, False),
        (True, "flow", None, True),
        (True, "flow", False, False),
        (False, "flow", None, False),
        (True, "stack", False, False),
        (False, "stack", True, True),
    ]:
        session = Session(blob_model(region=model_region), frames, mode=mode, region=region, contrast=PLAIN)
        session.add(BoxPrompt(2, *box_of_mask(masks[2])) if mode == "flow" else MaskPrompt(2, masks[2]))
        assert (session.segment(2).window != Window.whole((400, 300))) == expected


def test_a_flow_looks_closer_where_the_object_is_small_and_at_the_whole_where_it_is_not() -> None:
    frames, masks = small_disc_in_a_large_frame()
    session = Session(blob_model(region=True), frames, mode="flow", contrast=PLAIN)
    session.add(BoxPrompt(2, *box_of_mask(masks[2])))
    assert session.segment(2).window.size_y < 60  # of 400
    for result in session.propagate():
        assert 2 * (result.mask & masks[result.frame]).sum() / (result.mask.sum() + masks[result.frame].sum()) > 0.9
    large = np.stack([disc((100, 100), 50, 50, 40)] * 2)
    session = Session(blob_model(region=True), np.where(large, 204, 20).astype(np.uint8), mode="flow", contrast=PLAIN)
    session.add(BoxPrompt(0, *box_of_mask(large[0])))
    assert all(result.window == Window.whole((100, 100)) for result in session.propagate())


def test_look_alikes_elsewhere_do_not_carry_on_from_the_slice_before() -> None:
    before, now = np.zeros((40, 40), bool), np.zeros((40, 40), bool)
    before[10:20, 10:20] = True
    now[12:22, 11:21] = now[30:38, 30:38] = True
    kept = connected(now, before, RegionOptions())
    assert kept[15, 15]
    assert not kept[34, 34]


def test_an_object_that_splits_keeps_both_parts() -> None:
    before, now = np.zeros((40, 40), bool), np.zeros((40, 40), bool)
    before[10:20, 10:30] = True
    now[10:20, 10:17] = now[10:20, 24:30] = True
    assert np.array_equal(connected(now, before, RegionOptions()), now)


def test_an_object_that_moved_is_followed_but_not_across_the_frame() -> None:
    before, near, far = (np.zeros((60, 60), bool) for _ in range(3))
    before[10:16, 10:16] = True
    near[10:16, 19:25] = True
    far[50:56, 50:56] = True
    assert connected(near, before, RegionOptions()).any()
    assert not connected(far, before, RegionOptions()).any()

"""Synthetic sequences: truth in them, scenes and looks as they are described, objects that end for good."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from napari_medsam2.geometry.parts import largest_parts
from napari_medsam2.training.config import TrainConfig
from napari_medsam2.training.data.batches import make_batch
from napari_medsam2.training.synthetic import stacks
from napari_medsam2.training.synthetic.appearance import Appearance, _lamp, render
from napari_medsam2.training.synthetic.courses import Course, _where_largest, _worth_prompting, choose_course, see_along
from napari_medsam2.training.synthetic.flows import make_flow
from napari_medsam2.training.synthetic.sample import Sample, flipped_sample, inside_of_a_border, repeated_beyond
from napari_medsam2.training.synthetic.scenes import AIR, LESION, Scene, slice_of
from napari_medsam2.training.synthetic.stacks import _carried_on, _classes_beside, _stack_scene, make_stack


@pytest.mark.parametrize("make", [make_stack, make_flow])
def test_synthetic_sequences_have_an_object_to_find(make) -> None:
    sample = make(np.random.default_rng(3), 4, 64)
    assert sample.images.shape == (4, 3, 64, 64) and sample.masks.shape == (4, 64, 64)
    assert sample.images.min() >= 0 and sample.images.max() <= 1
    assert 20 <= sample.masks[0].sum() < 0.7 * 64 * 64


def test_stack_neighbours_overlap_and_flows_move() -> None:
    def overlap(make) -> float:
        found = []
        for seed in range(12):
            masks = make(np.random.default_rng(seed), 2, 64).masks
            found.append((masks[0] & masks[1]).sum() / max((masks[0] | masks[1]).sum(), 1))
        return float(np.mean(found))

    assert overlap(make_stack) > overlap(make_flow) + 0.2


def test_objects_end_in_some_stacks() -> None:
    ended = [not make_stack(np.random.default_rng(seed), 6, 64).masks[-1].any() for seed in range(30)]
    assert 2 < sum(ended) < 28


def test_the_object_of_a_stack_begins_in_one_piece() -> None:
    for seed in range(40):
        parts, count = ndimage.label(make_stack(np.random.default_rng(seed), 2, 64).masks[0])
        sizes = np.bincount(parts.ravel())[1:]
        assert count <= 3 and sizes.max() >= 0.5 * sizes.sum()


def test_an_object_that_has_ended_does_not_come_back() -> None:
    masks = np.zeros((6, 40, 40), bool)
    masks[:3, 5:15, 5:15] = True
    masks[1, 30:38, 30:38] = True  # of the same kind, but elsewhere
    masks[4:, 5:15, 5:15] = True  # where it was, after a slice without it
    kept = _carried_on(masks, None)
    assert [int(m.sum()) for m in kept] == [100, 100, 100, 0, 0, 0]
    for seed in range(30):
        there = make_stack(np.random.default_rng(seed), 8, 64).masks.any((1, 2))
        assert not np.any(~there[:-1] & there[1:])


def test_what_follows_a_bridge_is_kept_and_carries_on_from_there(monkeypatch: pytest.MonkeyPatch) -> None:
    lost = 0
    after = []
    for seed in range(60):
        sample = make_stack(np.random.default_rng(seed), 4, 64, bridged=True)
        there = sample.masks.any((1, 2))
        assert not np.any(~there[1:-1] & there[2:])
        lost += not there[1]
        after.append(sample.masks[1])
    assert lost < 30
    monkeypatch.setattr(stacks, "_carried_on", lambda masks, before: masks)
    for seed, kept in enumerate(after):
        seen = make_stack(np.random.default_rng(seed), 4, 64, bridged=True).masks[1]
        np.testing.assert_array_equal(kept, seen, "over a bridge the window moves: nothing there may be left out")


def test_cells_end_in_both_directions_and_relaxed_ones_are_of_about_one_size() -> None:
    heights = np.linspace(-0.8, 0.8, 33)

    def spread(relaxed: int, seed: int) -> float:
        scene = Scene(np.random.default_rng(seed))
        scene.add_tissue(1, 200, relaxed=relaxed)
        slices = np.stack([slice_of(scene, float(z), 32, (-0.3, -0.3, 1.6)) for z in heights])
        assert not set(np.unique(slices[0])) & set(np.unique(slices[-1])), "cells end above and below"
        volumes = np.bincount(slices.ravel())[1:]
        return float(volumes.std() / volumes.mean())

    assert np.mean([spread(4, s) for s in range(4)]) < 0.8 * np.mean([spread(0, s) for s in range(4)])


def test_nuclei_are_as_large_as_asked_for_and_others_lie_above_them() -> None:
    count = 300
    spacing = (1.6**3 / count) ** (1 / 3)

    def crowd(fill: float, missing: float, seed: int) -> tuple[float, float]:
        """The diameter, 1 being the spacing, and how many of those at height 0 have another one at their place soon."""
        scene = Scene(np.random.default_rng(seed))
        scene.add_nuclei(7, count, fill=fill, missing=missing)
        heights = np.arange(0, 1.5 * spacing, 0.02)
        slices = np.stack([slice_of(scene, float(z), 64) for z in heights])
        covered = [
            np.isin(slices[:, slices[0] == own], [0, own], invert=True).mean(1).max() > 0.5
            for own in np.unique(slices[0])[1:]
        ]
        assert all(scene.class_of[own] == 7 for own in np.unique(slices)[1:])
        there = float((slices > 0).mean()) / (1 - missing)
        return float((6 / np.pi * there) ** (1 / 3)), float(np.mean(covered))

    dense, sparse = (np.mean([crowd(*of, seed) for seed in range(4)], 0) for of in [(0.8, 0.0), (0.5, 0.4)])
    assert dense[0] == pytest.approx(0.8, abs=0.08) and sparse[0] == pytest.approx(0.5, abs=0.08)
    assert dense[1] > 2 * sparse[1]


def test_a_flat_vessel_lies_along_the_slice() -> None:
    def reach(*, flat: bool) -> float:
        found = []
        for seed in range(10):
            scene = Scene(np.random.default_rng(seed))
            for _ in range(4):
                scene.add_tube(1, 0.02, flat=flat)
            found += [np.ptp(np.argwhere(part), 0).max() for part in largest_parts(slice_of(scene, 0.0, 64) > 0, 1)]
        return float(np.mean(found))

    assert reach(flat=True) > 1.5 * reach(flat=False)


def _still(seed: int = 0) -> Scene:
    """An empty scene that is not warped."""
    scene = Scene(np.random.default_rng(seed))
    scene.warps = []
    return scene


def test_sheets_are_about_as_thick_as_asked_for() -> None:
    def thickness(asked: float) -> float:
        found = []
        for seed in range(8):
            scene = _still(seed)
            scene.add_sheets(1, 0.4, asked)
            sheet = slice_of(scene, 0.0, 192) > 0
            border = sheet & ~ndimage.binary_erosion(sheet)
            found.append(2 * sheet.sum() / max(border.sum(), 1) / 192)
        return float(np.median(found))

    thin, thick = thickness(0.02), thickness(0.06)
    assert thin < 0.06 and 1.5 * thin < thick < 0.2


def test_around_a_body_is_air_and_its_shells_lie_inside_of_its_outline() -> None:
    scene = _still()
    scene.add_regions([1], 0.5)
    scene.add_body(11, [8, 9], (0.5, 0.5), 0.4)
    classes = np.array(scene.class_of)[slice_of(scene, 0.0, 128, (-0.5, -0.5, 2.0))]
    assert classes[64, 64] == 1
    assert {classes[0, 0], classes[0, -1], classes[-1, 0], classes[-1, -1]} == {11}
    outwards = [int(c) for c in classes[64, 64:]]
    assert list(dict.fromkeys(outwards)) == [1, 9, 8, 11], "from the middle to the air"


def test_air_is_one_even_grey_and_never_the_target() -> None:
    appearance = Appearance.random(np.random.default_rng(0), 12, mode="stack").darkened(11, np.random.default_rng(0))
    assert appearance.colour[11].max() <= 0.1 and appearance.texture[11] == 0

    chosen = set()
    for seed in range(20):
        scene = _still(seed)
        scene.add_blobs(7, 1, 0.12, centre=(0.6, 0.6))
        air = scene.new_instance(AIR)
        scene.layers.append(
            lambda points, ids, air=air: np.where(points[:, 1:].sum(1) < 0.6, air, ids).astype(np.int32)
        )
        course = choose_course(np.random.default_rng(seed), scene, 6, any_scale=False)
        chosen |= {scene.class_of[i] for i in course.wanted} if course else set()
    assert chosen == {7}, "air would fit too: it is one piece, and a fifth of the slice"


def test_nothing_floats_in_the_air_around_a_body() -> None:
    bodies = 0
    for seed in range(60):
        scene = _stack_scene(np.random.default_rng(seed))
        body = np.array(scene.class_of)[slice_of(scene, 0.0, 64, (-0.25, -0.25, 1.5))] != AIR
        if not body.all():
            bodies += 1
            assert ndimage.label(body)[1] == 1, f"seed {seed}"
    assert bodies >= 5


def test_infiltrates_fall_to_pieces_from_slice_to_slice_and_patches_lie_inside_of_them() -> None:
    differ = one = 0
    for seed in range(8):
        scene = _still(seed)
        scene.add_infiltrate(10, 0.15, inner_class=3)
        slices = [np.array(scene.class_of)[slice_of(scene, z, 96, (-0.5, -0.5, 2.0))] for z in (-0.1, -0.05, 0.0, 0.05)]
        assert all(set(np.unique(ids)) <= {0, 3, 10} for ids in slices)
        pieces = [ndimage.label(ids > 0)[1] for ids in slices]
        differ += len(set(pieces)) > 1
        one += 1 in pieces
        scene.add_infiltrate(10, 0.15)
        assert slice_of(scene, 0.0, 96).max() == 3, "without patches it is of one class"
    assert differ >= 4 and one >= 2


def test_lesions_are_seen_on_slices_far_apart_more_often_than_cells() -> None:
    def far(class_id: int) -> float:
        apart = []
        for seed in range(80):
            scene = _still()
            scene.add_blobs(class_id, 1, 0.15, spread=0.0, roughness=0.0, centre=(0.5, 0.5))
            course = choose_course(np.random.default_rng(seed), scene, 12, any_scale=False)
            if course is not None:
                apart.append(abs(course.step) / course.extent > 0.2)
        assert len(apart) > 60
        return float(np.mean(apart))

    assert far(LESION) > far(7) + 0.1


def test_mottled_blobs_hold_patches_of_the_inner_class_and_nothing_of_it_outside() -> None:
    patches = 0
    for seed in range(6):
        scene = _still(seed)
        scene.add_blobs(7, 1, 0.3, roughness=0.0, inner_class=8, centre=(0.5, 0.5), mottled=True)
        classes = np.array(scene.class_of)[slice_of(scene, 0.0, 96, (-0.5, -0.5, 2.0))]
        assert ndimage.label(classes > 0)[1] == 1, "all of it lies in the blob"
        patches += ndimage.label(classes == 8)[1]
    assert patches > 12, "several in each, but where there is next to nothing of one class"


def test_things_are_prompted_more_often_than_what_they_lie_in() -> None:
    scene = _still()
    region, thing = scene.new_instance(1), scene.new_instance(7)
    rng = np.random.default_rng(0)
    chosen = [_worth_prompting(rng, scene, [region, thing]) for _ in range(200)]
    assert 0.6 < np.mean(np.array(chosen) == thing) < 0.95
    part = scene.new_instance(8, parent=thing)
    chosen = [_worth_prompting(rng, scene, [thing, part]) for _ in range(200)]
    assert 0.6 < np.mean(np.array(chosen) == thing) < 0.95
    scene.tissue = True
    chosen = [_worth_prompting(rng, scene, [region, thing]) for _ in range(200)]
    assert 0.35 < np.mean(np.array(chosen) == thing) < 0.65, "in tissue all are cells"


def _drifting() -> tuple[Scene, Course]:
    """A ball that moves aslant through the slices by a tenth of its width, and a course along it."""
    scene = _still()
    own = scene.new_instance(7)

    def aslant(points: np.ndarray, ids: np.ndarray) -> np.ndarray:
        centre = np.stack([np.full(len(points), 0.5), 0.5 + points[:, 0]], 1)
        return np.where(np.linalg.norm(points[:, 1:] - centre, axis=1) < 0.1, own, ids).astype(np.int32)

    scene.layers = [aslant]
    window = (0.5 - 0.15, 0.5 - 0.15, 0.3)
    return scene, Course(np.array([own], np.int32), 0.0, 0.02, window, (0.5, 0.5), 0.2, hollow=False)


def test_windows_that_follow_keep_the_object_in_their_middle_and_say_where_they_are() -> None:
    scene, course = _drifting()
    away = {}
    for followed in (False, True):
        sight = see_along(np.random.default_rng(1), scene, course, 9, 64, followed=followed)
        masks = sight.through(sight.ids) == 1
        assert masks.shape == (9, 64, 64)
        middles = np.array([ndimage.center_of_mass(m) for m in masks])
        away[followed] = np.abs(middles - 31.5).max(1)[3:].mean()
        places = sight.windows[:, :2] + (middles + 0.5) / 64 * sight.windows[:, 2:]
        if followed:
            steps = np.diff(places[:, 1])
            assert sight.of_one_scale and sight.ids.shape[1] > 64
            assert steps.min() > 0.005, "in the scene the object moves on from slice to slice"
    assert 2 * away[True] < away[False]


def test_after_a_click_the_second_window_fits_the_object() -> None:
    scene, course = _drifting()
    course = replace(course, window=(0.0, 0.0, 1.0))
    sight = see_along(np.random.default_rng(1), scene, course, 4, 64, followed=True, refit=True)
    shares = (sight.through(sight.ids) == 1).mean((1, 2))
    assert not sight.of_one_scale
    assert shares[0] < 0.05 and shares[1:].min() > 0.15
    assert 1.3 * course.extent <= sight.windows[1, 2] <= 1.9 * course.extent


@pytest.mark.parametrize("any_scale", [False, True])
def test_masks_of_followed_stacks_are_there_where_the_windows_say(
    any_scale: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene, course = _drifting()
    if any_scale:
        course = replace(course, window=(0.1, 0.05, 0.9))
    monkeypatch.setattr(stacks, "_stack_scene", lambda rng: scene)
    monkeypatch.setattr(stacks, "choose_course", lambda *args, **kwargs: course)
    monkeypatch.setattr(stacks, "flipped_sample", lambda sample, rng: sample)
    monkeypatch.setattr(stacks, "inside_of_a_border", lambda size, rng: np.ones((size, size), bool))
    for seed in range(12):
        sample = make_stack(np.random.default_rng(seed), 6, 64, followed=True, any_scale=any_scale)
        assert sample.windows is not None and sample.masks.any((1, 2)).all()
        area = sample.masks.sum((1, 2)) * (sample.windows[:, 2] / 64) ** 2
        assert np.ptp(area) < 0.3 * area.max(), "none of it is lost on the way"


def test_what_a_prompt_did_not_show_is_not_carried_on() -> None:
    scene, course = _drifting()
    sight = see_along(
        np.random.default_rng(1), scene, replace(course, window=(0.0, 0.0, 1.0)), 3, 64, followed=True, refit=True
    )
    first = sight.through(sight.ids == 1)[0]
    second = sight.ids[1] == 1
    moved_over = sight.first_on_second(first)
    assert (moved_over & second).sum() > 0.6 * (moved_over | second).sum()
    assert not sight.first_on_second(np.zeros_like(first)).any()


def test_a_border_repeats_the_last_pixels_of_the_frame() -> None:
    inside = inside_of_a_border(40, np.random.default_rng(0))
    columns = np.flatnonzero(inside[0])
    assert inside[:, columns].all() and 40 > len(columns) > 10
    images = np.random.default_rng(1).random((2, 3, 40, 40), np.float32)
    shown = repeated_beyond(images, inside)
    np.testing.assert_array_equal(shown[..., columns], images[..., columns])
    outside = np.flatnonzero(~inside[0])
    ends = np.where(outside < columns[0], columns[0], columns[-1])
    np.testing.assert_array_equal(shown[..., outside], images[..., ends])


@pytest.mark.parametrize("seed", range(8))
def test_a_turned_sequence_says_where_its_windows_are(seed: int) -> None:
    masks = np.zeros((3, 32, 32), bool)
    windows = np.array([[0, 0, 32, 32], [3, -5, 32, 32], [8, 2, 16, 16]], np.float32)
    for mask, (y0, x0, side, _) in zip(masks, windows, strict=True):  # the same place in all of them
        y, x = int((12.5 - y0) / side * 32), int((9.5 - x0) / side * 32)
        mask[y, x] = True
    images = np.repeat(masks[:, None], 3, 1).astype(np.float32)
    bridge = np.zeros((32, 32), bool)
    bridge[np.nonzero(masks[1])] = True
    sample = flipped_sample(Sample(images, masks, "stack", bridge, windows=windows), np.random.default_rng(seed))
    assert sample.windows is not None and sample.bridge is not None
    np.testing.assert_array_equal(sample.images[:, 0] > 0, sample.masks)
    np.testing.assert_array_equal(sample.bridge, sample.masks[1])
    at = np.argwhere(sample.masks)[:, 1:] + 0.5
    places = sample.windows[:, :2] + at / 32 * sample.windows[:, 2:]
    np.testing.assert_allclose(places, places[:1].repeat(3, 0), atol=0.26)


def test_batches_of_stacks_say_what_their_windows_show() -> None:
    config = TrainConfig(flows=0.0, followed=1.0, pixels=60_000, length=3, first_length=3)
    batch = make_batch(config, 1)
    assert batch.windows is not None and batch.windows.shape == (*batch.images.shape[:2], 4)
    assert make_batch(replace(config, followed=0.0), 1).windows is None
    assert make_batch(replace(config, flows=1.0), 1).windows is None


def test_the_largest_slice_nearby_is_found() -> None:
    def ball(points: np.ndarray, ids: np.ndarray) -> np.ndarray:
        return np.where(np.linalg.norm(points - (0.2, 0.5, 0.5), axis=1) < 0.3, 1, ids).astype(np.int32)

    scene = _still()
    scene.layers = [ball]
    assert _where_largest(scene, 0.0, scene.new_instance(1)) == pytest.approx(0.2)
    assert _where_largest(scene, 0.05, scene.new_instance(1)) == 0.05, "it is nowhere: the start stays"


def test_what_touches_a_part_of_the_border_may_be_as_grey_as_the_target() -> None:
    scene = Scene(np.random.default_rng(0))
    target, beside, around = (scene.new_instance(c) for c in (4, 5, 6))
    inside = scene.new_instance(3, target)
    ids = np.full((40, 40), around, np.int32)
    ids[10:20, 10:20] = target
    ids[10:20, 20:30] = beside
    ids[13:17, 13:17] = inside
    assert _classes_beside(ids, np.array([target], np.int32), scene) == [5], "neither what is all around nor a hole"
    rng = np.random.default_rng(1)
    appearance = Appearance.random(rng, 7, mode="stack").set_apart({4}, rng)
    alike = appearance.likened(5, 4, rng)
    assert np.abs(alike.colour[5] - alike.colour[4]).max() <= 0.06
    assert np.array_equal(alike.colour[[0, 1, 2, 3, 4, 6]], appearance.colour[[0, 1, 2, 3, 4, 6]])


def test_a_wall_in_the_slice_is_a_haze_over_as_many_slices_as_the_point_spread_reaches() -> None:
    ids = np.ones((15, 32, 32), np.int32)
    ids[7:] = 2
    plain = replace(
        Appearance.random(np.random.default_rng(0), 2, mode="stack", tissue=True),
        colour=np.full((2, 3), 0.2, np.float32),
        texture=np.zeros(2, np.float32),
        membrane=0.5,
        membrane_width=2.0,
        **dict.fromkeys(("individual", "blur", "noise", "speckle", "shading", "shadow"), 0.0),
        **dict.fromkeys(("gamma", "coarse", "span"), 1.0),
        clipped=(0.0, 0.0),
        grey=True,
    )

    def hazy(pixels_per_slice: float) -> int:
        appearance = plain.optically_sectioned(np.random.default_rng(0), pixels_per_slice)
        shown = render(ids, np.array([0, 1, 1]), appearance, np.random.default_rng(0)).mean((1, 2, 3))
        assert shown.argmax() in (6, 7)
        return int((shown > shown.min() + 0.5 * np.ptp(shown)).sum())

    assert hazy(20.0) == 2
    assert hazy(1.0) >= 5


def test_stains_take_light_away_and_a_nucleus_is_mostly_darker_than_its_cell() -> None:
    ordered = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        appearance = Appearance.random(rng, 24, mode="flow").stained(rng, 6, 10, 11)
        varied = appearance.varied(rng, 2.5)
        for shown in (appearance, varied):
            assert shown.lamp is not None and not shown.grey
            assert (shown.colour <= shown.lamp + 1e-6).all(), "no stain adds light"
            grey = shown.colour.mean(1)
            ordered.append(grey[11] < grey[10] < grey[:6].min())
        strength = np.log(varied.colour / varied.lamp)[[10, 11]] / np.log(appearance.colour / appearance.lamp)[[10, 11]]
        assert np.ptp(strength) < 0.3, "about one strength for all that is stained"
    assert np.mean(ordered) > 0.8


def test_light_with_a_cast_comes_up_in_some_flows() -> None:
    lamps = [_lamp(np.random.default_rng(seed)) for seed in range(60)]
    assert 8 < sum(lamp.min() < 0.9 for lamp in lamps) < 35


def test_a_graded_class_lies_between_what_is_around_and_what_is_inside() -> None:
    rng = np.random.default_rng(0)
    appearance = Appearance.random(rng, 12, mode="flow").graded(rng, 2, 10, 11)
    lower, upper = (
        np.minimum(appearance.colour[2], appearance.colour[11]),
        np.maximum(appearance.colour[2], appearance.colour[11]),
    )
    assert (lower <= appearance.colour[10] + 1e-6).all() and (appearance.colour[10] <= upper + 1e-6).all()


def test_inner_parts_may_be_in_pieces_that_stay_inside() -> None:
    counts = []
    for seed in range(30):
        scene = Scene(np.random.default_rng(seed))
        scene.add_blobs(10, 1, 0.25, inner_class=11, inner=0.4, pieces=4, centre=(0.5, 0.5))
        classes = np.array(scene.class_of)[slice_of(scene, 0.0, 96)]
        whole = ndimage.binary_fill_holes(classes >= 10)
        assert whole is not None and (classes == 11).sum() <= whole.sum()
        counts.append(len([p for p in largest_parts(classes == 11) if p.sum() >= 8]))
    assert max(counts) >= 2 and counts.count(1) >= 3


def test_things_of_one_kind_may_stand_out_more_and_less_from_what_is_around() -> None:
    rng = np.random.default_rng(3)
    appearance = replace(
        Appearance.random(rng, 12, mode="flow"), individual=0.0, texture=np.zeros(12), blur=0.0, membrane=0.0
    )
    appearance = replace(
        appearance, noise=0.0, speckle=0.0, shading=0.0, shadow=0.0, span=1.0, clipped=(0.0, 0.0), gamma=1.0
    )
    appearance = replace(appearance, colour=appearance.colour * 0 + 0.1, grey=True, coarse=1.0, ground=1)
    appearance.colour[10] = 0.5
    ids = np.repeat(np.arange(20, dtype=np.int32), 40).reshape(1, 20, 40)
    class_of = np.array([0, 1] + [10] * 18)

    def rows(uneven: float) -> np.ndarray:
        return render(ids, class_of, replace(appearance, uneven=uneven), np.random.default_rng(0))[0, 0, :, 5]

    assert np.ptp(rows(0.0)[2:]) < 1e-5
    shown = rows(0.4)
    assert np.ptp(shown[2:]) > 0.4 and shown[2:].min() > shown[:2].max(), "fainter, but never gone"

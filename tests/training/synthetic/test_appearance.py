"""How synthetic classes look: greys that are told apart, stains, light, walls, and how things of one kind differ."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from synthetic_helpers import still_scene

from napari_medsam2.training.synthetic.appearance import Appearance
from napari_medsam2.training.synthetic.blobs import add_blobs
from napari_medsam2.training.synthetic.courses import choose_course
from napari_medsam2.training.synthetic.rendering import render
from napari_medsam2.training.synthetic.scenes import AIR, Scene
from napari_medsam2.training.synthetic.stacks import classes_beside


def test_air_is_one_even_grey_and_never_the_target() -> None:
    appearance = Appearance.random(np.random.default_rng(0), 12, mode="stack").darkened(11, np.random.default_rng(0))
    assert appearance.colour[11].max() <= 0.1 and appearance.texture[11] == 0

    chosen = set()
    for seed in range(20):
        scene = still_scene(seed)
        add_blobs(scene, 7, 1, 0.12, centre=(0.6, 0.6))
        air = scene.new_instance(AIR)
        scene.layers.append(
            lambda points, ids, air=air: np.where(points[:, 1:].sum(1) < 0.6, air, ids).astype(np.int32)
        )
        course = choose_course(np.random.default_rng(seed), scene, 6, any_scale=False)
        chosen |= {scene.class_of[i] for i in course.wanted} if course else set()
    assert chosen == {7}, "air would fit too: it is one piece, and a fifth of the slice"


def test_what_touches_a_part_of_the_border_may_be_as_grey_as_the_target() -> None:
    scene = Scene(np.random.default_rng(0))
    target, beside, around = (scene.new_instance(c) for c in (4, 5, 6))
    inside = scene.new_instance(3, target)
    ids = np.full((40, 40), around, np.int32)
    ids[10:20, 10:20] = target
    ids[10:20, 20:30] = beside
    ids[13:17, 13:17] = inside
    assert classes_beside(ids, np.array([target], np.int32), scene) == [5], "neither what is all around nor a hole"
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
    lamps = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        appearance = Appearance.random(rng, 12, mode="flow").stained(rng, 6, 10, 11)
        assert appearance.lamp is not None
        lamps.append(appearance.lamp)
    assert 8 < sum(lamp.min() < 0.9 for lamp in lamps) < 35


def test_a_graded_class_lies_between_what_is_around_and_what_is_inside() -> None:
    rng = np.random.default_rng(0)
    appearance = Appearance.random(rng, 12, mode="flow").graded(rng, 2, 10, 11)
    lower, upper = (
        np.minimum(appearance.colour[2], appearance.colour[11]),
        np.maximum(appearance.colour[2], appearance.colour[11]),
    )
    assert (lower <= appearance.colour[10] + 1e-6).all() and (appearance.colour[10] <= upper + 1e-6).all()


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

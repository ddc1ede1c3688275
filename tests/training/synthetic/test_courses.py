"""Which object of a scene is prompted and where, and what windows show of it from slice to slice."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage
from synthetic_helpers import drifting_ball, still_scene

from napari_medsam2.training.synthetic.blobs import add_blobs
from napari_medsam2.training.synthetic.courses import choose_course, see_along, where_largest, worth_prompting
from napari_medsam2.training.synthetic.scenes import LESION


def test_things_are_prompted_more_often_than_what_they_lie_in() -> None:
    scene = still_scene()
    region, thing = scene.new_instance(1), scene.new_instance(7)
    rng = np.random.default_rng(0)
    chosen = [worth_prompting(rng, scene, [region, thing]) for _ in range(200)]
    assert 0.6 < np.mean(np.array(chosen) == thing) < 0.95
    part = scene.new_instance(8, parent=thing)
    chosen = [worth_prompting(rng, scene, [thing, part]) for _ in range(200)]
    assert 0.6 < np.mean(np.array(chosen) == thing) < 0.95
    scene.tissue = True
    chosen = [worth_prompting(rng, scene, [region, thing]) for _ in range(200)]
    assert 0.35 < np.mean(np.array(chosen) == thing) < 0.65, "in tissue all are cells"


def test_lesions_are_seen_on_slices_far_apart_more_often_than_cells() -> None:
    def far(class_id: int) -> float:
        apart = []
        for seed in range(80):
            scene = still_scene()
            add_blobs(scene, class_id, 1, 0.15, spread=0.0, roughness=0.0, centre=(0.5, 0.5))
            course = choose_course(np.random.default_rng(seed), scene, 12, any_scale=False)
            if course is not None:
                apart.append(abs(course.step) / course.extent > 0.2)
        assert len(apart) > 60
        return float(np.mean(apart))

    assert far(LESION) > far(7) + 0.1


def test_the_largest_slice_nearby_is_found() -> None:
    def ball(points: np.ndarray, ids: np.ndarray) -> np.ndarray:
        return np.where(np.linalg.norm(points - (0.2, 0.5, 0.5), axis=1) < 0.3, 1, ids).astype(np.int32)

    scene = still_scene()
    scene.layers = [ball]
    assert where_largest(scene, 0.0, scene.new_instance(1)) == pytest.approx(0.2)
    assert where_largest(scene, 0.05, scene.new_instance(1)) == 0.05, "it is nowhere: the start stays"


def test_windows_that_follow_keep_the_object_in_their_middle_and_say_where_they_are() -> None:
    scene, course = drifting_ball()
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
    scene, course = drifting_ball()
    course = replace(course, window=(0.0, 0.0, 1.0))
    sight = see_along(np.random.default_rng(1), scene, course, 4, 64, followed=True, refit=True)
    shares = (sight.through(sight.ids) == 1).mean((1, 2))
    assert not sight.of_one_scale
    assert shares[0] < 0.05 and shares[1:].min() > 0.15
    assert 1.3 * course.extent <= sight.windows[1, 2] <= 1.9 * course.extent


def test_what_a_prompt_did_not_show_is_not_carried_on() -> None:
    scene, course = drifting_ball()
    sight = see_along(
        np.random.default_rng(1), scene, replace(course, window=(0.0, 0.0, 1.0)), 3, 64, followed=True, refit=True
    )
    first = sight.through(sight.ids == 1)[0]
    second = sight.ids[1] == 1
    moved_over = sight.first_on_second(first)
    assert (moved_over & second).sum() > 0.6 * (moved_over | second).sum()
    assert not sight.first_on_second(np.zeros_like(first)).any()

"""What scenes hold: cells, nuclei, vessels, sheets, bodies, lesions and blobs, of the size that was asked for."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from synthetic_helpers import still_scene

from napari_medsam2.geometry.parts import largest_parts
from napari_medsam2.training.synthetic.anatomy import add_body, add_infiltrate, add_regions, add_sheets, add_tube
from napari_medsam2.training.synthetic.blobs import add_blobs
from napari_medsam2.training.synthetic.crowds import add_nuclei, add_tissue
from napari_medsam2.training.synthetic.scenes import AIR, Scene, slice_of
from napari_medsam2.training.synthetic.stack_scenes import draw_stack_scene


def test_cells_end_in_both_directions_and_relaxed_ones_are_of_about_one_size() -> None:
    heights = np.linspace(-0.8, 0.8, 33)

    def spread(relaxed: int, seed: int) -> float:
        scene = Scene(np.random.default_rng(seed))
        add_tissue(scene, 1, 200, relaxed=relaxed)
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
        add_nuclei(scene, 7, count, fill=fill, missing=missing)
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
                add_tube(scene, 1, 0.02, flat=flat)
            found += [np.ptp(np.argwhere(part), 0).max() for part in largest_parts(slice_of(scene, 0.0, 64) > 0, 1)]
        return float(np.mean(found))

    assert reach(flat=True) > 1.5 * reach(flat=False)


def test_sheets_are_about_as_thick_as_asked_for() -> None:
    def thickness(asked: float) -> float:
        found = []
        for seed in range(8):
            scene = still_scene(seed)
            add_sheets(scene, 1, 0.4, asked)
            sheet = slice_of(scene, 0.0, 192) > 0
            border = sheet & ~ndimage.binary_erosion(sheet)
            found.append(2 * sheet.sum() / max(border.sum(), 1) / 192)
        return float(np.median(found))

    thin, thick = thickness(0.02), thickness(0.06)
    assert thin < 0.06 and 1.5 * thin < thick < 0.2


def test_around_a_body_is_air_and_its_shells_lie_inside_of_its_outline() -> None:
    scene = still_scene()
    add_regions(scene, [1], 0.5)
    add_body(scene, 11, [8, 9], (0.5, 0.5), 0.4)
    classes = np.array(scene.class_of)[slice_of(scene, 0.0, 128, (-0.5, -0.5, 2.0))]
    assert classes[64, 64] == 1
    assert {classes[0, 0], classes[0, -1], classes[-1, 0], classes[-1, -1]} == {11}
    outwards = [int(c) for c in classes[64, 64:]]
    assert list(dict.fromkeys(outwards)) == [1, 9, 8, 11], "from the middle to the air"


def test_nothing_floats_in_the_air_around_a_body() -> None:
    bodies = 0
    for seed in range(60):
        scene = draw_stack_scene(np.random.default_rng(seed))
        body = np.array(scene.class_of)[slice_of(scene, 0.0, 64, (-0.25, -0.25, 1.5))] != AIR
        if not body.all():
            bodies += 1
            assert ndimage.label(body)[1] == 1, f"seed {seed}"
    assert bodies >= 5


def test_infiltrates_fall_to_pieces_from_slice_to_slice_and_patches_lie_inside_of_them() -> None:
    differ = one = 0
    for seed in range(8):
        scene = still_scene(seed)
        add_infiltrate(scene, 10, 0.15, inner_class=3)
        slices = [np.array(scene.class_of)[slice_of(scene, z, 96, (-0.5, -0.5, 2.0))] for z in (-0.1, -0.05, 0.0, 0.05)]
        assert all(set(np.unique(ids)) <= {0, 3, 10} for ids in slices)
        pieces = [ndimage.label(ids > 0)[1] for ids in slices]
        differ += len(set(pieces)) > 1
        one += 1 in pieces
        add_infiltrate(scene, 10, 0.15)
        assert slice_of(scene, 0.0, 96).max() == 3, "without patches it is of one class"
    assert differ >= 4 and one >= 2


def test_mottled_blobs_hold_patches_of_the_inner_class_and_nothing_of_it_outside() -> None:
    patches = 0
    for seed in range(6):
        scene = still_scene(seed)
        add_blobs(scene, 7, 1, 0.3, roughness=0.0, inner_class=8, centre=(0.5, 0.5), mottled=True)
        classes = np.array(scene.class_of)[slice_of(scene, 0.0, 96, (-0.5, -0.5, 2.0))]
        assert ndimage.label(classes > 0)[1] == 1, "all of it lies in the blob"
        patches += ndimage.label(classes == 8)[1]
    assert patches > 12, "several in each, but where there is next to nothing of one class"


def test_inner_parts_may_be_in_pieces_that_stay_inside() -> None:
    counts = []
    for seed in range(30):
        scene = Scene(np.random.default_rng(seed))
        add_blobs(scene, 10, 1, 0.25, inner_class=11, inner=0.4, pieces=4, centre=(0.5, 0.5))
        classes = np.array(scene.class_of)[slice_of(scene, 0.0, 96)]
        whole = ndimage.binary_fill_holes(classes >= 10)
        assert whole is not None and (classes == 11).sum() <= whole.sum()
        counts.append(len([p for p in largest_parts(classes == 11) if p.sum() >= 8]))
    assert max(counts) >= 2 and counts.count(1) >= 3

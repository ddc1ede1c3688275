"""Synthetic stacks: scenes as of organs, tissue, lesions, cells and vessels, and how they are acquired."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ...segment.windows import RegionOptions, connected
from ..mask_errors import bridge_over
from .appearance import Appearance, render
from .courses import Course, Sight, choose_course, mostly_one, see_along
from .sample import Sample, flipped_sample, inside_of_a_border, repeated_beyond
from .scenes import AIR, LAST_BACKGROUND, LESION, Ids, Scene, random_roughness

_REGION = RegionOptions()


def make_stack(
    rng: np.random.Generator,
    length: int,
    size: int,
    *,
    bridged: bool = False,
    any_scale: bool = False,
    followed: bool = False,
) -> Sample:
    """A stack that starts on a slice with the object and moves away from it, seen through a window around it.

    With ``bridged`` some slices between the first two frames are left out; see :attr:`Sample.bridge`. With
    ``any_scale`` the window may be far larger than the object, or a little smaller, as on a first look after a click.
    With ``followed`` the windows follow the object; see :func:`.courses.see_along`.
    """
    while True:
        scene = _stack_scene(rng)
        course = choose_course(rng, scene, length, any_scale=any_scale)
        if course is None:
            continue
        refit = any_scale and not bridged
        sight = see_along(rng, scene, course, length, size, bridged=bridged, followed=followed, refit=refit)
        masks = np.isin(sight.ids, course.wanted)
        first = sight.through(masks)[0]
        if first.sum() < 20 or not mostly_one(first):
            continue
        masks[1:] = _carried_on(masks[1:], None if bridged else sight.first_on_second(first))
        inside = np.ones(masks.shape[1:], bool)
        if sight.of_one_scale and rng.random() < 0.12:
            inside = inside_of_a_border(masks.shape[-1], rng)
            if sight.through(masks & inside)[0].sum() < max(20, 0.4 * first.sum()):
                continue
        seen = sight.through(masks & inside)
        appearance = _stack_appearance(rng, scene, course, sight, bridged)
        images = render(sight.ids, np.array(scene.class_of), appearance, rng)
        if not inside.all():
            images = repeated_beyond(images, inside)
        bridge = None
        if bridged:  # what carries on over it is not seen
            bridge = bridge_over(seen, rng) & sight.through(np.broadcast_to(inside, masks.shape))[1]
        return flipped_sample(Sample(sight.through(images), seen, "stack", bridge, course.hollow, sight.windows), rng)


def _stack_scene(rng: np.random.Generator) -> Scene:
    scene = Scene(rng)
    kind = rng.choice(
        ["organs", "tissue", "lesion", "cells", "vessels", "nuclei"], p=[0.23, 0.25, 0.21, 0.08, 0.05, 0.18]
    )
    if kind == "tissue":
        gap = rng.choice([0.0, 0.0, rng.uniform(0.005, 0.03)])
        scene.add_tissue(1, int(rng.integers(60, 900)), gap)
        if rng.random() < 0.25:
            scene.add_blobs(2, int(rng.integers(2, 8)), rng.uniform(0.03, 0.08), roughness=0.1)
        return scene
    if kind == "nuclei":
        scene.add_nuclei(
            7,
            int(np.exp(rng.uniform(np.log(100), np.log(2000)))),
            fill=rng.uniform(0.5, 1.05),
            missing=float(rng.choice([0.0, rng.uniform(0, 0.6)])),
        )
        return scene
    background = [int(c) for c in rng.permutation(np.arange(1, LAST_BACKGROUND + 1))[: rng.integers(2, 7)]]
    if kind == "cells":
        if rng.random() < 0.4:
            scene.add_regions(background, rng.uniform(0.3, 1.5))
        inner = 8 if rng.random() < 0.5 else None
        scene.add_blobs(
            7, int(rng.integers(5, 40)), rng.uniform(0.05, 0.14), inner_class=inner, touching=rng.random() < 0.6
        )
        return scene
    scene.add_regions(background, rng.uniform(0.25, 1.4))
    if rng.random() < 0.3:
        scene.add_sheets(int(rng.integers(1, LAST_BACKGROUND + 1)), rng.uniform(0.12, 0.6), rng.uniform(0.004, 0.02))
    for _ in range(rng.integers(1, 4) if kind != "lesion" else rng.integers(0, 2)):
        organs = int(rng.integers(1, 5))
        scene.add_blobs(
            int(rng.integers(7, 10)),
            organs,
            rng.uniform(0.08, 0.25),
            roughness=random_roughness(rng),
            inner_class=int(rng.integers(1, 10)) if rng.random() < 0.35 else None,
            inner=rng.uniform(0.2, 0.6),
            touching=rng.random() < 0.4,
            mottled=rng.random() < 0.3,
        )
    if kind == "vessels" or rng.random() < 0.2:
        for _ in range(rng.integers(1, 5)):
            scene.add_tube(int(rng.integers(7, 10)), rng.uniform(0.015, 0.06))
    if kind == "lesion":
        inner = int(rng.integers(1, 10)) if rng.random() < 0.75 else None
        if rng.random() < 0.5:
            scene.add_infiltrate(LESION, rng.uniform(0.06, 0.2), inner_class=inner)
        else:
            scene.add_blobs(
                LESION,
                int(rng.integers(1, 3)),
                rng.uniform(0.05, 0.2),
                roughness=rng.uniform(0.1, 0.4),
                inner_class=inner,
                inner=rng.uniform(0.3, 0.8),
                lobed=0.5,
                mottled=rng.random() < 0.45,
            )
    if rng.random() < 0.3:
        shells = [int(c) for c in rng.integers(1, LAST_BACKGROUND + 1, rng.integers(0, 4))]
        y, x = rng.uniform(0.3, 0.7, 2)
        scene.add_body(AIR, shells, (float(y), float(x)), rng.uniform(0.35, 0.75))
    return scene


def _carried_on(masks: npt.NDArray[np.bool_], before: npt.NDArray[np.bool_] | None) -> npt.NDArray[np.bool_]:
    """Of masks ``[T, H, W]`` on one canvas, what carries on from the slice ``before`` by the session's own rule.

    Without a slice before, all of the first is kept. A region of a scene may come back elsewhere; where its first
    piece has ended, the object has.
    """
    kept = masks.copy()
    for mask in kept:
        if before is not None:
            mask[:] = connected(mask, before, _REGION) if before.any() else False
        before = mask
    return kept


def _stack_appearance(
    rng: np.random.Generator, scene: Scene, course: Course, sight: Sight, bridged: bool
) -> Appearance:
    """How a stack looks that is seen like this."""
    appearance = Appearance.random(rng, int(max(scene.class_of)) + 1, mode="stack", tissue=scene.tissue)
    if scene.tissue:
        appearance = appearance.optically_sectioned(rng, course.pixels_per_slice(sight.size))
    elif scene.crowded:  # what lies above and below shines through
        uneven = float(rng.choice([0.0, rng.uniform(0.05, 0.4)]))
        appearance = replace(appearance, axial=max(appearance.axial, float(rng.uniform(0.3, 1.2))), uneven=uneven)
    if bridged or not sight.of_one_scale:  # what is not shown side by side does not shine through
        appearance = replace(appearance, axial=0.0)
    if course.window[2] < 1.1 * course.extent:  # from so near, single pixels of the sensor are seen
        appearance = replace(appearance, coarse=max(appearance.coarse, float(rng.uniform(2.0, 10.0))))
    if AIR in scene.class_of:
        appearance = appearance.darkened(AIR, rng)
    if not scene.tissue:
        appearance = appearance.set_apart({scene.class_of[i] for i in course.wanted}, rng)
        beside = _classes_beside(sight.ids[0], course.wanted, scene)
        if beside and not scene.crowded and rng.random() < 0.4:
            appearance = appearance.likened(int(rng.choice(beside)), scene.class_of[course.wanted[0]], rng)
    return appearance


def _classes_beside(ids: Ids, wanted: Ids, scene: Scene) -> list[int]:
    """Classes of what the target touches, along a twentieth to a half of its border."""
    classes = np.array(scene.class_of)
    target = np.isin(ids, wanted)
    around = classes[ids[ndimage.binary_dilation(target, iterations=2) & ~target]]
    ours = set(wanted.tolist())
    own = {scene.class_of[i] for i, parent in enumerate(scene.parent) if i in ours or parent in ours}
    found, sizes = np.unique(around, return_counts=True)
    own.add(AIR)
    return [int(c) for c, n in zip(found, sizes, strict=True) if 0.05 <= n / len(around) <= 0.5 and int(c) not in own]

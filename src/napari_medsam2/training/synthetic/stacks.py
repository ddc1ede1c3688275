"""Synthetic stacks: a scene is drawn, gone through slice by slice, and rendered."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ...segment.windows import RegionOptions, connected
from ...types import Mask
from ..mask_errors import bridge_over
from .appearance import Appearance
from .courses import Course, Sight, choose_course, mostly_one, see_along
from .rendering import render
from .sample import Sample, flipped_sample, inside_of_a_border, repeated_beyond
from .scenes import AIR, Ids, Scene
from .stack_scenes import draw_stack_scene

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
        scene = draw_stack_scene(rng)
        course = choose_course(rng, scene, length, any_scale=any_scale)
        if course is None:
            continue
        refit = any_scale and not bridged
        sight = see_along(rng, scene, course, length, size, bridged=bridged, followed=followed, refit=refit)
        masks = np.isin(sight.ids, course.wanted)
        first = sight.through(masks)[0]
        if first.sum() < 20 or not mostly_one(first):
            continue
        masks[1:] = keep_connected(masks[1:], None if bridged else sight.first_on_second(first))
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


def keep_connected(masks: npt.NDArray[np.bool_], before: Mask | None) -> npt.NDArray[np.bool_]:
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
    """The appearance of a scene's classes, as it may be where a stack goes through the scene like this."""
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
        beside = classes_beside(sight.ids[0], course.wanted, scene)
        if beside and not scene.crowded and rng.random() < 0.4:
            appearance = appearance.likened(int(rng.choice(beside)), scene.class_of[course.wanted[0]], rng)
    return appearance


def classes_beside(ids: Ids, wanted: Ids, scene: Scene) -> list[int]:
    """Classes of what the target touches, along a twentieth to a half of its border."""
    classes = np.array(scene.class_of)
    target = np.isin(ids, wanted)
    around = classes[ids[ndimage.binary_dilation(target, iterations=2) & ~target]]
    ours = set(wanted.tolist())
    own = {scene.class_of[i] for i, parent in enumerate(scene.parent) if i in ours or parent in ours}
    found, sizes = np.unique(around, return_counts=True)
    own.add(AIR)
    return [int(c) for c, n in zip(found, sizes, strict=True) if 0.05 <= n / len(around) <= 0.5 and int(c) not in own]

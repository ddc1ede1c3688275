"""Synthetic sequences with ground truth, by domain randomisation: nobody's images are in the bundled model.

A **stack** moves through one scene slice by slice, so objects shift, shrink and end; a **flow** draws a new scene for
each frame and keeps the look of each class. The idea is that of SynthSeg (Billot et al. 2023, arXiv 2107.09559) and
UniverSeg (Butoi et al. 2023, arXiv 2304.06131).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ..region import RegionOptions, connected
from .appearance import Look, render
from .scenes import Array, Ids, Scene, Square, slice_of
from .wear import shrunk, worn


@dataclass(frozen=True)
class Sample:
    """One training sequence.

    Attributes
    ----------
    images
        float32 ``[T, 3, S, S]`` in 0..1.
    masks
        bool ``[T, S, S]``, the target object; may be empty on some frames, never on frame 0.
    ordered
        True for a stack, whose frames follow each other from frame 0 on; False for a flow.
    bridge
        With it, frame 1 of the stack lies farther on, and this is the mask, bool ``[S, S]``, that a long propagation
        might have left there: not quite right, or still there where the object has ended.
    hollow
        The target is what surrounds another part. A box around it would mean the two together.
    """

    images: Array
    masks: npt.NDArray[np.bool_]
    ordered: bool
    bridge: npt.NDArray[np.bool_] | None = None
    hollow: bool = False


def _roughness(rng: np.random.Generator) -> float:
    """How rough blobs are: more are smooth, as most cells and organs are, than jagged."""
    return float(np.exp(rng.uniform(np.log(0.02), np.log(0.3))))


# ---------------------------------------------------------------- stacks


#: Class of what is outside of a body.
_AIR = 11


def _stack_scene(rng: np.random.Generator) -> Scene:
    scene = Scene(rng)
    kind = rng.choice(["organs", "tissue", "lesion", "cells", "vessels"], p=[0.3, 0.28, 0.22, 0.12, 0.08])
    if kind == "tissue":
        gap = rng.choice([0.0, 0.0, rng.uniform(0.005, 0.03)])
        scene.add_tissue(1, int(rng.integers(60, 900)), gap)
        if rng.random() < 0.25:
            scene.add_blobs(2, int(rng.integers(2, 8)), rng.uniform(0.03, 0.08), roughness=0.1)
        return scene
    background = [int(c) for c in rng.permutation(np.arange(1, 7))[: rng.integers(2, 7)]]
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
        scene.add_sheets(int(rng.integers(1, 10)), rng.uniform(0.12, 0.6), rng.uniform(0.004, 0.02))
    if rng.random() < 0.3:
        shells = [int(c) for c in rng.integers(1, 10, rng.integers(0, 4))]
        y, x = rng.uniform(0.3, 0.7, 2)
        scene.add_body(_AIR, shells, (float(y), float(x)), rng.uniform(0.35, 0.75))
    for _ in range(rng.integers(1, 4) if kind != "lesion" else rng.integers(0, 2)):
        organs = int(rng.integers(1, 5))
        scene.add_blobs(
            int(rng.integers(7, 10)),
            organs,
            rng.uniform(0.08, 0.25),
            roughness=_roughness(rng),
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
        scene.add_blobs(
            10,
            int(rng.integers(1, 3)),
            rng.uniform(0.05, 0.2),
            roughness=rng.uniform(0.1, 0.4),
            inner_class=inner,
            inner=rng.uniform(0.3, 0.8),
            lobed=0.5,
            mottled=rng.random() < 0.45,
        )
    return scene


#: Pixels along each side of the slices that are only measured.
_COARSE = 48
#: Pixels of such a slice that a target may take.
_MOST = 0.4 * _COARSE**2
_REGION = RegionOptions()


@dataclass(frozen=True, eq=False)
class _Course:
    """How a stack goes through a scene.

    Attributes
    ----------
    wanted
        Identities of the target.
    start, step
        Height of the first slice, and from each to the next.
    window, extent
        What is seen of the first slice, and the longer side of the target there.
    hollow
        See :class:`Sample`.
    """

    wanted: Ids
    start: float
    step: float
    window: Square
    extent: float
    hollow: bool

    def pixels_per_slice(self, size: int) -> float:
        """How far apart slices are, in pixels of a picture with this side."""
        return abs(self.step) / self.window[2] * size


def make_stack(
    rng: np.random.Generator, length: int, size: int, *, bridged: bool = False, any_scale: bool = False
) -> Sample:
    """A stack that starts on a slice with the object and moves away from it, seen through a window around it.

    With ``bridged`` some slices between the first two frames are left out; see :attr:`Sample.bridge`. With
    ``any_scale`` the window may be far larger than the object, or a little smaller, as on a first look after a click.
    """
    while True:
        scene = _stack_scene(rng)
        course = _course(rng, scene, length, any_scale)
        if course is None:
            continue
        volume = _slices(rng, scene, course, length, size, bridged)
        masks = np.isin(volume, course.wanted)
        masks[bridged:] = _carried_on(masks[bridged:])  # what carries on over a bridge is not seen
        if masks[0].sum() < 20 or not _mostly_one(masks[0]):
            continue
        look = _stack_look(rng, scene, course, volume[0], bridged)
        images = render(volume, np.array(scene.class_of), look, rng)
        bridge = worn(masks[1] if masks[1].any() else shrunk(masks[0], rng), rng) if bridged else None
        sample = Sample(images, masks, True, bridge, course.hollow)
        return _augment(_at_the_border(sample, rng) if rng.random() < 0.12 else sample, rng)


def _course(rng: np.random.Generator, scene: Scene, length: int, any_scale: bool) -> _Course | None:
    """Choose a target, where to begin and through which window to look; ``None`` if the scene has nothing that fits."""
    start = float(rng.normal(0, 0.05))
    ids = slice_of(scene, start, _COARSE)
    areas = np.bincount(ids.ravel(), minlength=len(scene.class_of))
    fits = [i for i in range(1, len(areas)) if 12 <= areas[i] <= _MOST and scene.class_of[i] != _AIR]
    if not fits:
        return None
    target = _worth_prompting(rng, scene, fits)
    if rng.random() < 0.4:
        start = _where_largest(scene, start, target)
        ids = slice_of(scene, start, _COARSE)
    if np.count_nonzero(ids == target) > _MOST or not _mostly_one(ids == target):
        return None
    members = {target} | {i for i, p in enumerate(scene.parent) if p == target and i}
    chosen = members if rng.random() < 0.88 else {target}
    wanted = np.array(sorted(chosen), np.int32)
    direction, widest = float(rng.choice([-1, 1])), 2.6
    if rng.random() < 0.12:
        start, direction, widest = _near_an_end(rng, scene, start, wanted, direction), -direction, 4.0
        ids = slice_of(scene, start, _COARSE)
    rows, columns = np.nonzero(np.isin(ids, wanted))
    if not len(rows):
        return None
    y0, y1, x0, x1 = (v / _COARSE for v in (rows.min(), rows.max() + 1, columns.min(), columns.max() + 1))
    extent = max(y1 - y0, x1 - x0)
    if rng.random() < 0.12:
        window = (0.0, 0.0, 1.0)
    else:
        side = extent * (np.exp(rng.uniform(np.log(0.35), np.log(7))) if any_scale else rng.uniform(1.3, widest))
        shift = rng.uniform(-0.12, 0.12, 2) * min(side, 2 * extent)
        if rng.random() < 0.35:
            shift = _to_the_edge(rng, side, extent)
        window = ((y0 + y1 - side) / 2 + shift[0], (x0 + x1 - side) / 2 + shift[1], side)
    step = extent * direction * float(np.exp(rng.uniform(np.log(0.025), np.log(min(0.3, 2.4 / length)))))
    if rng.random() < 0.1 and not scene.tissue:  # slices far apart
        step = extent * direction * float(rng.uniform(0.15, 0.4))
    return _Course(wanted, start, step, window, extent, hollow=chosen != members)


def _worth_prompting(rng: np.random.Generator, scene: Scene, ids: list[int]) -> int:
    """One of some identities: things rather than the background they lie in."""
    worth = np.array([1.0 if scene.class_of[i] > 6 or scene.tissue else 0.25 for i in ids])
    return int(rng.choice(ids, p=worth / worth.sum()))


def _slices(rng: np.random.Generator, scene: Scene, course: _Course, length: int, size: int, bridged: bool) -> Ids:
    """Identities ``[length, size, size]`` on the slices of a course, a few of them left out after a bridge."""
    window = course.window
    moved = rng.normal(0, 0.012, (length, 2)) * (rng.random() < 0.3) * window[2]
    if rng.random() < 0.25:  # as an object moves over time, or lies aslant in a volume
        moved += np.arange(length)[:, None] * rng.normal(0, 0.04, 2) * course.extent
    skipped = int(rng.integers(0, 9)) if bridged else 0
    slices = []
    for t in range(length):
        z = course.start + (t + skipped * (t > 0)) * course.step
        if t == 1 and bridged:
            window = _follow(rng, scene, z, window, course.wanted)
        slices.append(slice_of(scene, z, size, (window[0] + moved[t, 0], window[1] + moved[t, 1], window[2])))
    return np.stack(slices)


def _carried_on(masks: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Of masks ``[T, S, S]`` in one window, what carries on from the first slice by the session's own rule.

    A region of a scene may come back elsewhere; where its first piece has ended, the object has.
    """
    kept = masks.copy()
    for t in range(1, len(kept)):
        kept[t] = connected(kept[t], kept[t - 1], _REGION) if kept[t - 1].any() else False
    return kept


def _stack_look(rng: np.random.Generator, scene: Scene, course: _Course, first: Ids, bridged: bool) -> Look:
    """How a stack looks whose first slice has the identities ``first`` ``[size, size]``."""
    look = Look.random(rng, int(max(scene.class_of)) + 1, ordered=True, tissue=scene.tissue)
    if scene.tissue:
        look = look.optically_sectioned(rng, course.pixels_per_slice(size=first.shape[0]))
    if bridged:  # slices that do not follow each other do not shine through each other
        look = replace(look, axial=0.0)
    if course.window[2] < 1.1 * course.extent:  # from so near, single pixels of the sensor are seen
        look = replace(look, coarse=max(look.coarse, float(rng.uniform(2.0, 10.0))))
    if _AIR in scene.class_of:
        look = look.darkened(_AIR, rng)
    if not scene.tissue:
        look = look.set_apart({scene.class_of[i] for i in course.wanted}, rng)
        beside = _classes_beside(first, course.wanted, scene)
        if beside and rng.random() < 0.4:
            look = look.likened(int(rng.choice(beside)), scene.class_of[course.wanted[0]], rng)
    return look


def _classes_beside(ids: Ids, wanted: Ids, scene: Scene) -> list[int]:
    """Classes of what the target touches, along a twentieth to a half of its border."""
    classes = np.array(scene.class_of)
    target = np.isin(ids, wanted)
    around = classes[ids[ndimage.binary_dilation(target, iterations=2) & ~target]]
    ours = set(wanted.tolist())
    own = {scene.class_of[i] for i, parent in enumerate(scene.parent) if i in ours or parent in ours}
    found, sizes = np.unique(around, return_counts=True)
    return [int(c) for c, n in zip(found, sizes, strict=True) if 0.05 <= n / len(around) <= 0.5 and int(c) not in own]


def _mostly_one(mask: npt.NDArray[np.bool_]) -> bool:
    """True if a mask is one piece, give or take two small ones: a prompt makes clear what is meant."""
    parts, count = ndimage.label(mask)
    sizes = np.bincount(parts.ravel())[1:]
    return count > 0 and count <= 3 and bool(sizes.max() >= 0.6 * sizes.sum())


def _where_largest(scene: Scene, start: float, target: int) -> float:
    """The slice nearby on which an object is largest, of several the nearest: where a user would prompt it."""
    steps = sorted(np.linspace(-0.3, 0.3, 13), key=abs)
    return start + float(max(steps, key=lambda z: np.count_nonzero(slice_of(scene, start + float(z), 32) == target)))


def _near_an_end(rng: np.random.Generator, scene: Scene, start: float, wanted: Ids, direction: float) -> float:
    """A slice farther on in a direction where only a small part of the object is left, if there is one nearby."""
    share = rng.uniform(0.15, 0.6)
    first = np.isin(slice_of(scene, start, 32), wanted).sum()
    for away in np.arange(0.015, 0.25, 0.015):
        left = np.isin(slice_of(scene, start + direction * away, 32), wanted).sum()
        if left < share * first:
            return start + direction * float(away) if left >= 8 else start
    return start


def _to_the_edge(rng: np.random.Generator, side: float, extent: float) -> npt.NDArray[np.float64]:
    """A shift (y, x) of the window that brings one or two of its sides to the object, or a little into it.

    So it is with objects at the frame's border: the window stays inside the frame.
    """
    reach = max((side - extent) / 2, 0.0) + rng.uniform(-0.1, 0.3, 2) * extent
    reach[0 if rng.random() < 0.5 else 1] *= rng.choice([0.0, 1.0], p=[0.7, 0.3])
    return np.asarray(reach * rng.choice([-1, 1], 2))


def _follow(rng: np.random.Generator, scene: Scene, z: float, window: Square, wanted: Ids) -> Square:
    """The window moved onto the object as it is on another slice, as the region of interest would have followed it.

    It has grown where the object has outgrown it. Where the object became smaller it has in half of the cases too, by
    up to all of the way.
    """
    y0, x0, side = window
    wide = (y0 - 0.75 * side, x0 - 0.75 * side, 2.5 * side)
    rows, columns = np.nonzero(np.isin(slice_of(scene, z, _COARSE, wide), wanted))
    if not len(rows):
        return window
    centre_y = wide[0] + (rows.min() + rows.max() + 1) / (2 * _COARSE) * wide[2]
    centre_x = wide[1] + (columns.min() + columns.max() + 1) / (2 * _COARSE) * wide[2]
    extent = max(np.ptp(rows) + 1, np.ptp(columns) + 1) / _COARSE * wide[2]
    change = rng.uniform(1.3, 1.9) * extent / side
    if change > 1 or rng.random() < 0.5:
        side *= change if change > 1 else change ** rng.uniform(0, 1)
    return float(centre_y - side / 2), float(centre_x - side / 2), float(side)


# ---------------------------------------------------------------- flows


@dataclass(frozen=True)
class _FlowRecipe:
    """What stays the same over the frames of a flow: which kinds of things there are, how many, how large."""

    kind: str
    radius: float
    counts: tuple[int, int]
    inner: float
    distractors: tuple[tuple[int, float, int], ...]
    backgrounds: tuple[int, ...]
    wavelength: float
    roughness: float
    scale_spread: float
    touching: bool
    target: str
    mottled: bool

    @property
    def target_classes(self) -> set[int]:
        return {"whole": {10, 11}, "inner": {11}, "rim": {10}, "plain": {10}}[self.target]


def _flow_recipe(rng: np.random.Generator) -> _FlowRecipe:
    kind = str(rng.choice(["crowd", "single", "regions", "vessels"], p=[0.46, 0.36, 0.11, 0.07]))
    radius = rng.uniform(*{"crowd": (0.02, 0.09), "vessels": (0.01, 0.03)}.get(kind, (0.1, 0.3)))
    counts = (1, 1)
    if kind == "crowd":
        low = int(rng.integers(2, 25))
        counts = (low, low * int(rng.integers(2, 4)))
    elif kind == "vessels":
        counts = (2, int(rng.integers(3, 11)))
    distractors = tuple(
        (int(rng.integers(20, 24)), float(rng.uniform(0.02, 0.15)), int(rng.integers(1, 14)))
        for _ in range(rng.integers(0, 3))
    )
    backgrounds = tuple(int(c) for c in rng.integers(1, 5, size=rng.integers(1, 5)))
    recipe = _FlowRecipe(
        kind=kind,
        radius=float(radius),
        counts=counts,
        inner=float(rng.uniform(0.3, 0.9)),
        distractors=distractors,
        backgrounds=backgrounds if rng.random() < 0.6 else (1,),
        wavelength=float(rng.uniform(0.3, 1.2)),
        roughness=_roughness(rng),
        scale_spread=float(rng.choice([0.05, 0.2, 0.35])),
        touching=bool(rng.random() < 0.5),
        target=str(rng.choice(["whole", "inner", "rim", "plain"], p=[0.2, 0.22, 0.2, 0.38])),
        mottled=bool(rng.random() < 0.4),
    )
    if kind not in ("crowd", "single"):  # they have no parts
        return replace(recipe, target="plain", mottled=False)
    return recipe if recipe.target == "whole" else replace(recipe, mottled=False)


def _flow_scene(recipe: _FlowRecipe, rng: np.random.Generator) -> Scene:
    """One frame of a flow."""
    scene = Scene(rng)
    if len(recipe.backgrounds) > 1:
        scene.add_regions(list(recipe.backgrounds), recipe.wavelength * float(np.exp(rng.normal(0, 0.2))))
    if recipe.kind == "regions":
        scene.add_regions([10, *recipe.backgrounds], recipe.wavelength)
        return scene
    count = int(rng.integers(recipe.counts[0], recipe.counts[1] + 1))
    if recipe.kind == "vessels":
        for _ in range(count):
            scene.add_tube(10, recipe.radius * float(np.exp(rng.normal(0, 0.4))), flat=True)
        return scene
    for class_id, radius, n in recipe.distractors:
        scene.add_blobs(class_id, int(rng.integers(0, n + 1)), radius, touching=recipe.touching)
    radius = recipe.radius * float(np.exp(rng.normal(0, recipe.scale_spread)))
    centre = None
    if recipe.kind == "single":
        y, x = rng.uniform(0.25, 0.75, 2)
        centre = (float(y), float(x))
    nested = recipe.target != "plain"
    scene.add_blobs(
        10,
        count,
        radius,
        roughness=recipe.roughness,
        inner_class=11 if nested else None,
        inner=recipe.inner,
        centre=centre,
        touching=recipe.touching,
        mottled=recipe.mottled,
    )
    return scene


def make_flow(rng: np.random.Generator, length: int, size: int) -> Sample:
    """Unrelated frames of the same kind of object: new shapes, places and backgrounds, the same look of each class."""
    while True:
        recipe = _flow_recipe(rng)
        look = Look.random(rng, 24, ordered=False).set_apart(recipe.target_classes, rng)
        amount = float(rng.choice([0.5, 1.0, 2.5], p=[0.3, 0.4, 0.3]))
        images, masks = [], []
        for t in range(length):
            scene = _flow_scene(recipe, rng)
            absent = t > 0 and rng.random() < 0.06
            wanted = set() if absent else recipe.target_classes
            ids = slice_of(scene, 0.0, size)
            classes = np.array(scene.class_of)
            mask = np.isin(classes[ids], list(wanted)) & (ids > 0)
            if absent:
                classes = np.where(np.isin(classes, (10, 11)), recipe.backgrounds[0], classes)
            images.append(render(ids[None], classes, look.varied(rng, amount), rng)[0])
            masks.append(mask)
        truth = np.stack(masks)
        if truth[0].sum() >= 20 and truth[0].mean() < 0.6 and truth[1:].any():
            return _augment(Sample(np.stack(images), truth, False, hollow=recipe.target == "rim"), rng)


def _at_the_border(sample: Sample, rng: np.random.Generator) -> Sample:
    """A window that reaches beyond the frame, on one or two sides: there the border's pixels are repeated."""
    images, masks = sample.images.copy(), sample.masks.copy()
    bridge = sample.bridge.copy() if sample.bridge is not None else None
    size = images.shape[-1]
    for flip in (slice(None), slice(None, None, -1)):
        if flip.step and rng.random() < 0.6:
            continue
        beyond = int(rng.uniform(0.02, 0.35) * size)
        images[..., flip][..., :beyond] = images[..., flip][..., beyond : beyond + 1]
        for mask in (masks, bridge):
            if mask is not None:
                mask[..., flip][..., :beyond] = False
    if masks[0].sum() < max(20, 0.4 * sample.masks[0].sum()):
        return sample
    return replace(sample, images=images, masks=masks, bridge=bridge)


def _augment(sample: Sample, rng: np.random.Generator) -> Sample:
    """Flip and transpose the whole sequence."""
    images, masks, bridge = sample.images, sample.masks, sample.bridge
    if rng.random() < 0.5:
        images, masks = images[..., ::-1], masks[..., ::-1]
        bridge = bridge[..., ::-1] if bridge is not None else None
    if rng.random() < 0.5:
        images, masks = images.swapaxes(-1, -2), masks.swapaxes(-1, -2)
        bridge = bridge.swapaxes(-1, -2) if bridge is not None else None
    bridge = np.ascontiguousarray(bridge) if bridge is not None else None
    return replace(sample, images=np.ascontiguousarray(images), masks=np.ascontiguousarray(masks), bridge=bridge)

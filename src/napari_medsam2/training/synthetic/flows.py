"""Synthetic flows: unrelated frames that show the same kind of thing."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .anatomy import add_regions, add_tube
from .appearance import Appearance
from .blobs import add_blobs, random_roughness
from .rendering import render
from .sample import Sample, flipped_sample
from .scenes import Scene, slice_of


def make_flow(rng: np.random.Generator, length: int, size: int) -> Sample:
    """Unrelated frames of the same kind of object: new shapes, places and backgrounds, the same look of each class."""
    while True:
        recipe = _flow_recipe(rng)
        appearance = _flow_appearance(recipe, rng)
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
            images.append(render(ids[None], classes, appearance.varied(rng, amount), rng)[0])
            masks.append(mask)
        truth = np.stack(masks)
        if truth[0].sum() >= 20 and truth[0].mean() < 0.6 and truth[1:].any():
            return flipped_sample(Sample(np.stack(images), truth, "flow", hollow=recipe.target == "rim"), rng)


@dataclass(frozen=True)
class _FlowRecipe:
    """What stays the same over the frames of a flow: which kinds of things there are, how many, how large."""

    kind: str
    radius: float
    counts: tuple[int, int]
    inner: float
    inner_spread: float
    distractors: tuple[tuple[int, float, int], ...]
    backgrounds: tuple[int, ...]
    wavelength: float
    roughness: float
    scale_spread: float
    touching: bool
    target: str
    mottled: bool
    pieces: int
    concentric: bool

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
        inner_spread=float(rng.choice([0.0, 0.2, 0.4])),
        distractors=distractors,
        backgrounds=backgrounds if rng.random() < 0.6 else (1,),
        wavelength=float(rng.uniform(0.3, 1.2)),
        roughness=random_roughness(rng),
        scale_spread=float(rng.choice([0.05, 0.2, 0.35])),
        touching=bool(rng.random() < 0.5),
        target=str(rng.choice(["whole", "inner", "rim", "plain"], p=[0.2, 0.22, 0.2, 0.38])),
        mottled=bool(rng.random() < 0.4),
        pieces=int(rng.choice([1, 2, 3, 4], p=[0.7, 0.1, 0.1, 0.1])),
        concentric=False,
    )
    if kind == "single" and recipe.target in ("inner", "rim", "whole") and rng.random() < 0.6:
        recipe = replace(
            recipe,
            radius=float(rng.uniform(0.15, 0.42)),
            inner=float(rng.uniform(0.45, 0.97)),
            roughness=min(recipe.roughness, 0.08),
            concentric=True,
        )
    return recipe if kind in ("crowd", "single") else replace(recipe, target="plain")  # the others have no parts


def _flow_appearance(recipe: _FlowRecipe, rng: np.random.Generator) -> Appearance:
    """The appearance of the classes, the target told apart from the others.

    Things of one kind are often brighter and fainter, as nuclei are. Where there are other kinds, they are less so.
    """
    appearance = Appearance.random(rng, 24, mode="flow")
    if rng.random() < (0.6 if recipe.concentric else 0.3):
        appearance = appearance.stained(rng, 6, 10, 11)
    elif recipe.target != "plain" and rng.random() < 0.4:
        appearance = appearance.graded(rng, recipe.backgrounds[0], 10, 11)
    appearance = appearance.set_apart(recipe.target_classes, rng)
    if recipe.kind in ("crowd", "single") and recipe.target == "plain" and rng.random() < 0.6:
        spread = float(rng.choice([0.15, 0.3, 0.45])) if not recipe.distractors else 0.15
        appearance = replace(appearance, uneven=spread, ground=recipe.backgrounds[0])
    return appearance


def _flow_scene(recipe: _FlowRecipe, rng: np.random.Generator) -> Scene:
    """One frame of a flow."""
    scene = Scene(rng)
    if recipe.concentric:
        scene.straighten(0.3)
    if len(recipe.backgrounds) > 1:
        add_regions(scene, list(recipe.backgrounds), recipe.wavelength * float(np.exp(rng.normal(0, 0.2))))
    if recipe.kind == "regions":
        add_regions(scene, [10, *recipe.backgrounds], recipe.wavelength)
        return scene
    count = int(rng.integers(recipe.counts[0], recipe.counts[1] + 1))
    if recipe.kind == "vessels":
        for _ in range(count):
            add_tube(scene, 10, recipe.radius * float(np.exp(rng.normal(0, 0.4))), flat=True)
        return scene
    for class_id, radius, n in recipe.distractors:
        add_blobs(scene, class_id, int(rng.integers(0, n + 1)), radius, touching=recipe.touching)
    radius = recipe.radius * float(np.exp(rng.normal(0, recipe.scale_spread)))
    centre = None
    if recipe.kind == "single":
        y, x = rng.uniform(0.25, 0.75, 2)
        centre = (float(y), float(x))
    nested = recipe.target != "plain"
    # A nucleus fills its cell on one image and a part of it on the next: its look says which it is, not its share.
    inner = float(np.clip(recipe.inner * np.exp(rng.normal(0, recipe.inner_spread)), 0.25, 0.97))
    add_blobs(
        scene,
        10,
        count,
        radius,
        roughness=recipe.roughness,
        inner_class=11 if nested else None,
        inner=inner,
        pieces=recipe.pieces,
        centre=centre,
        touching=recipe.touching,
        mottled=recipe.mottled and recipe.target == "whole",
        concentric=recipe.concentric,
    )
    return scene

"""What is in the volume that a synthetic stack goes through: organs, tissue, lesions, cells, vessels or nuclei."""

from __future__ import annotations

import numpy as np

from .anatomy import add_body, add_infiltrate, add_regions, add_sheets, add_tube
from .blobs import add_blobs, random_roughness
from .crowds import add_nuclei, add_tissue
from .scenes import AIR, LAST_BACKGROUND, LESION, Scene

#: Kinds of scenes, and how often each comes.
_KINDS = {"organs": 0.23, "tissue": 0.25, "lesion": 0.21, "cells": 0.08, "vessels": 0.05, "nuclei": 0.18}


def draw_stack_scene(rng: np.random.Generator) -> Scene:
    """A scene of one kind, drawn at random."""
    scene = Scene(rng)
    kind = str(rng.choice(list(_KINDS), p=list(_KINDS.values())))
    if kind == "tissue":
        _fill_with_tissue(scene)
    elif kind == "nuclei":
        _fill_with_nuclei(scene)
    elif kind == "cells":
        _fill_with_cells(scene)
    else:
        _fill_with_anatomy(scene, kind)
    return scene


def _fill_with_tissue(scene: Scene) -> None:
    """Cells that touch, sometimes with a few larger ones among them."""
    rng = scene.rng
    gap = rng.choice([0.0, 0.0, rng.uniform(0.005, 0.03)])
    add_tissue(scene, 1, int(rng.integers(60, 900)), gap)
    if rng.random() < 0.25:
        add_blobs(scene, 2, int(rng.integers(2, 8)), rng.uniform(0.03, 0.08), roughness=0.1)


def _fill_with_nuclei(scene: Scene) -> None:
    rng = scene.rng
    add_nuclei(
        scene,
        7,
        int(np.exp(rng.uniform(np.log(100), np.log(2000)))),
        fill=rng.uniform(0.5, 1.05),
        missing=float(rng.choice([0.0, rng.uniform(0, 0.6)])),
    )


def _fill_with_cells(scene: Scene) -> None:
    """Single cells, some with nuclei, on an even or an uneven background."""
    rng = scene.rng
    background = _background(rng)
    if rng.random() < 0.4:
        add_regions(scene, background, rng.uniform(0.3, 1.5))
    inner = 8 if rng.random() < 0.5 else None
    add_blobs(
        scene,
        7,
        int(rng.integers(5, 40)),
        rng.uniform(0.05, 0.14),
        inner_class=inner,
        touching=rng.random() < 0.6,
    )


def _fill_with_anatomy(scene: Scene, kind: str) -> None:
    """Organs on regions, with vessels or a lesion where the kind says so, sometimes in a body with air around it."""
    rng = scene.rng
    background = _background(rng)
    add_regions(scene, background, rng.uniform(0.25, 1.4))
    if rng.random() < 0.3:
        folded = int(rng.integers(1, LAST_BACKGROUND + 1))
        add_sheets(scene, folded, rng.uniform(0.12, 0.6), rng.uniform(0.004, 0.02))
    for _ in range(rng.integers(1, 4) if kind != "lesion" else rng.integers(0, 2)):
        _add_organs(scene)
    if kind == "vessels" or rng.random() < 0.2:
        for _ in range(rng.integers(1, 5)):
            add_tube(scene, int(rng.integers(7, 10)), rng.uniform(0.015, 0.06))
    if kind == "lesion":
        _add_lesion(scene)
    if rng.random() < 0.3:
        shells = [int(c) for c in rng.integers(1, LAST_BACKGROUND + 1, rng.integers(0, 4))]
        y, x = rng.uniform(0.3, 0.7, 2)
        add_body(scene, AIR, shells, (float(y), float(x)), rng.uniform(0.35, 0.75))


def _background(rng: np.random.Generator) -> list[int]:
    """Two to six classes of what things lie in."""
    return [int(c) for c in rng.permutation(np.arange(1, LAST_BACKGROUND + 1))[: rng.integers(2, 7)]]


def _add_organs(scene: Scene) -> None:
    rng = scene.rng
    organs = int(rng.integers(1, 5))
    add_blobs(
        scene,
        int(rng.integers(7, 10)),
        organs,
        rng.uniform(0.08, 0.25),
        roughness=random_roughness(rng),
        inner_class=int(rng.integers(1, 10)) if rng.random() < 0.35 else None,
        inner=rng.uniform(0.2, 0.6),
        touching=rng.random() < 0.4,
        mottled=rng.random() < 0.3,
    )


def _add_lesion(scene: Scene) -> None:
    """A lesion that infiltrates, or one or two that push aside what is there."""
    rng = scene.rng
    inner = int(rng.integers(1, 10)) if rng.random() < 0.75 else None
    if rng.random() < 0.5:
        add_infiltrate(scene, LESION, rng.uniform(0.06, 0.2), inner_class=inner)
    else:
        add_blobs(
            scene,
            LESION,
            int(rng.integers(1, 3)),
            rng.uniform(0.05, 0.2),
            roughness=rng.uniform(0.1, 0.4),
            inner_class=inner,
            inner=rng.uniform(0.3, 0.8),
            lobed=0.5,
            mottled=rng.random() < 0.45,
        )

"""Scenes that the tests of synthetic data share."""

from __future__ import annotations

import numpy as np

from napari_medsam2.training.synthetic.courses import Course
from napari_medsam2.training.synthetic.scenes import Scene


def still_scene(seed: int = 0) -> Scene:
    """An empty scene that is not warped."""
    scene = Scene(np.random.default_rng(seed))
    scene.warps = []
    return scene


def drifting_ball() -> tuple[Scene, Course]:
    """A ball that moves aslant through the slices by a tenth of its width, and a course along it."""
    scene = still_scene()
    own = scene.new_instance(7)

    def aslant(points: np.ndarray, ids: np.ndarray) -> np.ndarray:
        centre = np.stack([np.full(len(points), 0.5), 0.5 + points[:, 0]], 1)
        return np.where(np.linalg.norm(points[:, 1:] - centre, axis=1) < 0.1, own, ids).astype(np.int32)

    scene.layers = [aslant]
    window = (0.5 - 0.15, 0.5 - 0.15, 0.3)
    return scene, Course(np.array([own], np.int32), 0.0, 0.02, window, (0.5, 0.5), 0.2, hollow=False)

"""A model that reads one box or click in two ways, and cells with nuclei to try it on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from fakes import BlobNetwork, disc

from napari_medsam2.models.device import Model
from napari_medsam2.network.interface import ImageFeatures, Prediction, PromptTensors
from napari_medsam2.network.readings import choose
from napari_medsam2.prompts import BoxPrompt

CELL, NUCLEUS = disc((64, 64), 32, 32, 14), disc((64, 64), 32, 32, 5)
BOX = BoxPrompt(0, 17.5, 17.5, 46.5, 46.5)


class Parts(BlobNetwork):
    """Reads a single prompt as the whole blob that it is on, or as the bright part of that."""

    def segment(self, features: ImageFeatures, prompts: PromptTensors | None, *given: Any, **named: Any) -> Prediction:
        answer = super().segment(features, prompts, *given, **named)
        if prompts is None or not prompts.is_one:
            return answer
        part = torch.where(features.levels[0].amax(1, keepdim=True) > 0.7, answer.logits, torch.tensor(-8.0))
        readings = [answer.logits, part]
        chosen = choose(readings, prompts.choosing, self.image_size)
        return replace(answer, logits=readings[chosen], readings=(readings.pop(chosen), *readings))


def model_of_parts() -> Model:
    """The model."""
    return Model(name="parts", network=Parts(64).eval(), device=torch.device("cpu"), region=False)


def cells(n_frames: int) -> np.ndarray:
    """Frames of one cell with a bright nucleus."""
    return np.stack([np.where(NUCLEUS, 230, np.where(CELL, 130, 20)).astype(np.uint8)] * n_frames)

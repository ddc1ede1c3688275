"""Score a network on what was held out, with the session that the user will have."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ...evaluation.evaluate import evaluate
from ...evaluation.protocol import PromptKind, Protocol
from ...evaluation.scores import Row, means
from ...models.device import Model
from ...network.interface import SegmentationNetwork
from ..data.split import Part


@dataclass(frozen=True)
class Score:
    """Mean Dice over the datasets: of the frames without a prompt, which decides, and of the prompted ones."""

    dice: float
    prompted: float


class Scorer(ABC):
    """Says how good a network is that is being trained."""

    @abstractmethod
    def score(self, network: SegmentationNetwork, device: torch.device) -> Score:
        """Score a network as it is; it is left in evaluation mode, and on its device."""


@dataclass(frozen=True, eq=False)
class Validation(Scorer):
    """Scores networks on held-out parts.

    Attributes
    ----------
    parts
        What to score.
    prompt
        What is drawn on one frame of each.
    name
        Of the model, in the rows.
    region
        Whether the session crops around the object in stacks.
    """

    parts: Sequence[Part]
    prompt: PromptKind
    name: str
    region: bool | None

    def score(self, network: SegmentationNetwork, device: torch.device) -> Score:
        """Score a network as it is; it is left in evaluation mode, and on its device.

        Where memory is short there, the session goes on with it on the CPU. The training that follows needs it back.
        """
        model = Model(self.name, network.eval(), device, self.region)
        autocast = network.autocast
        rows: list[Row] = []
        try:
            for part in self.parts:
                protocol = Protocol(prompt=self.prompt, objects=part.objects)
                rows += evaluate(model, part.dataset, protocol)
        finally:
            if model.has_left(device):
                network.to(device)
                network.autocast = autocast
        datasets: dict[str, dict[str, float]] = means(rows)["datasets"]

        def mean(name: str) -> float:
            return float(np.mean([scores[name] for scores in datasets.values()]))

        return Score(mean("dice"), mean("dice_prompted"))

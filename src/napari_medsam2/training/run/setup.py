"""What a run needs: which network, from which weights, on which data, and how it is scored."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ...errors import TrainingError
from ...models.device import Model
from ...models.loading import load_model
from ...network.micro.config import MicroConfig
from ...network.micro.network import MicroNetwork
from ..config import TrainConfig
from ..data.batches import MakeBatch, SyntheticBatches
from ..data.labelled import View, open_labelled
from ..learning.learners import Learner, learner_for
from ..learning.validation import Scorer, Validation


@dataclass(frozen=True, eq=False)
class TrainingSetup:
    """What to train, on what, and how it is scored.

    Attributes
    ----------
    learner
        The network and its loss.
    make
        Makes batches.
    validation
        Scores the network on what was held out; ``None`` scores nothing and keeps the last weights.
    """

    learner: Learner
    make: MakeBatch
    validation: Scorer | None = None


def synthetic_setup(config: TrainConfig, device: torch.device) -> TrainingSetup:
    """The bundled network from nothing, on synthetic data."""
    torch.manual_seed(config.seed)
    network = MicroNetwork(MicroConfig()).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return TrainingSetup(learner_for(network, config), SyntheticBatches(config))


def make_setup(config: TrainConfig, device: torch.device) -> tuple[TrainingSetup, tuple[str, ...]]:
    """The setup of a configuration, and what should be said about it.

    Raises
    ------
    UserError
        For data, models and weights that cannot be used, in words.
    """
    if not config.fine_tuning:
        if not config.model:
            return synthetic_setup(config, device), ()
        model = load_to_train(config, device)
        if not isinstance(model.network, MicroNetwork):
            raise TrainingError(
                f"synthetic data are for the bundled network; {model.name} can be trained on labelled images of your "
                "own, with --data"
            )
        return TrainingSetup(learner_for(model.network, config), SyntheticBatches(config)), ()
    opened = open_labelled(config)  # first: it is quick, and says what is wrong with the data
    model = load_to_train(config, device)
    learner = learner_for(model.network, config)
    held_out = opened.split.held_out
    validation = Validation(held_out, config.prompt, model.name, model.region) if held_out else None
    return TrainingSetup(learner, opened.batches(config, view_of(model)), validation), opened.told


def view_of(model: Model) -> View:
    """How a session shows frames to a model, less its windows for what is too small on whole frames."""
    network = model.network
    return View(network.image_size, (network.region_size or network.image_size) if model.region else None)


def load_to_train(config: TrainConfig, device: torch.device) -> Model:
    """The model that a run begins with."""
    torch.manual_seed(config.seed)
    model = load_model(config.model, device=str(device), image_size=config.image_size or None, precision="float32")
    if isinstance(model.network, MicroNetwork):
        model.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return model

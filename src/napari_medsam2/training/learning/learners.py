"""How each kind of network learns: its loss over a batch, what of it may change, and in which precision."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial, wraps
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ...errors import TrainingError
from ...models.device import use_bfloat16
from ...network.interface import SegmentationNetwork
from ...network.micro.blocks import GlobalAttention, ResidualBlock
from ...network.micro.network import MicroNetwork
from ...network.sam2.hiera import Hiera
from ...network.sam2.memory import MemoryAttention, MemoryEncoder
from ...network.sam2.network import Sam2
from ...network.sam2.vit import PlainVit
from ..config import TrainConfig
from ..data.batches import Batch
from .micro_options import SequenceOptions
from .micro_sequence import sequence_loss
from .sam2_sequence import sam2_sequence_loss


class Learner(ABC):
    """A network in training.

    Parameters
    ----------
    network
        On its device; parameters that may not change are marked here.
    config
        Of the run.
    """

    def __init__(self, network: SegmentationNetwork, config: TrainConfig) -> None:
        self.network, self.config = network, config
        self.device = next(network.parameters()).device
        #: A copy that does not learn, for the averaged weights; made before anything is wrapped below.
        self.average = copy.deepcopy(network).eval().requires_grad_(False)
        everything = config.trainable == "all" or (config.trainable == "auto" and self.trains_all_by_itself())
        network.requires_grad_(True)
        if not everything:
            self.encoder().requires_grad_(False)
        self.bfloat16 = use_bfloat16(config.precision, self.device)
        if config.checkpointing:
            for block in self.blocks():
                _recompute(block)

    @property
    @abstractmethod
    def usual_rate(self) -> float:
        """The highest learning rate where the configuration names none."""

    @abstractmethod
    def encoder(self) -> nn.Module:
        """The image encoder, which stays as it is if only the decoder may change."""

    @abstractmethod
    def blocks(self) -> list[nn.Module]:
        """Modules that are worth computing again instead of keeping what is inside them."""

    @abstractmethod
    def _loss(self, batch: Batch, balance: float) -> tuple[Tensor, dict[str, float]]:
        """The loss of a batch, and figures for the curve."""

    def trains_all_by_itself(self) -> bool:
        """Whether the encoder learns too, where nobody said."""
        return self.device.type == "cuda"

    def loss(self, batch: Batch, step: int) -> tuple[Tensor, dict[str, float]]:
        """The loss of a batch, with gradients, and figures for the curve."""
        with self.precision():
            return self._loss(batch, 0.5 if step < self.config.balanced else 0.0)

    @contextmanager
    def precision(self) -> Iterator[None]:
        """Mixed precision, where it is used."""
        if not self.bfloat16:
            yield
            return
        with torch.autocast(self.device.type, torch.bfloat16):
            yield


class MicroLearner(Learner):
    """The bundled network: sequences of a batch run together."""

    network: MicroNetwork

    def __init__(self, network: MicroNetwork, config: TrainConfig) -> None:
        super().__init__(network, config)
        if network.prior is not None:  # it is what photographs taught, and stays that
            network.prior.requires_grad_(False)
        if self.bfloat16:
            keep_float32(network)

    @property
    def usual_rate(self) -> float:
        return 2e-4 if self.config.model else 8e-4

    def encoder(self) -> nn.Module:
        return self.network.trunk

    def blocks(self) -> list[nn.Module]:
        return [module for module in self.network.modules() if isinstance(module, (ResidualBlock, GlobalAttention))]

    def trains_all_by_itself(self) -> bool:
        return True

    def _loss(self, batch: Batch, balance: float) -> tuple[Tensor, dict[str, float]]:
        options = SequenceOptions(
            teacher=self.config.teacher,
            balance=balance,
            prompts_stack=self.config.prompts_stack,
            prompts_flow=self.config.prompts_flow,
            recent_dropout=self.config.recent_dropout,
            calibration=self.config.calibration,
            volume=self.config.volume,
        )
        loss, figures = sequence_loss(self.network, batch, options)
        if all(prompt.mask for prompt in batch.prompts):
            figures["prompted"] = float("nan")  # every mask was drawn: nothing was predicted
        return loss, figures


class Sam2Learner(Learner):
    """SAM 2 and its descendants: one sequence after the other, with the session's memory banks."""

    network: Sam2

    @property
    def usual_rate(self) -> float:
        return 2e-5

    def encoder(self) -> nn.Module:
        return self.network.image_encoder

    def blocks(self) -> list[nn.Module]:
        found: list[nn.Module] = []
        for module in self.network.modules():
            if isinstance(module, (Hiera, PlainVit)):
                found += list(module.blocks)
            elif isinstance(module, MemoryAttention):
                found += list(module.layers)
            elif isinstance(module, MemoryEncoder):
                found.append(module)
        return found

    def _loss(self, batch: Batch, balance: float) -> tuple[Tensor, dict[str, float]]:
        teacher, calibration = self.config.teacher, self.config.calibration
        return sam2_sequence_loss(self.network, batch, teacher=teacher, balance=balance, calibration=calibration)


def learner_for(network: SegmentationNetwork, config: TrainConfig) -> Learner:
    """The learner for a network.

    Raises
    ------
    TrainingError
        If networks of its kind cannot be trained.
    """
    if isinstance(network, MicroNetwork):
        return MicroLearner(network, config)
    if isinstance(network, Sam2):
        return Sam2Learner(network, config)
    raise TrainingError(f"a {type(network).__name__} cannot be trained; micro, SAM 2 and its descendants can")


def keep_float32(network: MicroNetwork) -> None:
    """Keep float32 under autocast for what suffers: norms, attention, the ridge regression, and the answers.

    In bfloat16 the regression's moments lose what tells the object apart, and torch's CPU kernels for the gradients of
    group norms are slower than in float32.
    """
    for module in network.modules():
        if isinstance(module, nn.GroupNorm):
            module.register_forward_pre_hook(lambda _, given: tuple(_float32(value) for value in given))
        elif isinstance(module, GlobalAttention):
            _in_float32(module, "forward")
    for name in ("remember", "ridge", "attend"):
        _in_float32(network.memory, name)
    network.decoder.register_forward_hook(lambda _, __, answer: tuple(_float32(value) for value in answer))


def _in_float32(module: nn.Module, name: str) -> None:
    method: Callable[..., Any] = getattr(module, name)

    @wraps(method)
    def wrapped(*values: Any, **named: Any) -> Any:
        device = next(module.parameters()).device.type
        with torch.autocast(device, enabled=False):
            return method(*(_float32(value) for value in values), **{k: _float32(v) for k, v in named.items()})

    setattr(module, name, wrapped)


def _float32(value: Any) -> Any:
    """Tensors, alone or as the fields of a dataclass of tensors, as float32."""
    if isinstance(value, Tensor):
        return value.float() if value.dtype == torch.bfloat16 else value
    if hasattr(value, "__dataclass_fields__"):
        return type(value)(**{name: _float32(getattr(value, name)) for name in value.__dataclass_fields__})
    return value


def _recompute(module: nn.Module) -> None:
    """Run a module's forward again for the gradient instead of keeping what it made on the way."""
    plain = module.forward

    @wraps(plain)
    def forward(*values: Any) -> Any:
        if not torch.is_grad_enabled():
            return plain(*values)
        return checkpoint(partial(plain), *values, use_reentrant=False)

    module.forward = forward

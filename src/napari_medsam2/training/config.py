"""The training configuration, declared once: it makes the command line and is saved with the weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, get_args, get_origin, get_type_hints

from ..errors import OptionError


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides a training run.

    The learning rate warms up, stays, and falls to zero over the last ``decay`` of the steps, so a run can be prolonged
    from any state before the fall. ``steps`` may be changed when a run is resumed.

    Attributes
    ----------
    data
        Labelled images to train on: npz files, or folders with images and labels. Without any the data are synthetic.
    model
        Weights to start from: a name from `models list`, or a file. Empty starts from nothing on synthetic data, and
        from micro on your own.
    mode
        What your data are: a stack (neighbours), a flow (unrelated images), or auto: what the files say.
    labels
        What the numbers in a flow's label images mean: classes (1 is the same kind of thing on every image), instances
        (every number is one thing more of the same kind), or auto: instances if there are more than 20 numbers.
    holdout
        Share of your data that is not trained on but scored, before and after, 0 to 0.9; 0 scores nothing.
    validations
        How many times the held-out share is scored on the way; the best weights are kept.
    prompt
        What the scoring draws on one frame: box, point or mask.
    trainable
        What may change: all, the decoder (the image encoder stays as it is), or auto: all for micro, and for larger
        networks all on a GPU and the decoder elsewhere.
    image_size
        Side of the network input in pixels for SAM 2 and its descendants, a multiple of 32; 0 is the model's own.
    steps
        Optimiser steps in all.
    pixels
        Pixels in a batch; decides how many sequences fit.
    size
        Usual side of synthetic frames; some steps use three quarters of it and some three halves. A multiple of 64.
    first_length
        Frames in a sequence during the first fifth of the steps.
    length
        Frames in a sequence after that.
    short
        Share of the steps after that whose sequences have two frames: many more of them are prompted ones (synthetic
        data).
    flows
        Share of the steps that train on flows, 0 to 1; the others train on stacks. With your own data, where there are
        both.
    balanced
        Steps in which object and background weigh the same in half of the cross-entropy; plain cross-entropy after.
    bridges
        Share of the stacks in which slices are left out after the prompted one, and propagation goes on from a mask
        with errors in it, as late in a long stack (bundled network).
    rollouts
        Share of the other stacks that are longer than ``length``, the first slices after the prompted one being
        propagated through as in use, without being judged (bundled network, synthetic data).
    followed
        Share of the stacks whose windows follow the object from slice to slice (bundled network, synthetic data;
        those of your own always do).
    flips
        Flip, transpose, brighten and darken your images at random.
    learning_rate
        Highest learning rate of AdamW; 0 takes 0.0008 for a network from nothing, 0.0002 to train micro further, and
        0.00002 for SAM 2 and its descendants.
    weight_decay
        Of AdamW.
    warmup
        Steps over which the learning rate rises.
    decay
        Share of the steps over which the learning rate falls to zero.
    ema
        Decay of the averaged weights, which are the ones exported.
    teacher
        Chance that a memory holds the true mask instead of the predicted one.
    prompts_stack, prompts_flow
        Chance that a frame after the first is prompted too, in stacks and in flows (bundled network).
    recent_dropout
        Chance that a frame of a stack recalls the prompted frames alone (bundled network).
    calibration
        Weight of the loss that ties the predicted IoU to the true one.
    volume
        Weight of the Dice loss over whole stacks (bundled network), 0 to 1.
    accumulate
        Batches whose gradients are added up for one step.
    precision
        float32, bfloat16 (mixed: what needs float32 keeps it), or auto: bfloat16 on a GPU that has it.
    checkpointing
        Compute again instead of keeping what the gradient needs: less memory, about a third more time.
    seed
        Of data and weights.
    workers
        Processes that make data; 0 makes it in the training process. Their number does not change the data.
    save_every
        Seconds between saved states.
    """

    data: tuple[str, ...] = ()
    model: str = ""
    mode: Literal["auto", "stack", "flow"] = "auto"
    labels: Literal["auto", "classes", "instances"] = "auto"
    holdout: float = 0.25
    validations: int = 4
    prompt: Literal["box", "point", "mask"] = "box"
    trainable: Literal["auto", "all", "decoder"] = "auto"
    image_size: int = 0
    steps: int = 8000
    pixels: int = 524_288
    size: int = 128
    first_length: int = 4
    length: int = 8
    short: float = 0.0
    flows: float = 0.35
    balanced: int = 1500
    bridges: float = 0.4
    rollouts: float = 0.5
    followed: float = 0.2
    flips: bool = True
    learning_rate: float = 0.0
    weight_decay: float = 0.02
    warmup: int = 100
    decay: float = 0.3
    ema: float = 0.998
    teacher: float = 0.25
    prompts_stack: float = 0.25
    prompts_flow: float = 0.3
    recent_dropout: float = 0.4
    calibration: float = 0.3
    volume: float = 0.5
    accumulate: int = 1
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    checkpointing: bool = False
    seed: int = 0
    workers: int = 1
    save_every: float = 120.0

    def __post_init__(self) -> None:
        positive = ("steps", "pixels", "size", "first_length", "length", "warmup", "accumulate")
        for name in positive:
            if not getattr(self, name) > 0:
                raise OptionError(f"{name} must be more than 0; got {getattr(self, name)}")
        for name in (
            "learning_rate",
            "workers",
            "validations",
            "save_every",
            "balanced",
            "weight_decay",
            "calibration",
            "seed",
        ):
            if not getattr(self, name) >= 0:  # not a number is neither
                raise OptionError(f"{name} must be 0 or more; got {getattr(self, name)}")
        for name in (
            "short",
            "flows",
            "bridges",
            "rollouts",
            "followed",
            "volume",
            "decay",
            "ema",
            "teacher",
            "prompts_stack",
            "prompts_flow",
            "recent_dropout",
        ):
            if not 0 <= getattr(self, name) <= 1:
                raise OptionError(f"{name} must lie between 0 and 1; got {getattr(self, name)}")
        if not 0 <= self.holdout <= 0.9:
            raise OptionError(f"holdout must lie between 0 and 0.9; got {self.holdout}")
        if self.seed >= 1 << 63:
            raise OptionError(f"seed must be less than 2**63; got {self.seed}")
        if self.size % 64:
            raise OptionError(f"size must be a multiple of 64; got {self.size}")
        if self.image_size < 0 or self.image_size % 32:
            raise OptionError(f"image_size must be a multiple of 32, or 0 for the model's own; got {self.image_size}")
        if self.length < 2 or self.first_length < 2:
            raise OptionError("a training sequence needs at least two frames: one prompted, one reached through memory")
        for option in options():
            if option.choices and getattr(self, option.name) not in option.choices:
                wanted = ", ".join(option.choices)
                raise OptionError(f"{option.name} must be one of {wanted}; got {getattr(self, option.name)!r}")

    @property
    def fine_tuning(self) -> bool:
        """True if the data are the user's own."""
        return bool(self.data)

    def as_json(self) -> dict[str, Any]:
        """For a JSON file; :func:`from_json` is the way back."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}


#: The name of the configuration's file in the folder of a run.
CONFIG = "config.json"

#: What differs from the defaults for training on one's own data: the network knows much already.
FINE_TUNING: Mapping[str, Any] = {
    "model": "micro",
    "steps": 300,
    "pixels": 260_000,
    "first_length": 3,
    "length": 4,
    "flows": 0.5,
    "balanced": 0,
    "warmup": 20,
    "decay": 0.6,
    "ema": 0.97,
}

#: What may not change when a run is resumed, because it would be another run.
FIXED = ("data", "model", "mode", "labels", "holdout", "prompt", "trainable", "image_size", "size", "seed")


@dataclass(frozen=True)
class Option:
    """A field of :class:`TrainConfig`, as the command line needs it.

    ``kind`` is the type of the value (of one of them, if there may be ``several``), ``choices`` the only ones there
    are, ``told`` the sentence about it.
    """

    name: str
    kind: type
    default: Any
    told: str
    choices: tuple[str, ...] = ()
    several: bool = False


def options() -> tuple[Option, ...]:
    """Every field of :class:`TrainConfig`."""
    return _OPTIONS


def _read_options() -> tuple[Option, ...]:
    told, hints = describe_options(), get_type_hints(TrainConfig)
    found = []
    for field in fields(TrainConfig):
        hint = hints[field.name]
        several = get_origin(hint) is tuple
        choices = get_args(hint) if get_origin(hint) is Literal else ()
        kind = str if several or choices else hint
        found.append(Option(field.name, kind, field.default, told[field.name], choices, several))
    return tuple(found)


def describe_options() -> dict[str, str]:
    """The sentence about each field, read from the docstring above."""
    lines = (TrainConfig.__doc__ or "").split("Attributes\n    ----------\n", 1)[-1].splitlines()
    told: dict[str, str] = {}
    names: list[str] = []
    for line in lines:
        text = line.strip()
        if line.startswith("        ") and names:
            for name in names:
                told[name] = f"{told.get(name, '')} {text}".strip()
        elif text:
            names = [n.strip() for n in text.split(",")]
    return {f.name: told.get(f.name, "") for f in fields(TrainConfig)}


def make_config(asked: Mapping[str, Any]) -> TrainConfig:
    """Defaults, those of fine-tuning if data are named, changed by what was asked for."""
    return TrainConfig(**{**(FINE_TUNING if asked.get("data") else {}), **asked})


def resumed_config(saved: TrainConfig, asked: Mapping[str, Any]) -> TrainConfig:
    """The configuration of a run, changed by what was asked for on resuming it.

    Raises
    ------
    OptionError
        If the change would make it another run.
    """
    for name in FIXED:
        if name in asked and asked[name] != getattr(saved, name):
            raise OptionError(
                f"{name} belongs to the run from its start and was {getattr(saved, name)!r}; got {asked[name]!r}. "
                "Start a run in another folder"
            )
    return replace(saved, **asked)


def from_json(content: Any) -> TrainConfig:
    """Read what :meth:`TrainConfig.as_json` wrote. What an older version did not know yet has its default.

    Raises
    ------
    OptionError
        If it is no such configuration.
    """
    if not isinstance(content, dict):
        raise OptionError(f"a configuration is a JSON object; got a {type(content).__name__}")
    kinds = {option.name: option for option in options()}
    unknown = sorted(set(content) - set(kinds))
    if unknown:
        raise OptionError(f"it has options that this version does not know: {', '.join(unknown)}")
    values: dict[str, Any] = {}
    for name, value in content.items():
        option = kinds[name]
        if option.several:
            value = tuple(str(item) for item in value) if isinstance(value, list) else value
        elif option.kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = _as_float(name, value)
        wanted = tuple if option.several else option.kind
        if not isinstance(value, wanted) or (isinstance(value, bool) and option.kind is not bool):
            raise OptionError(f"{name} should be a {wanted.__name__}; got {value!r}")
        values[name] = value
    return TrainConfig(**values)


def _as_float(name: str, value: int) -> float:
    try:
        return float(value)
    except OverflowError as error:
        raise OptionError(f"{name} is too large a number; got {value}") from error


_OPTIONS = _read_options()

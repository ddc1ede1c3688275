"""The models there are, and how to get one ready to run. Listing them is instant: torch is imported on loading only."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from .network.config import BEHAVIOURS
from .notices import Notice, OnNotice, as_warning
from .registry import (
    MODELS,
    ModelEntry,
    ModelError,
    entry_of_file,
    find_entry,
    groups,
    local_file,
    models_folder,
    no_such,
)

if TYPE_CHECKING:
    import torch

    from .network.config import Sam2Config
    from .network.interface import SegmentationNetwork
    from .network.micro_encoder import MicroConfig

#: What :func:`load_model` takes as a precision.
PRECISIONS = ("auto", "float32", "bfloat16")

__all__ = [
    "MODELS",
    "PRECISIONS",
    "Model",
    "ModelEntry",
    "ModelError",
    "choose_device",
    "find_entry",
    "groups",
    "load_model",
    "local_file",
    "models_folder",
]


@dataclass(eq=False)
class Model:
    """A network that is ready to run. Sessions may share it; where it runs is all that changes.

    Attributes
    ----------
    name
        Name of the entry, or of the file.
    network
        In evaluation mode, on ``device``.
    device
        Where tensors live.
    region
        True if the session should crop around the object in stacks unless told otherwise, False if it should show
        whole frames, ``None`` if it should crop only where an object is too small for that.
    on_notice
        Called when memory is short and something changes, such as the device; by default a :class:`RuntimeWarning`.
    """

    name: str
    network: SegmentationNetwork = field(repr=False)
    device: torch.device
    region: bool | None
    on_notice: OnNotice = field(default=as_warning, repr=False)
    _leaving: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    @property
    def image_size(self) -> int:
        """Side of the square network input, in pixels."""
        return self.network.image_size

    def go_to_cpu(self) -> None:
        """Run on the CPU in float32 from now on, in all sessions; memories and features follow when they are used."""
        from .shortage import give_back_unused

        with self._leaving:
            left = self.device
            if left.type == "cpu":
                return
            self.network.to("cpu")
            self.network.autocast = None
            self.device = choose_device("cpu")
        give_back_unused(left)
        self.on_notice(
            Notice(
                f"There is not enough memory on {left} for {self.name}: it continues on the CPU, slower. Nothing was "
                f"lost. Once other programs have made room, load it on {left} again.",
                "cpu",
            )
        )

    def has_left(self, device: torch.device) -> bool:
        """True if the network is not on a device any more; waits for a move that is under way."""
        with self._leaving:
            return self.device != device


def choose_device(name: str = "auto") -> torch.device:
    """The device to run on.

    Parameters
    ----------
    name
        "auto" for the best there is, or "cuda", "cuda:1", "mps", "cpu".

    Raises
    ------
    ModelError
        If the device is unknown or absent.
    """
    import torch

    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(kind for kind, there in present.items() if there))
    kind, _, number = name.partition(":")
    if kind not in present or (number and not number.isdigit()):
        raise ModelError(f"the device must be auto, cuda, mps or cpu; got {name!r}")
    if not present[kind]:
        there = " or ".join(other for other, here in present.items() if here)
        why = f"this torch ({torch.__version__}) sees no such device"
        raise ModelError(f"{name} is not available: {why}; available: {there}")
    if kind == "cuda" and number and int(number) >= torch.cuda.device_count():
        raise ModelError(f"{name} is not available: there are {torch.cuda.device_count()} GPUs, counted from 0")
    return torch.device(name)


def load_model(
    name_or_path: str | Path = "micro",
    *,
    device: str = "auto",
    image_size: int | None = None,
    precision: str = "auto",
    on_notice: OnNotice = as_warning,
) -> Model:
    """Load a model by name, or from a file of weights.

    Parameters
    ----------
    name_or_path
        A name in :data:`MODELS`, or a checkpoint of SAM 2, SAM 2.1, MedSAM2, MedSAM-2, EfficientTAM or this package, as
        published or in the layout of transformers. A file with the name of a published one gets that model's settings.
    device
        See :func:`choose_device`.
    image_size
        Side of the square network input in pixels, if not the model's own. SAM 2 and its descendants take any multiple
        of 32, and are slower and finer the larger it is.
    precision
        "float32", "bfloat16" (mixed: what needs float32 keeps it), or "auto": bfloat16 on GPUs of NVIDIA that compute
        in it, else float32. The micro network always runs in float32.
    on_notice
        Called with a :class:`~napari_medsam2.notices.Notice`, also while sessions run, when memory is short: a model
        that does not fit on the device that "auto" chose is loaded on the CPU, and one that no longer fits goes on
        there. By default a :class:`RuntimeWarning`.

    Raises
    ------
    ModelError
        If there is no such model, file or precision, the device is absent, or the model does not fit on a device that
        was asked for by name.
    CheckpointError
        If the file cannot be used.
    """
    if precision not in PRECISIONS:
        raise ModelError(f"the precision must be {', '.join(PRECISIONS[:-1])} or {PRECISIONS[-1]}; got {precision!r}")
    entry = MODELS.get(str(name_or_path).lower())
    path = local_file(entry) if entry else Path(name_or_path).expanduser()
    if not path.is_file():
        raise ModelError(_how_to_get(entry, path) if entry else no_such(str(name_or_path)))
    entry = entry or entry_of_file(path)
    name = entry.name if entry else path.stem
    target = choose_device(device)
    with _errors_in_words(path, name):
        network = _build(path, entry, image_size, precision, target)
        network.eval().requires_grad_(False)
        fits = _put(network, target)
    if not fits:
        full = f"{name} does not fit into the memory that is free on {target}"
        if device != "auto":
            raise ModelError(
                f"{full}: close other programs that use it, choose a smaller model, or run on the CPU (device cpu), "
                "which is slower"
            )
        target = choose_device("cpu")
        network.autocast = _autocast("float32" if _is_micro(network) else precision, target)
        on_notice(Notice(f"{full}, so it runs on the CPU, slower.", str(target)))
    region = True if _is_micro(network) else None
    return Model(name, network, target, region, on_notice)


@contextmanager
def _errors_in_words(path: Path, name: str) -> Iterator[None]:
    """Name the file that cannot be used, and say it where the computer has no room for it."""
    from .network.checkpoints import CheckpointError
    from .shortage import is_shortage

    try:
        yield
    except CheckpointError as error:
        if str(path) in str(error):
            raise
        raise CheckpointError(f"{path}: {error}") from error
    except (MemoryError, RuntimeError) as error:
        if not is_shortage(error):
            raise
        raise ModelError(
            f"there is not enough main memory to load {name}: close other programs, or choose a smaller model"
        ) from error


def _put(network: SegmentationNetwork, device: torch.device) -> bool:
    """Move a network to a device; false if the device has no room for it, which leaves it on the CPU."""
    from .shortage import give_back_unused, is_of_main_memory, is_shortage

    try:
        network.to(device)
        return True
    except (MemoryError, RuntimeError) as error:
        if device.type == "cpu" or is_of_main_memory(error) or not is_shortage(error):
            raise
    network.to("cpu")  # what had found room
    give_back_unused(device)
    return False


def _build(
    path: Path, entry: ModelEntry | None, image_size: int | None, precision: str, device: torch.device
) -> SegmentationNetwork:
    from .network.checkpoints import fit, is_micro, load_checkpoint, load_config, recognise

    weights = load_checkpoint(path)
    settings = load_config(path)
    network: SegmentationNetwork
    if settings is not None or is_micro(weights):
        from .network.micro import MicroNetwork

        if precision == "bfloat16":
            raise ModelError(f"{path.name} is a micro network, which runs in float32 only; leave the precision away")
        sizes = micro_config(path, settings or {})
        network = MicroNetwork(replace(sizes, image_size=image_size) if image_size else sizes)
    else:
        from .network.sam2 import empty_sam2

        config = trained_config(path) or recognise(weights)
        size = image_size or (entry.image_size if entry else config.image_size)
        behaviour = BEHAVIOURS[entry.behaviour] if entry else config.behaviour
        network = empty_sam2(replace(config, image_size=size, behaviour=behaviour))
        network.autocast = _autocast(precision, device)
    fit(network, weights)
    return network


def _autocast(precision: str, device: torch.device) -> torch.dtype | None:
    import torch

    return torch.bfloat16 if use_bfloat16(precision, device) else None


def use_bfloat16(precision: str, device: torch.device) -> bool:
    """Whether to compute in bfloat16 where that is good enough; "auto": on GPUs of NVIDIA that do without emulation."""
    import torch

    if precision == "auto":
        return device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return precision == "bfloat16"


def trained_config(path: Path) -> Sam2Config | None:
    """What our own training wrote into a file of a SAM 2: its sizes, input and behaviour; ``None`` in other files."""
    from .network.checkpoints import CheckpointError, load_config
    from .network.config import sam2_config

    told = load_config(path, "sam2")
    try:
        return None if told is None else sam2_config(told)
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"the configuration in {path} is not one of this version: {error}") from error


def micro_config(path: Path, settings: Mapping[str, object]) -> MicroConfig:
    """The sizes of a micro network, from what its file says of them; the bundled ones if it says nothing."""
    from .network.checkpoints import CheckpointError
    from .network.micro_encoder import MicroConfig

    told = {key: tuple(value) if isinstance(value, list) else value for key, value in settings.items()}
    try:
        return MicroConfig(**told)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"the configuration in {path} is not one of this version: {error}") from error


def _is_micro(network: SegmentationNetwork) -> bool:
    from .network.micro import MicroNetwork

    return isinstance(network, MicroNetwork)


def _how_to_get(entry: ModelEntry, path: Path) -> str:
    if entry.bundled:
        return f"the bundled model is missing from this installation ({path}); installing napari-medsam2 again helps"
    return (
        f"{entry.title} is not on this computer. `napari-medsam2 models download {entry.name}` fetches it from "
        f"{entry.source} ({entry.size_mb:g} MB, licence: {entry.licence_label}) to {path}; a file that you have is "
        "used from anywhere with --model FILE"
    )

"""Get a model ready to run: find its file, build its network, put it on a device. Torch is imported on loading only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import CheckpointError, ModelError
from ..network.sam2.config import BEHAVIOURS
from .device import PRECISIONS, Model, choose_device, set_precision
from .notices import Notice, OnNotice, Remedy, as_warning, does_not_fit
from .places import expanded
from .registry import MODELS, ModelEntry, find_entry, local_file, no_such
from .settings import entry_for, refuse_averaged

if TYPE_CHECKING:
    import torch

    from ..network.interface import SegmentationNetwork
    from ..network.micro.config import MicroConfig
    from ..network.sam2.config import Sam2Config


def load_model(
    name_or_path: str | Path = "micro",
    *,
    device: str = "auto",
    image_size: int | None = None,
    precision: str = "auto",
    settings: str | None = None,
    on_notice: OnNotice = as_warning,
) -> Model:
    """Load a model by name, or from a file of weights.

    Parameters
    ----------
    name_or_path
        A name in :data:`~.registry.MODELS`, or a checkpoint of SAM 2, SAM 2.1, MedSAM2, MedSAM-2, EfficientTAM or this
        package, as published or in the layout of transformers. A file with the name of a published one gets that
        model's settings.
    device
        See :func:`~.device.choose_device`.
    image_size
        Side of the square network input in pixels, if not the model's own. SAM 2 and its descendants take any multiple
        of 32, and are slower and finer the larger it is.
    precision
        "float32", "bfloat16" (mixed: what needs float32 keeps it), or "auto": bfloat16 where the processor computes in
        it (GPUs of NVIDIA, CPUs with AVX512-BF16 or AMX), else float32. Of micro only MobileSAM does, in stacks there.
    settings
        For a file of the user's own: the name of the published model whose input size and behaviour it gets.
    on_notice
        Called with a :class:`~napari_medsam2.models.notices.Notice`, also while sessions run, when memory is short: a
        model that does not fit on the device that "auto" chose is loaded on the CPU, and one that no longer fits goes
        on there. By default a :class:`RuntimeWarning`.

    Raises
    ------
    ModelError
        If there is no such model, file, precision or device, or the model does not fit on one asked for by name.
    CheckpointError
        If the file cannot be used.
    """
    if precision not in PRECISIONS:
        raise ModelError(f"the precision must be {', '.join(PRECISIONS[:-1])} or {PRECISIONS[-1]}; got {precision!r}")
    target = choose_device(device)
    entry, path = _located(name_or_path, settings)
    name = entry.name if entry else path.stem
    with _errors_in_words(path, name):
        network = _build(path, entry, image_size, precision, target)
        network.eval().requires_grad_(False)
        fits = _put(network, target)
    if not fits:
        if device != "auto":
            raise ModelError(
                f"{does_not_fit(name, str(target))}: close other programs that use it, choose a smaller model, or run "
                "on the CPU (device cpu), which is slower"
            )
        full, target = target, choose_device("cpu")
        set_precision(network, precision, target)
        on_notice(Notice(Remedy.LOADED_ON_CPU, name, str(full)))
    region = True if _is_micro(network) else None
    return Model(name, network, target, region=region, on_notice=on_notice, source=_source(name_or_path, path))


def _source(name_or_path: str | Path, path: Path) -> str:
    """What loads the same model again, from wherever: its name, or all of the path of its file."""
    name = str(name_or_path).lower()
    return name if name in MODELS else str(path.absolute())


def _located(name_or_path: str | Path, settings: str | None) -> tuple[ModelEntry | None, Path]:
    """The file of a model, and its entry, or the one whose settings it gets; ``None`` if it gets those in it."""
    entry = MODELS.get(str(name_or_path).lower())
    path = local_file(entry) if entry else expanded(name_or_path)
    if not path.is_file():
        raise ModelError(_how_to_get(entry, path) if entry else no_such(str(name_or_path)))
    refuse_averaged(path)
    return find_entry(settings) if settings else entry or entry_for(path), path


@contextmanager
def _errors_in_words(path: Path, name: str) -> Iterator[None]:
    """Name the file that cannot be used, and say it where the computer has no room for it."""
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
    from ..network.checkpoints import fit, is_micro, load_checkpoint, load_config, recognise
    from ..network.unfilled import unfilled

    weights = load_checkpoint(path)
    settings = load_config(path)
    network: SegmentationNetwork
    if settings is not None or is_micro(weights):
        from ..network.micro.network import MicroNetwork

        if precision == "bfloat16":
            raise ModelError(f"{path.name} is a micro network, which runs in float32 only; leave the precision away")
        components = weights.get("prior.lite_components.directions")
        sizes = micro_config(path, settings or {"prior_dim": 0 if components is None else len(components)})
        sizes = replace(sizes, image_size=image_size) if image_size else sizes
        with settings_in_words(path):
            network = unfilled(lambda: MicroNetwork(sizes))
    else:
        from ..network.sam2.network import Sam2

        config = trained_config(path) or recognise(weights)
        size = image_size or (entry.image_size if entry else config.image_size)
        behaviour = BEHAVIOURS[entry.behaviour] if entry else config.behaviour
        config = replace(config, image_size=size, behaviour=behaviour)
        with settings_in_words(path):
            network = unfilled(lambda: Sam2(config))
    fit(network, weights)
    set_precision(network, precision, device)
    return network


def trained_config(path: Path) -> Sam2Config | None:
    """What our own training wrote into a file of a SAM 2: its sizes, input and behaviour; ``None`` in other files."""
    from ..network.checkpoints import load_config
    from ..network.sam2.config import sam2_config

    told = load_config(path, "sam2")
    with settings_in_words(path):
        return None if told is None else sam2_config(told)


def micro_config(path: Path, settings: Mapping[str, object]) -> MicroConfig:
    """The sizes of a micro network, from what its file says of them; the bundled ones if it says nothing."""
    from ..network.micro.config import MicroConfig

    told = {key: tuple(value) if isinstance(value, list) else value for key, value in settings.items()}
    with settings_in_words(path):
        return MicroConfig(**told)  # type: ignore[arg-type]


@contextmanager
def settings_in_words(path: Path) -> Iterator[None]:
    """Say of the configuration in a file that no network can be built of it, whatever the attempt raises."""
    from .shortage import is_shortage

    try:
        yield
    except CheckpointError:
        raise
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        if is_shortage(error):
            raise
        raise CheckpointError(f"the configuration in {path} is not one of this version: {error}") from error


def _is_micro(network: SegmentationNetwork) -> bool:
    from ..network.micro.network import MicroNetwork

    return isinstance(network, MicroNetwork)


def _how_to_get(entry: ModelEntry, path: Path) -> str:
    if entry.bundled:
        return f"the bundled model is missing from this installation ({path}); installing napari-medsam2 again helps"
    return (
        f"{entry.title} is not on this computer. `napari-medsam2 models download {entry.name}` fetches it from "
        f"{entry.source} ({entry.size_label}, licence: {entry.licence_label}) to {path}; a file that you have is "
        "used from anywhere with --model FILE"
    )

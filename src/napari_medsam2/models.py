"""The models there are, and how to get one ready to run. Listing them is instant: torch is imported on loading only."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from .network.config import ZHU_2D, Behaviour

if TYPE_CHECKING:
    import torch

    from .network.interface import SegmentationNetwork

_PACKAGE = Path(__file__).parent
_META = "https://dl.fbaipublicfiles.com/segment_anything_2"
_WANGLAB = "https://huggingface.co/wanglab/MedSAM2/resolve/main"
_SAM2_PAPER = "Ravi et al. 2024, SAM 2: Segment Anything in Images and Videos, arXiv 2408.00714"
_MA_PAPER = "Ma et al. 2025, MedSAM2: Segment Anything in 3D Medical Images and Videos, arXiv 2504.03600"
_ZHU_PAPER = (
    "Zhu et al. 2024, Medical SAM 2: Segment medical images as video via Segment Anything Model 2, arXiv 2408.00874"
)


class ModelError(ValueError):
    """A model or device that cannot be had; the message says what there is instead."""


@dataclass(frozen=True)
class ModelEntry:
    """What there is to know about a model before it is loaded.

    Attributes
    ----------
    name
        What the user types.
    title, purpose
        What the user reads: the model's name in the literature, and a sentence on what it is for.
    size_mb
        Size of the file, in megabytes.
    image_size
        Side of the square network input, in pixels.
    licence, citation
        Of the weights.
    source
        Where the file comes from.
    file
        Name of the file.
    bundled
        True if the file is inside the package.
    region
        True if the network works best on a region around the object in stacks, not on whole frames.
    behaviour
        How the network departs from SAM 2.
    """

    name: str
    title: str
    purpose: str
    size_mb: float
    image_size: int
    licence: str
    citation: str
    source: str
    file: str
    bundled: bool = False
    region: bool = False
    behaviour: Behaviour = field(default_factory=Behaviour)


def _sam2(version: str, size: str, file: str, size_mb: float, folder: str) -> ModelEntry:
    return ModelEntry(
        name=f"sam{version}-{size}",
        title=f"SAM {version} {size}",
        purpose="General objects in photographs and videos; large structures with clear edges",
        size_mb=size_mb,
        image_size=1024,
        licence="Apache-2.0",
        citation=_SAM2_PAPER,
        source=f"{_META}/{folder}/{file}",
        file=file,
    )


def _medsam2(name: str, file: str, purpose: str) -> ModelEntry:
    return ModelEntry(
        name=name,
        title=f"MedSAM2 ({file.removeprefix('MedSAM2_').removesuffix('.pt')})",
        purpose=purpose,
        size_mb=156,
        image_size=512,
        licence="CC-BY-SA-4.0",
        citation=_MA_PAPER,
        source=f"{_WANGLAB}/{file}",
        file=file,
    )


_ENTRIES = (
    ModelEntry(
        name="micro",
        title="Micro (bundled)",
        purpose="Works at once, on any computer: small, fast, trained on synthetic images only",
        size_mb=5,
        image_size=256,
        licence="Apache-2.0",
        citation="napari-medsam2",
        source="bundled with napari-medsam2",
        file="micro.safetensors",
        bundled=True,
        region=True,
    ),
    _medsam2("medsam2", "MedSAM2_latest.pt", "Organs and lesions in CT, MRI and other 3D scans and videos"),
    _medsam2("medsam2-ct-lesion", "MedSAM2_CTLesion.pt", "Lesions in CT"),
    _medsam2("medsam2-mri-liver-lesion", "MedSAM2_MRI_LiverLesion.pt", "Liver lesions in MRI"),
    _medsam2("medsam2-us-heart", "MedSAM2_US_Heart.pt", "The heart in ultrasound videos"),
    _medsam2("medsam2-2411", "MedSAM2_2411.pt", "Organs and lesions; the first release of November 2024"),
    ModelEntry(
        name="medsam-2-zhu",
        title="MedSAM-2 (Zhu)",
        purpose="Flows of unrelated 2D images from one prompt, as published; optic cups in fundus photographs",
        size_mb=78,
        image_size=1024,
        licence="not stated with the weights; the authors' code says GPL",
        citation=_ZHU_PAPER,
        source="https://huggingface.co/jiayuanz3/MedSAM2_pretrain/resolve/main/MedSAM2_pretrain.pth",
        file="MedSAM2_pretrain.pth",
        behaviour=ZHU_2D,
    ),
    _sam2("2.1", "tiny", "sam2.1_hiera_tiny.pt", 156, "092824"),
    _sam2("2.1", "small", "sam2.1_hiera_small.pt", 184, "092824"),
    _sam2("2.1", "base+", "sam2.1_hiera_base_plus.pt", 324, "092824"),
    _sam2("2.1", "large", "sam2.1_hiera_large.pt", 898, "092824"),
    _sam2("2.0", "tiny", "sam2_hiera_tiny.pt", 156, "072824"),
    _sam2("2.0", "small", "sam2_hiera_small.pt", 184, "072824"),
    _sam2("2.0", "base+", "sam2_hiera_base_plus.pt", 324, "072824"),
    _sam2("2.0", "large", "sam2_hiera_large.pt", 898, "072824"),
)

#: Every model by name, the bundled one first.
MODELS: Mapping[str, ModelEntry] = {entry.name: entry for entry in _ENTRIES}


@dataclass(frozen=True, eq=False)
class Model:
    """A network that is ready to run.

    Attributes
    ----------
    name
        Name of the entry, or of the file.
    network
        In evaluation mode, on ``device``.
    device
        Where tensors live.
    region
        True if the session should crop around the object in stacks unless told otherwise.
    """

    name: str
    network: SegmentationNetwork = field(repr=False)
    device: torch.device
    region: bool

    @property
    def image_size(self) -> int:
        """Side of the square network input, in pixels."""
        return self.network.image_size


def models_folder() -> Path:
    """Where downloaded models are kept: ``$NAPARI_MEDSAM2_MODELS``, or a folder in the user's cache."""
    chosen = os.environ.get("NAPARI_MEDSAM2_MODELS")
    if chosen:
        return Path(chosen).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "napari-medsam2" / "models"


def local_file(entry: ModelEntry) -> Path:
    """Where the file of a model is, or would be, on this computer."""
    return (_PACKAGE / "weights" if entry.bundled else models_folder()) / entry.file


def find_entry(name: str) -> ModelEntry:
    """The model of this name, in whatever case.

    Raises
    ------
    ModelError
        If there is none.
    """
    entry = MODELS.get(name.lower())
    if entry is None:
        raise ModelError(f"there is no model named {name!r}{_near(name)}; the models are {', '.join(MODELS)}")
    return entry


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


def load_model(name_or_path: str | Path = "micro", *, device: str = "auto", image_size: int | None = None) -> Model:
    """Load a model by name, or from a file of weights.

    Parameters
    ----------
    name_or_path
        A name in :data:`MODELS`, or a checkpoint of SAM 2, SAM 2.1, MedSAM2, MedSAM-2 or this package. A file with
        the name of a published one gets that model's settings.
    device
        See :func:`choose_device`.
    image_size
        Side of the square network input in pixels, if not the model's own. SAM 2 and its descendants take any multiple
        of 32, and are slower and finer the larger it is.

    Raises
    ------
    ModelError
        If there is no such model or file, or the device is absent.
    CheckpointError
        If the file cannot be used.
    """
    entry = MODELS.get(str(name_or_path).lower())
    path = local_file(entry) if entry else Path(name_or_path).expanduser()
    if not path.is_file():
        raise ModelError(_how_to_get(entry, path) if entry else _no_such_model(str(name_or_path)))
    entry = entry or next((known for known in _ENTRIES if known.file == path.name), None)
    target = choose_device(device)
    network = _build(path, entry, image_size)
    network.eval().requires_grad_(False).to(target)
    return Model(
        name=entry.name if entry else path.stem,
        network=network,
        device=target,
        region=_is_micro(network),
    )


def _build(path: Path, entry: ModelEntry | None, image_size: int | None) -> SegmentationNetwork:
    from .network.checkpoints import fit, load_checkpoint, load_config, recognise

    weights = load_checkpoint(path)
    settings = load_config(path)
    network: SegmentationNetwork
    if settings is not None:
        network = _micro(path, settings, image_size)
    else:
        from .network.sam2 import Sam2

        config = recognise(weights)
        size = image_size or (entry.image_size if entry else config.image_size)
        network = Sam2(replace(config, image_size=size, behaviour=entry.behaviour if entry else config.behaviour))
    fit(network, weights)
    return network


def _micro(path: Path, settings: Mapping[str, object], image_size: int | None) -> SegmentationNetwork:
    from .network.checkpoints import CheckpointError
    from .network.micro import MicroConfig, MicroNetwork

    told = {key: tuple(value) if isinstance(value, list) else value for key, value in settings.items()}
    try:
        config = MicroConfig(**told)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"the configuration in {path} is not one of this version: {error}") from error
    return MicroNetwork(replace(config, image_size=image_size) if image_size else config)


def _is_micro(network: SegmentationNetwork) -> bool:
    from .network.micro import MicroNetwork

    return isinstance(network, MicroNetwork)


def _how_to_get(entry: ModelEntry, path: Path) -> str:
    if entry.bundled:
        return f"the bundled model is missing from this installation ({path}); installing napari-medsam2 again helps"
    return (
        f"{entry.title} is not on this computer. `napari-medsam2 models download {entry.name}` fetches it from "
        f"{entry.source} ({entry.size_mb:g} MB, licence: {entry.licence}) to {path}; a file that you have is used from "
        "anywhere with --model FILE"
    )


def _no_such_model(name: str) -> str:
    return f"there is no model and no file named {name!r}{_near(name)}; the models are {', '.join(MODELS)}"


def _near(name: str) -> str:
    near = difflib.get_close_matches(name.lower(), MODELS, n=1)
    return f" (did you mean {near[0]}?)" if near else ""

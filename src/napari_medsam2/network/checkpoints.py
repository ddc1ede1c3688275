"""Checkpoint files: read without running what is in them, recognised by names and shapes, fitted or refused."""

from __future__ import annotations

import pickle
import re
import struct
import warnings
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from ..errors import CheckpointError, shortened
from ..json_files import parse_json
from .few_bits import packed_bits, unpack_state
from .sam2.config import LAYOUTS, Sam2Config, VitConfig
from .sam2.guess import guess
from .sam2.names import MARK, from_transformers

_TRUNK = "image_encoder.trunk"
_PATCHES = f"{_TRUNK}.patch_embed.proj.weight"
_BLOCK = re.compile(rf"{re.escape(_TRUNK)}\.blocks\.(\d+)\.")
_MICRO = "trunk.stage2.0.0.weight"
# Where training code keeps the weights among other things, and what wrappers put before every name.
_CONTAINERS = ("model", "state_dict", "model_state_dict")
_WRAPPERS = ("module.", "_orig_mod.", "model.")
# How many times as much as a file it may unpack to.
_MOST_UNPACKED = 8
# What torch and pickle raise for a file that is cut short, no checkpoint at all, or made for another reader.
_UNREADABLE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
    zipfile.BadZipFile,
)


@dataclass(frozen=True)
class Checkpoint:
    """What a file of weights holds.

    Attributes
    ----------
    weights
        By Meta's names, on the CPU, with the dtypes of the file; what it keeps in few bits is float32.
    kind
        "safetensors" or "pt".
    container
        The entry of the file that holds the weights, empty if they are bare.
    beside
        What else is in the file.
    names
        Whose names the file uses: "Meta" or "transformers".
    stored
        How the file keeps the numbers, as ("6 bits", "float16").
    """

    weights: dict[str, Tensor]
    kind: str
    container: str = ""
    beside: tuple[str, ...] = ()
    names: str = "Meta"
    stored: tuple[str, ...] = ()


def load_checkpoint(path: str | Path) -> dict[str, Tensor]:
    """Read the weights of a file, without running any code that it may hold; see :func:`read_checkpoint`."""
    return read_checkpoint(path).weights


def read_checkpoint(path: str | Path, *, mapped: bool = False) -> Checkpoint:
    """Read a file of weights, without running any code that it may hold.

    Parameters
    ----------
    path
        A ``.pt`` or ``.pth`` file, with the weights under ``"model"`` (whatever is beside it) or bare, or a
        ``.safetensors`` file, with Meta's names or those of transformers.
    mapped
        Leave the values on the disk until they are looked at, for callers that want names and shapes.

    Raises
    ------
    CheckpointError
        If the file is missing, unreadable, cut short, holds code, or no weights.
    """
    path = Path(path)
    kind = "safetensors" if _is_safetensors(path) else "pt"
    bits: dict[str, int] = {}
    content: object
    if kind == "safetensors":
        content, bits = _load_safetensors(path)
    else:
        content = _load_torch(path, mapped=mapped)
    container = ""
    beside: tuple[str, ...] = ()
    if isinstance(content, Mapping):
        container = next((key for key in _CONTAINERS if isinstance(content.get(key), Mapping)), "")
        if container:
            beside = tuple(str(key) for key in content if key != container)
            content = content[container]
    if not isinstance(content, Mapping):
        raise CheckpointError(f"{path} holds a {type(content).__name__}, not a table of named weights")
    weights = {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
    if not weights:
        raise CheckpointError(f"{path} holds no weights; its entries are {_some(content)}")
    stored = {f"{bits[k]} bits" if k in bits else str(v.dtype).removeprefix("torch.") for k, v in weights.items()}
    for wrapper in _WRAPPERS:  # saved from a network wrapped for several devices, for compiling or for training
        if all(name.startswith(wrapper) for name in weights):
            weights = {name.removeprefix(wrapper): value for name, value in weights.items()}
    names = "transformers" if MARK in weights else "Meta"
    return Checkpoint(from_transformers(weights), kind, container, beside, names, tuple(sorted(stored)))


def load_config(path: str | Path, key: str = "config") -> dict[str, Any] | None:
    """The configuration that a ``.safetensors`` file of this package carries, or ``None`` if the file has none.

    Parameters
    ----------
    path
        The file.
    key
        "config" for the bundled network's, "sam2" for that of SAM 2 and its descendants.

    Raises
    ------
    CheckpointError
        If the file cannot be read or its configuration is not a JSON object.
    """
    path = Path(path)
    if not _is_safetensors(path):
        return None
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(key)
        config = None if text is None else parse_json(text)
    except (SafetensorError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read, it may be cut short: {_first_line(error)}") from error
    if config is not None and not isinstance(config, dict):
        raise CheckpointError(f"the configuration in {path} should be a JSON object; it is {shortened(text)}")
    return config


def recognise(weights: Mapping[str, Tensor], layouts: Mapping[str, Sam2Config] = LAYOUTS) -> Sam2Config:
    """Tell from names and shapes which SAM 2 network the weights belong to.

    Parameters
    ----------
    weights
        As :func:`load_checkpoint` returns them.
    layouts
        The networks to choose from, by name.

    Returns
    -------
    Sam2Config
        Sizes and version. What weights do not show keeps the default: the input size and the behaviour.

    Raises
    ------
    CheckpointError
        If this is no SAM 2, or one of a size that is not known.
    """
    if _PATCHES not in weights:
        maybe = guess(weights)
        raise CheckpointError(
            f"these are not weights of a SAM 2, nor of a network built on it or the bundled one"
            f"{f', but of {maybe}' if maybe else ''}: {_PATCHES} is missing; there are {_some(weights)}"
        )
    shape = weights[_PATCHES].shape
    if len(shape) != 4:
        raise CheckpointError(f"{_PATCHES} of a SAM 2 has four axes; here its shape is {list(shape)}")
    width = shape[0]
    blocks = {int(found[1]) for found in map(_BLOCK.match, weights) if found}
    if shape[-1] == 16:
        return _recognise_plain(width, len(blocks), layouts)
    starts = sorted(block for block in blocks if f"{_TRUNK}.blocks.{block}.proj.weight" in weights)
    edges = [0, *starts, len(blocks)]
    stages = tuple(after - before for before, after in pairwise(edges))
    hieras = {name: config for name, config in layouts.items() if config.vit is None}
    for config in hieras.values():
        if (config.embed_dim, config.stages) == (width, stages):
            newer = "obj_ptr_tpos_proj.weight" in weights or "no_obj_embed_spatial" in weights
            return replace(config, version="2.1" if newer else "2.0")
    known = "; ".join(f"{name}: {c.embed_dim} channels, blocks {c.stages}" for name, c in hieras.items())
    raise CheckpointError(f"a SAM 2 with {width} channels and blocks {stages} is not known; known are {known}")


def _recognise_plain(width: int, depth: int, layouts: Mapping[str, Sam2Config]) -> Sam2Config:
    trunks: dict[str, VitConfig] = {name: config.vit for name, config in layouts.items() if config.vit is not None}
    for name, vit in trunks.items():
        if (vit.dim, vit.depth) == (width, depth):
            return layouts[name]
    known = "; ".join(f"{name}: {vit.dim} channels, {vit.depth} blocks" for name, vit in trunks.items())
    raise CheckpointError(
        f"an EfficientTAM with {width} channels and {depth} blocks is not known; known are {known or 'none'}"
    )


def is_micro(weights: Mapping[str, Tensor]) -> bool:
    """Whether weights are of the bundled kind of network."""
    return _MICRO in weights


def misfit(network: nn.Module, weights: Mapping[str, Tensor]) -> str:
    """What keeps weights out of a network, by name and shape, and what they may be instead; empty if they fit."""
    own = network.state_dict()
    faults = {
        "missing": [name for name in own if name not in weights],
        "unexpected": [name for name in weights if name not in own],
        "of another shape": [
            f"{name} {list(weights[name].shape)} instead of {list(own[name].shape)}"
            for name in own
            if name in weights and weights[name].shape != own[name].shape
        ],
    }
    if not any(faults.values()):
        return ""
    told = "; ".join(f"{len(names)} {kind}: {_some(names)}" for kind, names in faults.items() if names)
    maybe = guess(weights)
    return f"{told}{f'. This may be {maybe}' if maybe else ''}"


def fit(network: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Put weights into a network, all of them and nothing else.

    Raises
    ------
    CheckpointError
        If names or shapes differ; the message lists them and guesses what the file is.
    """
    told = misfit(network, weights)
    if told:
        raise CheckpointError(f"the weights do not fit the network: {told}")
    network.load_state_dict(dict(weights))


def _head(path: Path) -> bytes:
    """The first nine bytes, by which the kinds of files are told apart, since files get renamed."""
    try:
        with path.open("rb") as file:
            return file.read(9)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}") from error


def _is_safetensors(path: Path) -> bool:
    """Eight bytes of length, then a JSON object."""
    return _head(path)[8:] == b"{" or path.suffix == ".safetensors"


def _load_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, int]]:
    """The weights, and how many bits those have that are kept in few."""
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
            metadata = file.metadata() or {}
    except SafetensorError as error:
        raise CheckpointError(f"{path} cannot be read, it may be cut short: {_first_line(error)}") from error
    try:
        return unpack_state(tensors, metadata), packed_bits(metadata)
    except CheckpointError as error:
        raise CheckpointError(f"{path} is damaged: {error}") from error


def _is_zip(path: Path) -> bool:
    """Whether the end of a zip is there and says where its parts are."""
    try:
        return zipfile.is_zipfile(path)
    except zipfile.BadZipFile:
        return False


def _load_torch(path: Path, *, mapped: bool) -> object:
    head = _head(path)
    if not head.startswith((b"PK", b"\x80")):
        raise CheckpointError(f"{path} is no checkpoint: it is {_instead(head)}")
    if head.startswith(b"PK") and not _is_zip(path):
        raise CheckpointError(f"{path} cannot be read, it is cut short: its end is missing")
    _check_unpacked(path, head)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Detected pickle protocol", category=UserWarning)
            mapped = mapped and head.startswith(b"PK")  # the older format cannot be
            content: object = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path} was not opened: it holds more than weights (code that would run when it is read), or is damaged"
        ) from error
    except _UNREADABLE as error:
        raise CheckpointError(f"{path} cannot be read, it may be cut short: {_first_line(error)}") from error
    return content


def _check_unpacked(path: Path, head: bytes) -> None:
    """Weights hardly shrink, and torch packs none of them: what unpacks to far more than the file is made to harm."""
    if not head.startswith(b"PK"):
        return
    try:
        with zipfile.ZipFile(path) as parts:
            unpacked = sum(part.file_size for part in parts.infolist())
    except _UNREADABLE as error:
        raise CheckpointError(f"{path} cannot be read, it may be cut short: {_first_line(error)}") from error
    if unpacked > _MOST_UNPACKED * path.stat().st_size:
        raise CheckpointError(
            f"{path} was not opened: a file of {path.stat().st_size / 1e6:.3g} MB that unpacks to "
            f"{unpacked / 1e6:.3g} MB holds no weights"
        )


def _instead(head: bytes) -> str:
    """What a file is that should be weights, told by its first bytes."""
    if not head:
        return "empty"
    if head.lstrip().startswith(b"<"):
        return "a web page; download the file itself"
    if head == b"version h":
        return "what Git LFS leaves in the place of a large file; `git lfs pull` fetches the file itself"
    return "neither a .pt nor a .safetensors file inside"


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _some(names: Iterable[object], most: int = 4) -> str:
    listed = [str(name) for name in names]
    return ", ".join(listed[:most]) + (f" and {len(listed) - most} more" if len(listed) > most else "") or "nothing"

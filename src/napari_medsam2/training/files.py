"""What a run leaves on disk: its state, whole or not at all, and weights that `load_model` takes."""

from __future__ import annotations

import errno
import json
import os
import pickle
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from ..network.interface import SegmentationNetwork
from ..network.micro import MicroNetwork
from ..network.sam2 import Sam2

STATE, WEIGHTS, CURVE, PICTURE = "state.pt", "weights.safetensors", "curve.csv", "curve.png"


#: A disk with so few bytes left is full.
_ALMOST_NOTHING = 1 << 16


class TrainingError(RuntimeError):
    """Training cannot go on; the last good state is kept on disk."""


def replace_file(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file through a draft beside it: after a kill, a power cut or on a full disk the older one is whole.

    Raises
    ------
    TrainingError
        If it cannot be written; the older file is as it was.
    """
    draft = path.with_name(path.name + ".part")
    try:
        write(draft)
        with draft.open("rb+") as file:
            os.fsync(file.fileno())
        draft.chmod(0o644)  # some writers make it for its owner alone
        draft.replace(path)
        _sync_folder(path.parent)
    except (OSError, RuntimeError, SafetensorError) as error:  # torch and safetensors wrap the system's error
        told = _cannot_write(path, error)
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        raise TrainingError(told) from error


def _cannot_write(path: Path, error: Exception) -> str:
    """In words; called while the draft still takes its room, because torch's own message does not name a full disk."""
    full = getattr(error, "errno", None) == errno.ENOSPC or "No space left" in str(error)
    full = full or (path.parent.is_dir() and shutil.disk_usage(path.parent).free < _ALMOST_NOTHING)
    why = "the disk is full" if full else (str(error).splitlines() or [type(error).__name__])[0]
    kept = f"; the {path.name} from before is untouched" if path.exists() else ""
    return f"cannot write {path}: {why}{kept}. Make room or name another place, and go on with --resume"


def _sync_folder(folder: Path) -> None:
    """Make the new name last; systems that cannot open folders do so by themselves."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def prepare_folder(folder: Path) -> None:
    """Make the folder of a run and see that it can be written to.

    Raises
    ------
    TrainingError
        If not, and why.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise TrainingError(f"cannot write to the folder {folder}: {error.strerror or error}") from error


def save_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write the state of a run."""

    def write(draft: Path) -> None:
        with draft.open("wb") as file:
            torch.save(dict(state), file)

    replace_file(path, write)


def load_state(path: Path, device: torch.device) -> dict[str, Any]:
    """Read what :func:`save_state` wrote.

    Raises
    ------
    TrainingError
        If the file is damaged or no state.
    """
    try:
        state = torch.load(path, map_location=device, weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, LookupError, pickle.UnpicklingError) as error:
        raise TrainingError(
            f"{path} is damaged and cannot be read; the weights in {path.with_name(WEIGHTS)} may still be good: start "
            f"from them in another folder, with --model {path.with_name(WEIGHTS)}"
        ) from error
    missing = {"network", "average", "optimiser", "step"} - set(state if isinstance(state, dict) else ())
    if missing:
        raise TrainingError(f"{path} is not the state of a run: it has no {', '.join(sorted(missing))}")
    return dict(state)


def export(network: SegmentationNetwork, path: Path, training: Mapping[str, Any]) -> None:
    """Write weights as safetensors, with the network's and the training's configuration in the file's metadata.

    The bundled network's are half precision. SAM 2's and its descendants' keep the published names, and the sizes,
    input and behaviour go along, so that :func:`~napari_medsam2.models.load_model` needs to be told nothing.
    """
    if isinstance(network, MicroNetwork):
        key, dtype = "config", torch.float16
    elif isinstance(network, Sam2):
        key, dtype = "sam2", torch.float32
    else:
        raise TrainingError(f"weights of a {type(network).__name__} have no file format here")
    tensors = {k: v.detach().to("cpu", dtype).contiguous() for k, v in network.state_dict().items()}
    metadata = {key: json.dumps(asdict(network.config)), "training": json.dumps(dict(training))}
    replace_file(path, lambda draft: save_file(tensors, draft, metadata))

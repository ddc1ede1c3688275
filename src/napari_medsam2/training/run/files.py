"""What a run leaves on disk: its state, whole or not at all, and weights that `load_model` takes."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from ...errors import TrainingError
from ...network.interface import SegmentationNetwork
from ...network.micro.network import MicroNetwork
from ...network.sam2.network import Sam2
from .saving import save_run_file

STATE, WEIGHTS, CURVE, PICTURE = "state.pt", "weights.safetensors", "curve.csv", "curve.png"


def save_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write the state of a run."""

    def write(draft: Path) -> None:
        with draft.open("wb") as file:
            torch.save(dict(state), file)

    save_run_file(path, write)


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

    Of the data and the weights that a run began from the names go along, not the folders: files of weights travel.

    The bundled network's are half precision. SAM 2's and its descendants' keep the published names, and the sizes,
    input and behaviour go along, so that :func:`~napari_medsam2.load_model` needs to be told nothing.
    """
    if isinstance(network, MicroNetwork):
        key, dtype = "config", torch.float16
    elif isinstance(network, Sam2):
        key, dtype = "sam2", torch.float32
    else:
        raise TrainingError(f"weights of a {type(network).__name__} have no file format here")
    tensors = {k: v.detach().to("cpu", dtype).contiguous() for k, v in network.state_dict().items()}
    metadata = {key: json.dumps(asdict(network.config)), "training": json.dumps(_without_folders(training))}
    save_run_file(path, lambda draft: save_file(tensors, draft, metadata))


def _without_folders(training: Mapping[str, Any]) -> dict[str, Any]:
    told = dict(training)
    if told.get("model"):
        told["model"] = Path(told["model"]).name
    if told.get("data"):
        told["data"] = [Path(item).name for item in told["data"]]
    return told

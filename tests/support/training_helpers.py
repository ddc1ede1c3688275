"""What the tests of training share: a very small network and small labelled data."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import tifffile
import torch

from napari_medsam2.network.micro.config import MicroConfig
from napari_medsam2.network.micro.network import MicroNetwork
from napari_medsam2.training.config import TrainConfig
from napari_medsam2.training.data.batches import SyntheticBatches
from napari_medsam2.training.learning.learners import learner_for
from napari_medsam2.training.run.files import CURVE, STATE, export
from napari_medsam2.training.run.setup import TrainingSetup
from napari_medsam2.training.run.trainer import Trainer
from napari_medsam2.types import Mode

CPU = torch.device("cpu")
TINY = TrainConfig(steps=4, pixels=2 * 2 * 64 * 64, size=64, first_length=2, length=2, warmup=1, workers=0)
#: The same on the command line.
TINY_OPTIONS = [
    *("--pixels", "16384", "--size", "64", "--length", "2", "--first-length", "2"),
    *("--warmup", "1", "--workers", "0", "--device", "cpu"),
]


def small_micro(seed: int = 0) -> MicroNetwork:
    """The bundled network's kind with a fraction of its channels, on 64 x 64 pixels."""
    torch.manual_seed(seed)
    config = replace(MicroConfig(), image_size=64, region_size=64, widths=(8, 16, 16, 16), match_dim=8)
    return MicroNetwork(config)


def small_setup(config: TrainConfig = TINY) -> TrainingSetup:
    """The small network on synthetic data."""
    return TrainingSetup(learner_for(small_micro(config.seed), config), SyntheticBatches(config))


def trainer_in(folder: Path, config: TrainConfig = TINY) -> Trainer:
    """A run of the small network in a folder."""
    return Trainer(folder, config, CPU, small_setup(config))


def steps_in(folder: Path) -> list[int]:
    """The steps that the curve in a folder has."""
    with (folder / CURVE).open(newline="") as file:
        return [int(row["step"]) for row in csv.DictReader(file)]


def same_weights(a: Path, b: Path) -> bool:
    """Whether two runs have the same weights and averaged weights, to the bit."""
    first, second = (torch.load(folder / STATE, weights_only=True) for folder in (a, b))
    return all(
        torch.equal(first[kind][name], second[kind][name]) for kind in ("network", "average") for name in first[kind]
    )


def write_small_micro(path: Path) -> Path:
    """A file of weights of the small network."""
    export(small_micro(), path, {})
    return path


def discs(count: int, size: int = 48, *, seed: int = 0, mode: Mode = "flow") -> tuple[np.ndarray, np.ndarray]:
    """Bright discs on noise, uint8 ``(count, size, size)``, and their masks; a stack moves the disc by a pixel."""
    rng = np.random.default_rng(seed)
    rows, columns = np.indices((size, size))
    masks = []
    for t in range(count):
        y, x = (size / 2, size / 3 + t) if mode == "stack" else rng.uniform(14, size - 14, 2)
        masks.append((rows - y) ** 2 + (columns - x) ** 2 <= 9**2)
    truth = np.stack(masks)
    return (50 + 110 * truth + rng.normal(0, 8, truth.shape)).clip(0, 255).astype(np.uint8), truth.astype(np.uint8)


def write_tif(path: Path, frames: np.ndarray) -> None:
    """Grey frames, one a page, even where there are three."""
    tifffile.imwrite(path, frames, photometric="minisblack")


def write_pairs(folder: Path, images: np.ndarray, masks: np.ndarray) -> Path:
    """One tif an image in ``images/``, and its labels in ``labels/``."""
    for kind, frames in (("images", images), ("labels", masks)):
        (folder / kind).mkdir(parents=True)
        for t, frame in enumerate(frames):
            tifffile.imwrite(folder / kind / f"a{t}.tif", frame)
    return folder

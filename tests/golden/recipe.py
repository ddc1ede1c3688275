"""Weights and inputs of the golden outputs, re-made from names and shapes: no checkpoint is needed to compare."""

from __future__ import annotations

import gzip
import json
import math
import zlib
from pathlib import Path

import numpy as np

_HERE = Path(__file__).parent
_TOKENS = {"iou_token", "mask_tokens", "obj_score_token", "not_a_point_embed", "no_mask_embed", "point_embeddings"}
_STANDALONE = {
    "maskmem_tpos_enc": 0.5,
    "no_mem_embed": 0.5,
    "no_mem_pos_enc": 0.5,
    "no_obj_ptr": 0.5,
    "no_obj_embed_spatial": 0.5,
    "pos_embed": 0.2,
    "pos_embed_window": 0.2,
    "positional_encoding_gaussian_matrix": 1.0,
}


def layouts() -> dict[str, dict[str, list[int]]]:
    """Names and shapes of the parameters of each published layout, and of ``small_128``."""
    with gzip.open(_HERE / "checkpoint_keys.json.gz") as file:
        return json.load(file)["meta"]


class Golden:
    """Outputs of the original implementation, strided samples with the statistics of the whole."""

    def __init__(self) -> None:
        self._arrays = np.load(_HERE / "sam2_golden.npz")
        self.index = json.loads(self._arrays["index"].tobytes())

    def keys(self, name: str) -> list[str]:
        """Keys of one set, without the set's name."""
        return [key.removeprefix(f"{name}/") for key in self.index if key.startswith(f"{name}/")]

    def error(self, key: str, whole: np.ndarray) -> float:
        """Largest absolute difference to the sample and to mean, standard deviation and largest absolute value."""
        entry = self.index[key]
        if list(whole.shape) != entry["shape"]:
            raise AssertionError(f"{key} should be {entry['shape']}; got {list(whole.shape)}")
        sample = whole[tuple(slice(None, None, stride) for stride in entry["stride"])]
        statistics = (whole.mean() - entry["mean"], whole.std() - entry["std"], np.abs(whole).max() - entry["absmax"])
        return max(float(np.abs(sample - self._arrays[key]).max()), *(abs(float(s)) for s in statistics))


def _unit(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Uniform values of mean 0 and standard deviation 1, drawn by name."""
    random = np.random.RandomState(zlib.crc32(name.encode()))
    return (random.random_sample(math.prod(shape)) - 0.5).reshape(shape) * math.sqrt(12.0)


def weight(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """The value of one parameter or buffer."""
    parts = name.split(".")
    leaf = parts[-1]
    if name == "sam_mask_decoder.pred_obj_score_head.layers.2.bias":
        return np.full(shape, 3.0, np.float32)  # the object is on every frame
    unit = _unit(name, shape)
    if leaf in _STANDALONE:
        value = _STANDALONE[leaf] * unit
    elif leaf == "gamma":
        value = 0.5 + 0.1 * unit
    elif leaf == "bias":
        value = 0.05 * unit
    elif len(shape) == 1:
        value = 1.0 + 0.1 * unit
    elif _TOKENS & set(parts):
        value = 0.5 * unit
    else:
        gain = {"obj_ptr_proj.layers.2.weight": 6.0, "obj_ptr_tpos_proj.weight": 3.0}.get(name, 1.0)
        if parts[0] == "memory_attention" and parts[-2] in ("q_proj", "k_proj"):
            gain = 1.4
        value = gain * unit / math.sqrt(math.prod(shape[1:]))
    return value.astype(np.float32)


def frame(t: int, size: int) -> np.ndarray:
    """Frame ``t`` after normalisation, float32 ``[3, size, size]``."""

    def random(seed: int, shape: tuple[int, ...]) -> np.ndarray:
        return np.random.RandomState(seed).random_sample(shape)

    k = size // 64
    image = np.kron(random(2024, (3, 64, 64)), np.ones((1, k, k)))
    image = image + 2.0 * np.kron(random(2025, (3, 16, 16)), np.ones((1, 4 * k, 4 * k)))
    image = np.roll(image, (size * t // 128, 5 * size * t // 1024), axis=(1, 2))
    return ((image + 0.3 * random(3000 + t, (3, size, size)) - 1.65) / 0.7).astype(np.float32)


def ellipse(size: int) -> np.ndarray:
    """The user's mask, float32 ``[size, size]`` of 0 and 1."""
    y, x = np.mgrid[0:size, 0:size] / size
    return (((x - 0.45) / 0.20) ** 2 + ((y - 0.55) / 0.15) ** 2 <= 1.0).astype(np.float32)
